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


def judge(findings: Sequence[Finding], thresholds: Thresholds) -> Verdict:
    """Return the verdict: a frame is as good as its worst check, and every check below the bar is named."""
    ordered = sorted(findings, key=lambda finding: finding.quality)
    # Six digits are what tables keep; the label must follow from the score that stands beside it.
    score = float(f"{min((finding.quality for finding in ordered), default=1.0):.6g}")
    label = thresholds.label(score)
    reasons = [
        finding.reason(thresholds.contaminated if finding.quality <= thresholds.contaminated else thresholds.clean)
        for finding in ordered
        if finding.quality < thresholds.clean
    ]
    return Verdict(label, score, "; ".join(reasons))
