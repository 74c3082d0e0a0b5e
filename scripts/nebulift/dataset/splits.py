"""Which frames train and which validate: never neighbours of one another on both sides.

Frames taken one after the other are near copies, so what stays together is a night, or a block of time within a night.
A block's side follows from its time alone, whatever the night is called: frames of one evening that lie in two folders,
one per filter, are on the same side. Each frame is placed by its own time, or its own name where it has none: adding a
night, or frames to one, moves no other frame.
"""

import functools
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any, Literal

TRAIN, VAL, REVIEW, MARGIN = "train", "val", "review", "margin"
# Frames without a time stay together by so many, by the number in their names.
_FRAMES_PER_UNDATED_BLOCK = 10
# More digits than this are no count of frames but a date or a time.
_LONGEST_COUNT = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HALF_A_DAY = timedelta(hours=12) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class SplitRule:
    """`split` is blocks or nights, `validation_fraction` the share of them that validates (0 to 0.5).

    Frames of a training block that were taken within `margin_minutes` of one that validates are left out: they lie
    on neither side. The margin takes from training, because what validates is scarcer. Whole nights have no margin.
    Raises ValueError for a margin of more than half a block, which would leave nothing between two that validate.
    """

    split: Literal["blocks", "nights"] = "blocks"
    validation_fraction: float = 0.2
    block_minutes: float = 10.0
    margin_minutes: float = 3.0

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> "SplitRule":
        """Take the section `dataset` of a complete configuration."""
        return cls(**{field.name: section[field.name] for field in fields(cls)})

    def __post_init__(self) -> None:
        if self.split == "blocks" and not 0 <= self.margin_minutes <= self.block_minutes / 2:
            raise ValueError(
                f"margin_minutes ({self.margin_minutes:g}) must be from 0 to half of block_minutes"
                f" ({self.block_minutes:g})"
            )

    @property
    def margin_frames(self) -> int:
        """The margin among frames without a time, in numbers of their names: the same share of a block."""
        return math.ceil(round(_FRAMES_PER_UNDATED_BLOCK * self.margin_minutes / self.block_minutes, 9))


@dataclass(frozen=True, slots=True)
class Placement:
    """The side of one frame (train, val or margin), and the block that it shares with its neighbours."""

    side: str
    block: str


def split_night(night: str, names: Sequence[str], dates: Sequence[str], rule: SplitRule) -> list[Placement]:
    """Return the side of each frame of a night; `dates` are ISO 8601 UTC, "" where unknown, in the order of `names`."""
    if rule.split == "nights":
        side = VAL if _share(night) < rule.validation_fraction else TRAIN
        return [Placement(side, night)] * len(names)
    return [
        _place_dated(night, date, rule) if date else _place_undated(night, name, rule)
        for name, date in zip(names, dates, strict=True)
    ]


def moment_us(date: str) -> int:
    """Return an ISO 8601 time, UTC where it names no zone, as microseconds since 1970."""
    moment = datetime.fromisoformat(date)
    return ((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - _EPOCH) // _MICROSECOND


def count_in_name(name: str) -> int | None:
    """Return the last number in a file's name, the count of a camera or program; None where there is none.

    >>> count_in_name("night/IMG_0042.JPG")
    42
    """
    numbers = re.findall(r"\d+", PurePath(name).stem)
    return int(numbers[-1]) if numbers and len(numbers[-1]) <= _LONGEST_COUNT else None


def _place_dated(night: str, date: str, rule: SplitRule) -> Placement:
    length = round(rule.block_minutes * timedelta(minutes=1) / _MICROSECOND)
    margin = round(rule.margin_minutes * timedelta(minutes=1) / _MICROSECOND)

    def side(number: int) -> str:
        # Every day, from noon to noon UTC, begins its count elsewhere: short nights of one block do not all train.
        day = _EPOCH + timedelta(microseconds=number * length - _HALF_A_DAY)
        return _side(number, _share(day.date().isoformat()), rule.validation_fraction)

    number, found = _place(moment_us(date), length, margin, side)
    return Placement(found, f"{night}/{number}")


def _place_undated(night: str, name: str, rule: SplitRule) -> Placement:
    """Place by the count in the name; frames without one stay together, all those of the night."""

    def side(number: int) -> str:
        return _side(number, _share(night), rule.validation_fraction)

    count = count_in_name(name)
    if count is None:
        return Placement(side(0), f"{night}/undated")
    number, found = _place(count, _FRAMES_PER_UNDATED_BLOCK, rule.margin_frames, side)
    return Placement(found, f"{night}/undated {number}")


def _place(position: int, length: int, margin: int, side: Callable[[int], str]) -> tuple[int, str]:
    """Return the number of the block at `position`, and the side of what lies there."""
    number = position // length
    near = range((position - margin) // length, (position + margin) // length + 1)
    if side(number) == TRAIN and any(side(other) == VAL for other in near):
        return number, MARGIN
    return number, side(number)


def _side(number: int, offset: float, validation_fraction: float) -> str:
    """Choose the blocks that validate evenly among the numbers: with 0.4, two of each five."""
    before, after = (math.floor(count * validation_fraction + offset) for count in (number, number + 1))
    return VAL if after > before else TRAIN


@functools.lru_cache(maxsize=4096)
def _share(name: str) -> float:
    """Return a number from 0 up to 1 that depends on the name alone, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
