"""The shapes of stars over the field: width, elongation and its direction, tilt."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.adaptive_moments import adaptive_moments
from nebulift.scoring.effective_psf import CommonShape, common_shape
from nebulift.scoring.robust import MAD_TO_SIGMA, standard_deviation_from_mad

_BEYOND_CHANCE = 3.5  # standard errors
_LARGEST_RATIO = 1.5  # of stars' sizes over the field
_FINER = 4  # samples per pixel for the width at half maximum
# Pixels see too little of a sharp star's peak. By noiseless Moffat stars (slopes 2.8 to 4.5, FWHM in px with the
# pixel's own width) at places of all phases: what is measured so, and what it was.
_MEASURED_PX = (1.58, 1.68, 1.83, 1.95, 2.04, 2.26, 2.35, 2.64, 2.85, 3.25, 3.71, 4.16, 5.10, 6.06, 8.0)
_TRUE_PX = (1.21, 1.32, 1.48, 1.64, 1.80, 1.99, 2.16, 2.44, 2.73, 3.11, 3.60, 4.08, 5.07, 6.05, 8.0)
# Of narrower stars the top is a pixel or two wide, and theirs is the shape that it has.
_FLATNESS_FROM_PX = 4.0
_FEWEST_IN_COMMON, _FEWEST_FOR_FIELD = 5, 12


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the stars of a frame have in common; see `nebulift.scoring.stars.Stars` for units. NaN: not measured."""

    fwhm_px: float = math.nan
    eccentricity: float = math.nan
    position_angle_deg: float = math.nan
    elongation_order: float = math.nan
    fwhm_tilt: float = math.nan
    flatness: float = math.nan


def measure_shapes(
    residual: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], size_px: float, noise_adu: float
) -> Shapes:
    """Measure stars at `x`, `y` (n,) in `residual` (background-subtracted float32 ADU), `size_px` their rough sigma."""
    moments = adaptive_moments(residual, x, y, size_px)
    if not len(moments):
        return Shapes()
    sizes, tilt = _sizes(moments, residual.shape)
    common = common_shape(residual, moments, sizes, noise_adu) if len(moments) >= _FEWEST_IN_COMMON else None
    if common is not None:
        fwhm = common.fwhm_px
    else:
        widths = np.array([_fwhm(residual, star) for star in moments])
        fwhm = float(np.median(widths[np.isfinite(widths)])) if np.isfinite(widths).any() else math.nan
    flatness = math.nan if common is None or common.fwhm_px < _FLATNESS_FROM_PX else common.flatness
    return Shapes(fwhm, *_elongation(moments, common, residual.shape), tilt, flatness)


def _fwhm(residual: NDArray[np.float32], star: NDArray[np.float64]) -> float:
    """Return the full width at half maximum in px: of the circle as large as what is above half the peak.

    Unlike a width from moments it is right for any profile, the wide wings of a real one (Moffat 1969) included.
    """
    x, y, xx, yy, _ = star
    half = math.ceil(2 * math.sqrt(max(xx, yy))) + 1
    size = (2 * half * _FINER + 1, 2 * half * _FINER + 1)
    scale = np.array([[1 / _FINER, 0, x - half], [0, 1 / _FINER, y - half]])
    fine = cv2.warpAffine(residual, scale, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    middle = half * _FINER
    peak = float(fine[middle - 1 : middle + 2, middle - 1 : middle + 2].mean())
    # Only what hangs together with the centre: a neighbour is another star.
    _, labels = cv2.connectedComponents((fine > peak / 2).astype(np.uint8))
    if peak <= 0 or not labels[middle, middle]:
        return math.nan
    area = np.count_nonzero(labels == labels[middle, middle]) / _FINER**2
    width = 2 * math.sqrt(area / math.pi)
    return float(np.interp(width, _MEASURED_PX, _TRUE_PX)) if width < _MEASURED_PX[-1] else width


def _field_terms(moments: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the terms (n, 3) of a plane over the field, -1 to 1 along both sides."""
    x, y = (2 * moments[:, axis] / max(side - 1, 1) - 1 for axis, side in ((0, shape[1]), (1, shape[0])))
    return np.stack([np.ones(len(moments)), x, y], axis=1)


def _robust_plane(terms: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a plane, leaving out in turn what lies further than 3 sigma from it; return its coefficients."""
    used = np.ones(len(values), dtype=bool)
    coefficients = np.array([np.median(values), *np.zeros(terms.shape[1] - 1)])
    for _ in range(4):
        difference = values - terms @ coefficients
        spread = MAD_TO_SIGMA * float(np.median(np.abs(difference[used] - np.median(difference[used]))))
        used = np.abs(difference) <= 3 * max(spread, 1e-9)
        if np.count_nonzero(used) < _FEWEST_FOR_FIELD // 2:
            break
        coefficients, *_ = np.linalg.lstsq(terms[used], values[used], rcond=None)
    return coefficients


def _sizes(moments: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[NDArray[np.float64], float]:
    """Return how large stars (n,) are over those in the middle as a plane over the field has it, and its range.

    The range is that between the corners, NaN where it is not known; all are 1 then.
    """
    same = np.ones(len(moments)), math.nan
    if len(moments) < _FEWEST_FOR_FIELD:
        return same
    xx, yy, xy = moments[:, 2:].T
    terms = _field_terms(moments, shape)
    plane = _robust_plane(terms, np.maximum(xx * yy - xy**2, 1e-6) ** 0.25)
    if not plane[0] > 0:
        return same
    sizes = np.clip(terms @ plane / plane[0], 1 / _LARGEST_RATIO, _LARGEST_RATIO)
    return sizes, float(2 * (abs(plane[1]) + abs(plane[2])) / plane[0])


def _elongation(
    moments: NDArray[np.float64], common: CommonShape | None, shape: tuple[int, ...]
) -> tuple[float, float, float]:
    """Return eccentricity, position angle (degrees) and order of the elongation.

    An ellipticity is a vector of twice the position angle. Noise lengthens that of every star; what all have in common
    or what is smooth over the field is the optics' and the mount's. Only what chance does not make counts.
    """
    xx, yy, xy = moments[:, 2:].T
    each = np.stack([xx - yy, 2 * xy], axis=1) / (xx + yy)[:, None]
    middle = np.median(each, axis=0)
    order = float(np.hypot(*middle)) / max(float(np.median(np.hypot(*each.T))), 1e-6)
    if common is None:
        square = float(np.median((each**2).sum(axis=1)))
    else:
        middle = common.ellipticity
        square = _beyond_chance(float((middle**2).sum()), common.ellipticity_error)
        if len(moments) >= _FEWEST_FOR_FIELD:
            square += _over_the_field(each, _field_terms(moments, shape))
    ellipticity = min(math.sqrt(square), 1 - 1e-6)
    # With ellipticity (a^2 - b^2) / (a^2 + b^2), the squared ratio of the axes is (1 - e) / (1 + e).
    eccentricity = math.sqrt(1 - (1 - ellipticity) / (1 + ellipticity))
    angle = math.degrees(0.5 * math.atan2(middle[1], middle[0])) % 180
    return eccentricity, angle, min(order, 1.0)


def _over_the_field(each: NDArray[np.float64], terms: NDArray[np.float64]) -> float:
    """Return the square of the usual ellipticity (n, 2) that differs over the field as a plane does."""
    planes = np.stack([_robust_plane(terms, component) for component in each.T], axis=1)
    error = np.mean([standard_deviation_from_mad(rest) for rest in (each - terms @ planes).T])
    slopes = terms[:, 1:] @ planes[1:]
    # Each of the two slopes adds its share of the noise.
    return _beyond_chance(float(np.median((slopes**2).sum(axis=1))), float(error) * math.sqrt(2 / len(each)))


def _beyond_chance(square: float, error: float) -> float:
    """Return the squared length of a vector without what the error of its two components adds; 0 for what may be it."""
    return square - 2 * error**2 if square > (_BEYOND_CHANCE * error) ** 2 else 0.0
