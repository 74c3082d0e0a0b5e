"""Choosing the thresholds of the quality score by what a person decided, and finding out whether that helps.

Thresholds alone are chosen, two numbers. The limits of each check are two numbers more for every check, and few
reviewed frames fail any one of them: what would be fitted is chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nebulift.labels.checks import Finding, Limits, run_checks
from nebulift.labels.evaluation import CLASSES, f1_score
from nebulift.labels.truth import Truth
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE, Thresholds, quality_score
from nebulift.tables import Row

FEWEST_NIGHTS = 3
FEWEST_PER_CLASS = 20
_STEP = 0.05
_GRID = tuple(
    Thresholds(round(high * _STEP, 2), round(low * _STEP, 2)) for low in range(1, 19) for high in range(low + 1, 20)
)


class NothingToGain(RuntimeError):  # noqa: N818
    """No thresholds do better on nights that they were not chosen on; the message says by how much not."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A frame that a person looked at: its night, its true label (clean, contaminated or review), its findings."""

    night: str
    truth: str
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """The thresholds chosen on all nights, and macro F1 (0 to 1) on nights that they were not chosen on.

    `f1_before` is that of the thresholds until now on the same frames; `put_right` and `put_wrong` are frames that the
    choice labels rightly and the thresholds until now did not, and the other way round.
    """

    thresholds: Thresholds
    f1: float
    f1_before: float
    put_right: int
    put_wrong: int
    nights: int
    frames: int


def reviewed_frames(rows: Sequence[Row], truth: Truth, limits: Mapping[str, Limits], now: Thresholds) -> list[Reviewed]:
    """Return the reviewed frames among the rows of a table of labels.

    Raises ValueError where the limits and thresholds given are not those that the table was made with.
    """
    reviewed = []
    for row in rows:
        true = truth.get((row["night"], row["frame"]))
        if true is None or row["cv_label"] == UNREADABLE:
            continue
        findings = run_checks(row, limits)
        if now.label(quality_score(findings, now)) != row["cv_label"]:
            raise ValueError(
                f"{row['night']}: {row['frame']!r} is labelled {row['cv_label']} in the table, and not so by the limits"
                " and thresholds of this configuration; give the --configfile that the labels were made with"
            )
        reviewed.append(Reviewed(row["night"], true, findings))
    return reviewed


def choose_thresholds(reviewed: Sequence[Reviewed], now: Thresholds) -> ThresholdChoice:
    """Return the thresholds with the best macro F1 of clean and contaminated (and of review, where a person says it).

    What is left to review counts as not found. The gain is cross-validated: each night is labelled by the thresholds
    that are best on all others. Among equals those nearest to `now` are taken. Raises ValueError for too few reviews,
    NothingToGain where nothing is gained.
    """
    nights = sorted({frame.night for frame in reviewed})
    _check_enough(reviewed, nights)
    candidates = sorted(
        {*_GRID, now}, key=lambda t: (abs(t.clean - now.clean) + abs(t.contaminated - now.contaminated), t.clean)
    )
    said = {t: [t.label(quality_score(frame.findings, t)) for frame in reviewed] for t in candidates}
    true = [frame.truth for frame in reviewed]

    def best(without: str | None) -> Thresholds:
        kept = [index for index, frame in enumerate(reviewed) if frame.night != without]
        return max(candidates, key=lambda t: round(macro_f1([said[t][i] for i in kept], [true[i] for i in kept]), 9))

    by_night = {night: best(night) for night in nights}
    held_out = [said[by_night[frame.night]][index] for index, frame in enumerate(reviewed)]
    choice = ThresholdChoice(
        best(None),
        macro_f1(held_out, true),
        macro_f1(said[now], true),
        sum(new == t != old for new, old, t in zip(held_out, said[now], true, strict=True)),
        sum(old == t != new for new, old, t in zip(held_out, said[now], true, strict=True)),
        len(nights),
        len(reviewed),
    )
    if choice.thresholds == now or choice.f1 <= choice.f1_before:
        raise NothingToGain(
            f"thresholds chosen by {len(reviewed)} reviewed frames of {len(nights)} nights do no better on a night left"
            f" out: macro F1 {choice.f1:.4f} against {choice.f1_before:.4f} with those until now, which stay"
        )
    return choice


def macro_f1(said: Sequence[str], true: Sequence[str]) -> float:
    """Return the mean F1, 0 to 1, of clean, contaminated and, where it is true of a frame, review."""
    names = (*CLASSES, REVIEW) if REVIEW in true else CLASSES
    pairs = list(zip(said, true, strict=True))
    scores = [
        f1_score(sum(s == t == name for s, t in pairs), sum(s == name for s in said), sum(t == name for t in true))
        for name in names
    ]
    return sum(score or 0.0 for score in scores) / len(names)


def _check_enough(reviewed: Sequence[Reviewed], nights: Sequence[str]) -> None:
    counts = {name: sum(frame.truth == name for frame in reviewed) for name in (CLEAN, CONTAMINATED)}
    if len(nights) < FEWEST_NIGHTS or min(counts.values()) < FEWEST_PER_CLASS:
        raise ValueError(
            f"too few reviews to choose thresholds by: {counts[CLEAN]} frames that are clean and"
            f" {counts[CONTAMINATED]} that are contaminated, of {len(nights)} nights; {FEWEST_PER_CLASS} of each and"
            f" {FEWEST_NIGHTS} nights are needed. Review more frames, clean ones too"
        )
