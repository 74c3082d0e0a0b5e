"""The checks that a frame must pass, each with a value, its limits, and the quality that follows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `reason` is the word for failing it, `column` the value in the label table, `ideal` a faultless one's.

    `words` describe the value in a reason. `lowest_quality` is as low as this check alone may bring a frame. What is
    `only_review` never makes a frame contaminated, wherever the thresholds are. What a frame tells by itself is weaker
    than what the night tells of it: a check is left out where the column `unless` has a value. Where the stars are not
    elongated in one direction, the reason is `unordered`, if there is such a word.
    """

    column: str
    ideal: float
    reason: str
    words: str
    lowest_quality: float = 0.0
    only_review: bool = False
    unless: str = ""
    unordered: str = ""


# Bright sky alone may be the moon or the dawn, and a frame with few stars an empty field: these only ask for a look.
CHECKS = (
    Check("streak_significance", 5.5, "streak", "significance"),
    Check("transparency", 1.0, "cloud", "transparency"),
    Check("hidden_fraction", 0.0, "cloud", "share of the field hidden"),
    Check("star_count_ratio", 1.0, "cloud", "star count ratio"),
    Check("empty_cells", 0.0, "cloud", "share of the field without stars", unless="hidden_fraction"),
    Check("background_structure_excess_sigma", 0.0, "cloud", "background structure in sigma above the group's", 0.2),
    Check("background_bump", 1.0, "cloud", "sky against the night's slow way", only_review=True),
    Check("background_ratio", 1.0, "background", "ratio to the group", only_review=True),
    Check("depth_loss_mag", 0.0, "depth", "magnitudes lost against the group's best", only_review=True),
    Check("background_of_saturation", 0.0, "background", "share of the saturation level"),
    Check("fwhm_ratio", 1.0, "focus", "FWHM ratio"),
    Check(
        "fwhm_beyond_seeing_px", 4.0, "focus", "FWHM in pixels beyond bad seeing", only_review=True, unless="fwhm_ratio"
    ),
    Check("star_flatness", 0.55, "focus", "flatness of the stars' tops", only_review=True, unless="fwhm_ratio"),
    Check("fwhm_tilt_excess", 0.0, "optics", "tilt above the group's", only_review=True),
    Check("elongation", 1.1, "tracking", "length of the stars over their width", unordered="optics"),
    Check("arc_fraction", 0.0, "tracking", "share of the stars drawn to arcs"),
    Check("elongation_ratio", 1.0, "tracking", "length in one direction against the group's width"),
    Check("uneven_eccentricity_excess", 0.0, "optics", "uneven eccentricity above the group's", only_review=True),
    Check("star_count", 1.0, "stars", "count", only_review=True),
    Check("saturated_fraction", 0.0, "saturation", "share of the pixels"),
    Check("hot_pixel_fraction", 0.0, "hot pixels", "share of the pixels"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a check's quality is 0.7 (`clean`), 0.3 (`contaminated`) and 1 (`ideal`, if any), in units of its value."""

    clean: float
    contaminated: float
    ideal: float | None = None

    def __post_init__(self) -> None:
        # Limits that leave no room between clean and what was thought ideal: then clean is a step on the curve.
        if self.ideal is not None and (self.clean - self.ideal) * (self.contaminated - self.clean) <= 0:
            object.__setattr__(self, "ideal", None)


# The logistic function at 0.7; at 0.3 it is the negative.
_CLEAN_QUALITY = 0.7
_ORDERED = 0.6  # of the elongation: from here on the stars agree upon its direction
_LOGIT = math.log(_CLEAN_QUALITY / (1 - _CLEAN_QUALITY))
_LARGEST = 60.0  # exponent beyond which nothing changes any more


def quality(value: float, limits: Limits) -> float:
    """Return the quality, 0 to 1, that `value` means: 0.7 at the clean limit, 0.3 at the contaminated one.

    Between and beyond them it follows a logistic curve, so the thresholds mean the same for every check and camera.
    From the clean limit to the ideal value it rises to 1 along a parabola: what is usual is not to look doubtful.
    """
    if limits.ideal is not None:
        better = (limits.clean - value) / (limits.clean - limits.ideal)
        if better >= 0:
            return 1 - (1 - _CLEAN_QUALITY) * max(1 - better, 0.0) ** 2
    middle, half = (limits.clean + limits.contaminated) / 2, (limits.contaminated - limits.clean) / 2
    exponent = min(max(_LOGIT * ((value - middle) / half), -_LARGEST), _LARGEST)
    return 1 / (1 + math.exp(exponent))


def limit_at(threshold: float, limits: Limits) -> float:
    """Return the value at which `quality` equals `threshold` (0 to 1, exclusive)."""
    if limits.ideal is not None and threshold > _CLEAN_QUALITY:
        short_of_ideal = math.sqrt((1 - min(threshold, 1.0)) / (1 - _CLEAN_QUALITY))
        return limits.ideal + (limits.clean - limits.ideal) * short_of_ideal
    middle, half = (limits.clean + limits.contaminated) / 2, (limits.contaminated - limits.clean) / 2
    share = min(max(threshold, math.exp(-_LARGEST)), 1 - 1e-15)
    # Rounded, so that the usual thresholds give back the very limits that are configured.
    return middle + half * round(math.log((1 - share) / share) / _LOGIT, 12)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: its quality, and what to say, under a `word`, if that is below a threshold."""

    check: Check
    value: float
    limits: Limits
    quality: float
    word: str = ""

    def reason(self, threshold: float) -> str:
        """Say what failed and by how much, against the limit that belongs to a quality of `threshold`."""
        above = self.limits.contaminated > self.limits.clean
        compared = _compared(self.value, limit_at(threshold, self.limits), above)
        return f"{self.word or self.check.reason}: {self.check.words} {compared}"


def _compared(value: float, limit: float, above: bool) -> str:
    """Write that a value lies above or below a limit, with as many digits as it takes to be true as written."""
    for digits in (3, 4, 5, 6):
        left, right = _written(value, digits), _written(limit, digits)
        if float(left) > float(right) if above else float(left) < float(right):
            return f"{left} {'>' if above else '<'} {right}"
    return f"{_written(value, 3)} {'>' if above else '<'}= {_written(limit, 3)}"


def _written(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text else text


def run_checks(values: Mapping[str, float | None], limits: Mapping[str, Limits]) -> list[Finding]:
    """Hold each measured value against its limits; what was not measured says nothing.

    `values` holds the columns of the checks, and `elongation_order`.
    """
    findings = []
    order = values.get("elongation_order")
    is_unordered = order is not None and order < _ORDERED
    for check in CHECKS:
        value = values.get(check.column)
        if value is None or not math.isfinite(value) or values.get(check.unless) is not None:
            continue
        found = max(quality(value, limits[check.column]), check.lowest_quality)
        word = check.unordered if is_unordered else ""
        findings.append(Finding(check, value, limits[check.column], found, word or check.reason))
    return findings
