"""Which frames train and which validate: never neighbours of one another on both sides.

Frames taken one after the other are near copies, so what stays together is a night, or a block of time within a night.
Each block is assigned by its own night and time alone: adding a night, or frames to one, moves no other frame.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

TRAIN, VAL, REVIEW = "train", "val", "review"
# Frames without a time stay together in runs of so many, in the order of their names.
_FRAMES_PER_UNDATED_BLOCK = 10


@dataclass(frozen=True, slots=True)
class SplitRule:
    """`split` is blocks or nights, `validation_fraction` the share of them that validates (0 to 0.5)."""

    split: Literal["blocks", "nights"] = "blocks"
    validation_fraction: float = 0.2
    block_minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class Placement:
    """The side of one frame, and the block that it shares with its neighbours."""

    side: str
    block: str


def split_night(night: str, dates: Sequence[str], rule: SplitRule) -> list[Placement]:
    """Return the side of each frame of a night; `dates` are ISO 8601 UTC in capture order, "" where unknown."""
    if rule.split == "nights":
        side = VAL if _share(night) < rule.validation_fraction else TRAIN
        return [Placement(side, night)] * len(dates)
    # Every night begins its count elsewhere, so that short nights of one block do not all train.
    offset = _share(night)
    undated = 0
    placements = []
    for date in dates:
        if date:
            moment = datetime.fromisoformat(date).replace(tzinfo=UTC)
            number = int(moment.timestamp() // (60 * rule.block_minutes))
        else:
            number = undated // _FRAMES_PER_UNDATED_BLOCK
            undated += 1
        placements.append(Placement(_side(number, offset, rule.validation_fraction), f"{night}/{number}"))
    return placements


def _side(number: int, offset: float, validation_fraction: float) -> str:
    """Choose the blocks that validate evenly among the numbers: with 0.4, two of each five."""
    before, after = (math.floor(count * validation_fraction + offset) for count in (number, number + 1))
    return VAL if after > before else TRAIN


def _share(name: str) -> float:
    """Return a number from 0 up to 1 that depends on the name alone, evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
