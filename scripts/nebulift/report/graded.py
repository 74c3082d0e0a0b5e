"""Frames with all that the report tells of them, and what can be counted over them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nebulift.labels.verdict import UNREADABLE
from nebulift.report.words import DECISIONS, MEANING_OF_REASON, NOT_CLEAN
from nebulift.tables import Row


@dataclass(frozen=True, slots=True)
class GradedFrame:
    """One frame: the decision on it, what was measured, and why."""

    name: str
    time: datetime | None
    """Start of the exposure, UTC."""
    decision: str
    decided_by: str
    quality_score: float | None
    p_clean: float | None
    reasons: str
    group: str
    star_count: float | None
    fwhm_px: float | None
    background_ratio: float | None
    """Sky level against the group's."""
    background_of_saturation: float | None
    preview: str
    """File name of the preview, "" for none."""

    @property
    def reason_parts(self) -> tuple[str, ...]:
        """The reasons one by one, worst first."""
        if self.decision == UNREADABLE:  # a message of a library, which may hold any sign
            return (self.reasons.removeprefix("unreadable: "),)
        return tuple(filter(None, self.reasons.split("; ")))

    @property
    def reason_words(self) -> tuple[str, ...]:
        """The words for the reasons, worst first, each once: keys of MEANING_OF_REASON."""
        if self.decision == UNREADABLE:
            return ("unreadable",)
        if self.decided_by == "human":  # the note may hold anything, also what looks like a reason
            return ("human",)
        heads = [part.split(":", 1)[0] for part in self.reason_parts]
        words = [head for head in heads if head in MEANING_OF_REASON]
        if self.decided_by == "disagreement":
            words = ["disagreement", *(word for word in words if word != "model")]
        return tuple(dict.fromkeys(words)) or ("not named",)


@dataclass(frozen=True, slots=True)
class Night:
    """A night with its frames in capture order; `table` is what its table of predictions is called on the page."""

    name: str
    table: str
    frames: tuple[GradedFrame, ...]

    def of(self, decision: str) -> list[GradedFrame]:
        """Return the frames with this decision, those whose label the audit doubts first."""
        return sorted((f for f in self.frames if f.decision == decision), key=lambda f: f.decided_by != "audit")

    @property
    def counts(self) -> dict[str, int]:
        """Number of frames by decision; every decision is there."""
        return decision_counts(self.frames)


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How often a reason is named: by decision, and as the worst or only one of a frame."""

    word: str
    named: Mapping[str, int]
    worst: int


def graded_frames(labels: Iterable[Row], predictions: Iterable[Row], place: str) -> tuple[GradedFrame, ...]:
    """Join the rows of the tables of labels and predictions of one night, in the order of the predictions.

    Raises ValueError, naming `place` and a frame, where the two tables are not about the same frames.
    """
    by_frame = {row["frame"]: row for row in labels}
    frames = []
    for row in predictions:
        label = by_frame.pop(row["frame"], None)
        if label is None:
            raise ValueError(
                f"{place}: {row['frame']!r} is not in the table of labels, or twice here; run the workflow again"
            )
        frames.append(_graded(label, row))
    if by_frame:
        raise ValueError(f"{place}: {next(iter(by_frame))!r} of the labels is missing; run the workflow again")
    return tuple(frames)


def decision_counts(frames: Iterable[GradedFrame]) -> dict[str, int]:
    """Return the number of frames by decision; every decision is there."""
    counts = Counter(frame.decision for frame in frames)
    return {decision: counts[decision] for decision in DECISIONS}


def decider_counts(frames: Iterable[GradedFrame]) -> list[tuple[str, int]]:
    """Return who decided on how many frames, the most first."""
    return sorted(Counter(frame.decided_by for frame in frames).items(), key=lambda item: (-item[1], item[0]))


def group_counts(frames: Iterable[GradedFrame]) -> list[tuple[str, dict[str, int]]]:
    """Return the counts by decision of each group (target, filter, exposure, camera, size), in order of time."""
    groups: dict[str, list[GradedFrame]] = {}
    for frame in frames:
        groups.setdefault(frame.group, []).append(frame)
    return [(group, decision_counts(members)) for group, members in groups.items()]


def reason_counts(frames: Iterable[GradedFrame]) -> list[ReasonCount]:
    """Count the reasons of the frames that are not clean, the most frequent worst reason first."""
    named: dict[str, Counter[str]] = {}
    worst: Counter[str] = Counter()
    for frame in frames:
        if frame.decision not in NOT_CLEAN:
            continue
        words = frame.reason_words
        worst[words[0]] += 1
        for word in words:
            named.setdefault(word, Counter())[frame.decision] += 1
    counts = [
        ReasonCount(word, {decision: by[decision] for decision in NOT_CLEAN}, worst[word]) for word, by in named.items()
    ]
    return sorted(counts, key=lambda count: (-count.worst, -sum(count.named.values()), count.word))


def pictured(frames: Sequence[GradedFrame], most: int) -> list[GradedFrame]:
    """Choose at most `most` frames to show with pictures, in the given order.

    Where there are more, each reason has its turn with its worst frames, so that a night of cloud does not hide the
    one frame out of focus.
    """
    by_reason: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        by_reason.setdefault(frame.reason_words[0], []).append(index)
    turns = []
    for members in by_reason.values():
        worst_first = sorted(members, key=lambda index: (_quality(frames[index]), index))
        turns += [(turn, index) for turn, index in enumerate(worst_first)]
    return [frames[index] for index in sorted(index for _, index in sorted(turns)[:most])]


def _quality(frame: GradedFrame) -> float:
    return 0.0 if frame.quality_score is None else frame.quality_score


def _graded(label: Row, prediction: Row) -> GradedFrame:
    return GradedFrame(
        name=prediction["frame"],
        time=_time(label["date_obs"]),
        decision=prediction["decision"],
        decided_by=prediction["decided_by"],
        quality_score=_finite(label["quality_score"]),
        p_clean=_finite(prediction["p_clean"]),
        reasons=prediction["reasons"],
        group=label["group"],
        star_count=_finite(label["star_count"]),
        fwhm_px=_finite(label["fwhm_px"]),
        background_ratio=_finite(label["background_ratio"]),
        background_of_saturation=_finite(label["background_of_saturation"]),
        preview=label["preview"],
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _time(text: str) -> datetime | None:
    """Read ISO 8601 as the tables have it: UTC, without a zone; None where it is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
