"""The equations of the effective point spread function: the surface by the stars, each star by the surface."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nebulift.scoring.robust import MAD_TO_SIGMA
from nebulift.scoring.spline import bases, slopes

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_RELATIVE_ERROR = 0.03  # of the light of a pixel: what differs from star to star
_OUTLIER = 4.5  # standard deviations
_LEAST_SPREAD = 0.3
# Of the peak: from where on what differs between stars shows, and up to where it is not less than there.
_CORE, _FAINT = 0.2, 0.3
_FEWEST_OF_RING = 8


@njit(cache=True)
def take_sky(stamps: Image, x: Array, y: Array, inner: float, outer: float) -> None:
    """Take from each star in place the median of the ring around it: nebula, galaxy, faint stars.

    `stamps` (n, m, m) in ADU, NaN where there are no pixels, `x`, `y` (n,) the stars' centres in them, in px.
    """
    side = stamps.shape[1]
    ring = np.empty(side * side, np.float32)
    for star in range(len(x)):
        found = 0
        for row in range(side):
            for column in range(side):
                square = (column - x[star]) ** 2 + (row - y[star]) ** 2
                if inner**2 <= square < outer**2 and np.isfinite(stamps[star, row, column]):
                    ring[found] = stamps[star, row, column]
                    found += 1
        if found > _FEWEST_OF_RING:
            stamps[star] -= np.median(ring[:found])


@njit(cache=True, inline="always")
def _variance(noise: float, model: float) -> float:
    return noise**2 + _RELATIVE_ERROR**2 * max(model, _FAINT)


@njit(cache=True)
def normal_equations(
    stamps: Image,
    x: Array,
    y: Array,
    height: Array,
    used: NDArray[np.bool_],
    noise: float,
    surface: Array,
    spacings: Array,
    spread: float,
    groups: int,
) -> tuple[Array, Array]:
    """Return the normal equations of a surface's n coefficients, by groups of stars: (groups, n, w + 1), (groups, n).

    The matrices are those of `nebulift.scoring.banded`. Pixels count by their noise and by how well they agree
    with the `surface` before, in units of its `spread` (Tukey's biweight).
    `spacings` (n,) are the px between two knots, which differ where stars are of different size.
    """
    side = len(surface)
    width = 3 * side + 3
    normal, right = np.zeros((groups, side**2, width + 1)), np.zeros((groups, side**2))
    end = (side - 3) / 2
    product = np.empty(16)
    place = np.empty(4, np.int64)
    counted = 0
    for star in range(len(x)):
        if not used[star]:
            continue
        group = counted % groups
        counted += 1
        sky = noise / height[star]
        spacing = spacings[star]
        reach = end * spacing - 1e-9
        for row in range(max(0, math.ceil(y[star] - reach)), min(stamps.shape[1] - 1, int(y[star] + reach)) + 1):
            dy = row - y[star]
            wide = math.sqrt(max(reach**2 - dy**2, 0.0))
            from_row = dy / spacing + end
            first_row = int(from_row)
            down = bases(from_row - first_row)
            for column in range(max(0, math.ceil(x[star] - wide)), min(stamps.shape[2] - 1, int(x[star] + wide)) + 1):
                value = stamps[star, row, column] / height[star]
                if not np.isfinite(value):
                    continue
                from_column = (column - x[star]) / spacing + end
                first_column = int(from_column)
                across = bases(from_column - first_column)
                model = 0.0
                for i in range(4):
                    place[i] = (first_row + i) * side + first_column
                    for j in range(4):
                        product[4 * i + j] = down[i] * across[j]
                        model += product[4 * i + j] * surface[first_row + i, first_column + j]
                variance = _variance(sky, model)
                off = (value - model) ** 2 / (variance * (_OUTLIER * spread) ** 2)
                if off >= 1:
                    continue
                weight = (1 - off) ** 2 / variance
                for i in range(4):
                    for j in range(4):
                        share = weight * product[4 * i + j]
                        index = place[i] + j
                        right[group, index] += share * value
                        for k in range(i):
                            first = width + place[k] - index
                            for m in range(4):
                                normal[group, index, first + m] += share * product[4 * k + m]
                        for m in range(j + 1):
                            normal[group, index, width + m - j] += share * product[4 * i + m]
    return normal, right


@njit(cache=True)
def refine(
    stamps: Image,
    x: Array,
    y: Array,
    height: Array,
    used: NDArray[np.bool_],
    noise: float,
    surface: Array,
    spacings: Array,
    spread: float,
) -> tuple[float, Array]:
    """Fit centres and heights of stars to a surface in place; heights that are 0 are found from scratch.

    Return the new spread of the residuals, in units of what noise makes, and each star's agreement: the share of its
    light in pixels that are no outliers, 0 to 1.
    """
    agreement = np.zeros(len(x))
    sizes = np.empty(stamps.size)
    found = 0
    side = len(surface)
    end = (side - 3) / 2
    for star in range(len(x)):
        is_new = height[star] == 0
        if height[star] < 0:
            continue
        scale = 1.0 if is_new else height[star]
        spacing = spacings[star]
        reach = end * spacing - 1e-9
        a00 = a01 = a02 = a11 = a12 = a22 = b0 = b1 = b2 = above = light = kept = 0.0
        for row in range(max(0, math.ceil(y[star] - reach)), min(stamps.shape[1] - 1, int(y[star] + reach)) + 1):
            dy = row - y[star]
            wide = math.sqrt(max(reach**2 - dy**2, 0.0))
            from_row = dy / spacing + end
            first_row = int(from_row)
            down, down_slope = bases(from_row - first_row), slopes(from_row - first_row)
            for column in range(max(0, math.ceil(x[star] - wide)), min(stamps.shape[2] - 1, int(x[star] + wide)) + 1):
                value = stamps[star, row, column] / scale
                if not np.isfinite(value):
                    continue
                from_column = (column - x[star]) / spacing + end
                first_column = int(from_column)
                across, across_slope = bases(from_column - first_column), slopes(from_column - first_column)
                model = slope_x = slope_y = 0.0
                for i in range(4):
                    for j in range(4):
                        coefficient = surface[first_row + i, first_column + j]
                        model += down[i] * across[j] * coefficient
                        slope_x -= down[i] * across_slope[j] * coefficient
                        slope_y -= down_slope[i] * across[j] * coefficient
                if is_new:
                    above += model * value
                    a00 += model * model
                    continue
                variance = _variance(noise / scale, model)
                off = (value - model) ** 2 / variance
                if used[star] and model > _CORE:
                    sizes[found] = math.sqrt(off)
                    found += 1
                off /= (_OUTLIER * spread) ** 2
                light += max(model, 0.0)
                if off >= 1:
                    continue
                kept += max(model, 0.0) * (1 - off) ** 2
                weight = (1 - off) ** 2 / variance
                slope_x, slope_y = slope_x / spacing, slope_y / spacing
                a00 += weight * model * model
                a01 += weight * model * slope_x
                a02 += weight * model * slope_y
                a11 += weight * slope_x * slope_x
                a12 += weight * slope_x * slope_y
                a22 += weight * slope_y * slope_y
                b0 += weight * model * (value - model)
                b1 += weight * slope_x * (value - model)
                b2 += weight * slope_y * (value - model)
        if is_new:
            height[star] = above / a00 if above > 0 else -1.0
            continue
        agreement[star] = kept / max(light, 1e-12)
        c00, c01, c02 = a11 * a22 - a12 * a12, a02 * a12 - a01 * a22, a01 * a12 - a02 * a11
        c11, c12, c22 = a00 * a22 - a02 * a02, a01 * a02 - a00 * a12, a00 * a11 - a01 * a01
        determinant = a00 * c00 + a01 * c01 + a02 * c02
        if not determinant > 0:
            continue
        step = (c00 * b0 + c01 * b1 + c02 * b2) / determinant
        height[star] *= 1 + min(max(step, -0.3), 0.3)
        step = (c01 * b0 + c11 * b1 + c12 * b2) / determinant
        x[star] += min(max(step, -0.4 * spacing), 0.4 * spacing)
        step = (c02 * b0 + c12 * b1 + c22 * b2) / determinant
        y[star] += min(max(step, -0.4 * spacing), 0.4 * spacing)
    if found:
        spread = max(MAD_TO_SIGMA * float(np.median(sizes[:found])), _LEAST_SPREAD)
    return spread, agreement
