"""From findings to a label, and a person's word over it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nebulift.labels.checks import Finding

CLEAN, CONTAMINATED, REVIEW, UNREADABLE = "clean", "contaminated", "review", "unreadable"
LABELS = (CLEAN, CONTAMINATED, REVIEW, UNREADABLE)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Quality scores from `clean` upwards are clean, down from `contaminated` contaminated, review between."""

    clean: float = 0.7
    contaminated: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.contaminated < self.clean <= 1:
            raise ValueError(
                f"contaminated_threshold ({self.contaminated:g}) must lie below clean_threshold ({self.clean:g}),"
                " both from 0 to 1"
            )

    def label(self, quality_score: float) -> str:
        """Return the label of a quality score (0 to 1)."""
        if quality_score >= self.clean:
            return CLEAN
        return CONTAMINATED if quality_score <= self.contaminated else REVIEW


@dataclass(frozen=True, slots=True)
class Verdict:
    """A label with the quality score behind it and its reasons, worst first ("" for none)."""

    label: str
    quality_score: float
    reasons: str


# Where a check that only asks for a look leaves a frame: so far from contaminated (0) to clean (1).
_REVIEW_SHARE = 0.375


def judge(findings: Sequence[Finding], thresholds: Thresholds) -> Verdict:
    """Return the verdict: a frame is as good as its worst check, and every check below the bar is named."""
    judged = sorted(((_quality(finding, thresholds), finding) for finding in findings), key=lambda pair: pair[0])
    score = quality_score(findings, thresholds)
    reasons = [
        finding.reason(thresholds.contaminated if quality <= thresholds.contaminated else thresholds.clean)
        for quality, finding in judged
        if quality < thresholds.clean
    ]
    return Verdict(thresholds.label(score), score, "; ".join(reasons))


def quality_score(findings: Sequence[Finding], thresholds: Thresholds) -> float:
    """Return the quality, 0 to 1, of a frame: that of its worst finding, 1 without any."""
    return min((_quality(finding, thresholds) for finding in findings), default=1.0)


def _quality(finding: Finding, thresholds: Thresholds) -> float:
    """Return what the finding means for the frame, in the six digits that tables keep: the label follows from them."""
    lowest = 0.0
    if finding.check.only_review:
        lowest = thresholds.contaminated + _REVIEW_SHARE * (thresholds.clean - thresholds.contaminated)
    return float(f"{max(finding.quality, lowest):.6g}")
