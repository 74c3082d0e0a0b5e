"""The shapes of stars over the field: width, elongation and its direction, tilt."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.robust import MAD_TO_SIGMA, standard_deviation_from_mad

_FINER = 4  # samples per pixel for the width at half maximum
# Pixels see too little of a sharp star's peak. By noiseless Moffat stars (slopes 2.8 to 4.5, FWHM in px with the
# pixel's own width) at places of all phases: what is measured so, and what it was.
_MEASURED_PX = (1.58, 1.68, 1.83, 1.95, 2.04, 2.26, 2.35, 2.64, 2.85, 3.25, 3.71, 4.16, 5.10, 6.06, 8.0)
_TRUE_PX = (1.21, 1.32, 1.48, 1.64, 1.80, 1.99, 2.16, 2.44, 2.73, 3.11, 3.60, 4.08, 5.07, 6.05, 8.0)
_FEWEST_FOR_FIELD = 12
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the stars of a frame have in common; see `nebulift.scoring.stars.Stars` for units. NaN: not measured."""

    fwhm_px: float = math.nan
    eccentricity: float = math.nan
    position_angle_deg: float = math.nan
    elongation_order: float = math.nan
    fwhm_tilt: float = math.nan


def measure_shapes(
    residual: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], size_px: float
) -> Shapes:
    """Measure stars at `x`, `y` (n,) in `residual` (background-subtracted float32 ADU), `size_px` their rough sigma."""
    moments = _adaptive_moments(residual, x, y, size_px)
    if not len(moments):
        return Shapes()
    widths = np.array([_fwhm(residual, star) for star in moments])
    measured = np.isfinite(widths)
    fwhm = float(np.median(widths[measured])) if measured.any() else math.nan
    tilt = _tilt(moments[measured], widths[measured], residual.shape)
    return Shapes(fwhm, *_elongation(moments, residual.shape), tilt)


def _adaptive_moments(
    residual: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], size_px: float
) -> NDArray[np.float64]:
    """Return the shapes (n, 5) of stars: centre x and y in px, second moments xx, yy, xy in px^2.

    The weight adapts to the star until both agree (Bernstein & Jarvis 2002), so faint wings and neighbours
    count little. Stars for which it does not converge are left out.
    """
    radius = int(np.clip(round(4 * size_px), 6, 32))
    height, width = residual.shape
    inside = (x > radius) & (x < width - 1 - radius) & (y > radius) & (y < height - 1 - radius)
    x, y = x[inside], y[inside]
    if not len(x):
        return np.empty((0, 5))
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    offset = np.arange(-radius, radius + 1)
    stamps = residual[row[:, None, None] + offset[:, None], column[:, None, None] + offset]
    centre_x, centre_y = x - column, y - row
    floor = 0.25  # px^2: nothing is narrower than a pixel
    xx = yy = np.full(len(x), max(size_px**2, floor))
    xy = np.zeros(len(x))
    converged = np.ones(len(x), dtype=bool)
    for _ in range(_ROUNDS):
        determinant = np.maximum(xx * yy - xy**2, 1e-3)
        dx = offset - centre_x[:, None]
        dy = offset - centre_y[:, None]
        distance = (
            (yy / determinant)[:, None, None] * dx[:, None, :] ** 2
            - (2 * xy / determinant)[:, None, None] * dx[:, None, :] * dy[:, :, None]
            + (xx / determinant)[:, None, None] * dy[:, :, None] ** 2
        )
        weighted = stamps * np.exp(-0.5 * distance)
        columns, rows = weighted.sum(axis=1), weighted.sum(axis=2)
        total = rows.sum(axis=1)
        converged &= total > 0
        total = np.where(total > 0, total, 1.0)
        shift_x, shift_y = (columns * dx).sum(axis=1) / total, (rows * dy).sum(axis=1) / total
        # A Gaussian seen through itself has half its variance.
        xx = np.clip(2 * (columns * dx**2).sum(axis=1) / total, floor, radius**2)
        yy = np.clip(2 * (rows * dy**2).sum(axis=1) / total, floor, radius**2)
        limit = 0.98 * np.sqrt(xx * yy)
        cross = np.einsum("nij,nj,ni->n", weighted, dx, dy, optimize=True)
        xy = np.clip(2 * cross / total, -limit, limit)
        centre_x = np.clip(centre_x + 2 * shift_x, -radius / 2, radius / 2)
        centre_y = np.clip(centre_y + 2 * shift_y, -radius / 2, radius / 2)
    converged &= (xx < radius**2 / 2) & (yy < radius**2 / 2)
    return np.stack([centre_x + column, centre_y + row, xx, yy, xy], axis=1)[converged]


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


def _tilt(moments: NDArray[np.float64], widths: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the range of the FWHM between the corners of the field, relative to its middle."""
    if len(moments) < _FEWEST_FOR_FIELD:
        return math.nan
    middle, along_x, along_y = _robust_plane(_field_terms(moments, shape), widths)
    return float(2 * (abs(along_x) + abs(along_y)) / middle) if middle > 0 else math.nan


def _elongation(moments: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return eccentricity, position angle (degrees) and order of the elongation.

    An ellipticity is a vector of twice the position angle. Noise lengthens that of every star; what is smooth over the
    field is the optics' and the mount's, so the elongation is that of a plane through the stars' vectors.
    """
    xx, yy, xy = moments[:, 2:].T
    e1, e2 = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
    noise = 0.0
    if len(moments) >= _FEWEST_FOR_FIELD:
        terms = _field_terms(moments, shape)
        field1, field2 = (terms @ _robust_plane(terms, component) for component in (e1, e2))
        for difference in (e1 - field1, e2 - field2):
            noise += standard_deviation_from_mad(difference) ** 2 * terms.shape[1] / len(moments)
    else:
        field1, field2 = e1, e2
    # Whatever its direction, noise lengthens: its share is taken off, so that round stars are round.
    square = float(np.median(field1**2 + field2**2)) - noise
    ellipticity = min(math.sqrt(max(square, 0.0)), 1 - 1e-6)
    # With ellipticity (a^2 - b^2) / (a^2 + b^2), the squared ratio of the axes is (1 - e) / (1 + e).
    eccentricity = math.sqrt(1 - (1 - ellipticity) / (1 + ellipticity))
    middle1, middle2 = float(np.median(e1)), float(np.median(e2))
    angle = math.degrees(0.5 * math.atan2(middle2, middle1)) % 180
    order = math.hypot(middle1, middle2) / max(float(np.median(np.hypot(e1, e2))), 1e-6)
    return eccentricity, angle, min(order, 1.0)
