"""The checks that a frame must pass, each with a value, its limits, and the quality that follows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `reason` is the word for failing it, `column` the value in the label table.

    `words` describe the value in a reason. `lowest_quality` is as low as this check alone may bring a frame: above the
    threshold for contaminated where the evidence is too weak to throw a frame out.
    """

    column: str
    reason: str
    words: str
    lowest_quality: float = 0.0


# Bright sky alone may be the moon or the dawn, and a frame with few stars an empty field: these only ask for a look.
_ONLY_REVIEW = 0.45

CHECKS = (
    Check("streak_significance", "streak", "significance"),
    Check("star_flux_ratio", "cloud", "star flux ratio"),
    Check("star_count_ratio", "cloud", "star count ratio"),
    Check("empty_cells", "cloud", "share of the field without stars"),
    Check("background_structure_excess_sigma", "cloud", "background structure in sigma above the group's", 0.2),
    Check("background_ratio", "background", "ratio to the group", _ONLY_REVIEW),
    Check("background_of_saturation", "background", "share of the saturation level"),
    Check("fwhm_ratio", "focus", "FWHM ratio"),
    Check("fwhm_px", "focus", "FWHM in pixels", _ONLY_REVIEW),
    Check("eccentricity", "tracking", "eccentricity"),
    Check("star_count", "stars", "count", _ONLY_REVIEW),
    Check("saturated_fraction", "saturation", "share of the pixels"),
    Check("hot_pixel_fraction", "hot pixels", "share of the pixels"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a check's quality is 0.7 (`clean`) and 0.3 (`contaminated`), in units of its value."""

    clean: float
    contaminated: float


# The logistic function at 0.7; at 0.3 it is the negative.
_LOGIT = math.log(0.7 / 0.3)


def quality(value: float, limits: Limits) -> float:
    """Return the quality, 0 to 1, that `value` means: 0.7 at the clean limit, 0.3 at the contaminated one.

    Between and beyond them it follows a logistic curve, so the thresholds mean the same for every check and camera.
    """
    middle = (limits.clean + limits.contaminated) / 2
    slope = 2 * _LOGIT / (limits.contaminated - limits.clean)
    exponent = min(max(slope * (value - middle), -60.0), 60.0)
    return 1 / (1 + math.exp(exponent))


def limit_at(threshold: float, limits: Limits) -> float:
    """Return the value at which `quality` equals `threshold` (0 to 1, exclusive)."""
    middle = (limits.clean + limits.contaminated) / 2
    slope = 2 * _LOGIT / (limits.contaminated - limits.clean)
    share = min(max(threshold, 1e-6), 1 - 1e-6)
    return middle + math.log((1 - share) / share) / slope


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: its quality, and what to say if that is below a threshold."""

    check: Check
    value: float
    limits: Limits
    quality: float

    def reason(self, threshold: float) -> str:
        """Say what failed and by how much, against the limit that belongs to a quality of `threshold`."""
        sign = ">" if self.limits.contaminated > self.limits.clean else "<"
        limit = limit_at(threshold, self.limits)
        return f"{self.check.reason}: {self.check.words} {self.value:.3g} {sign} {limit:.3g}"


def run_checks(values: Mapping[str, float | None], limits: Mapping[str, Limits]) -> list[Finding]:
    """Hold each measured value against its limits; what was not measured says nothing."""
    findings = []
    for check in CHECKS:
        value = values.get(check.column)
        if value is None or not math.isfinite(value):
            continue
        found = max(quality(value, limits[check.column]), check.lowest_quality)
        findings.append(Finding(check, value, limits[check.column], found))
    return findings
