"""The second moments of stars, under a weight that takes each star's own shape."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 12
_SETTLED = 1e-3  # of the moments' sum: what a further round changes
_FLOOR_PX2 = 0.25  # nothing is narrower than a pixel
_NEGLIGIBLE = 18.0  # squared sigmas from which on the weight is nothing


def adaptive_moments(residual: NDArray[np.float32], x: Array, y: Array, size_px: float) -> Array:
    """Return the shapes (n, 5) of stars: centre x and y in px, second moments xx, yy, xy in px^2.

    `residual` is the background-subtracted frame (float32 ADU), `x`, `y` (n,) the stars' places, `size_px` their rough
    sigma. The weight adapts to the star until both agree (Bernstein & Jarvis 2002), so faint wings and neighbours
    count little. Stars near the edges and those for which it does not converge are left out.
    """
    radius = int(np.clip(round(4 * size_px), 6, 32))
    height, width = residual.shape
    inside = (x > radius) & (x < width - 1 - radius) & (y > radius) & (y < height - 1 - radius)
    moments = _settled(np.ascontiguousarray(residual), x[inside], y[inside], size_px, radius)
    return np.asarray(moments[np.isfinite(moments[:, 0])])


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"})
def _settled(residual: NDArray[np.float32], x: Array, y: Array, size_px: float, radius: int) -> Array:
    """Return the moments (n, 5), NaN where they do not converge; the stars lie `radius` px or more from the edges."""
    result = np.full((len(x), 5), np.nan)
    for star in range(len(x)):
        column, row = int(np.rint(x[star])), int(np.rint(y[star]))
        centre_x, centre_y = x[star] - column, y[star] - row
        xx = yy = max(size_px**2, _FLOOR_PX2)
        xy = 0.0
        total = 0.0
        for _ in range(_ROUNDS):
            determinant = max(xx * yy - xy * xy, 1e-3)
            a, b, c = yy / determinant, -2 * xy / determinant, xx / determinant
            total = sum_x = sum_y = sum_xx = sum_yy = sum_xy = 0.0
            for i in range(-radius, radius + 1):
                dy = i - centre_y
                for j in range(-radius, radius + 1):
                    dx = j - centre_x
                    square = a * dx * dx + b * dx * dy + c * dy * dy
                    if square > _NEGLIGIBLE:
                        continue
                    light = residual[row + i, column + j] * math.exp(-0.5 * square)
                    total += light
                    sum_x += light * dx
                    sum_y += light * dy
                    sum_xx += light * dx * dx
                    sum_yy += light * dy * dy
                    sum_xy += light * dx * dy
            if not total > 0:
                break
            # A Gaussian seen through itself has half its variance.
            new_xx = min(max(2 * sum_xx / total, _FLOOR_PX2), float(radius**2))
            new_yy = min(max(2 * sum_yy / total, _FLOOR_PX2), float(radius**2))
            limit = 0.98 * math.sqrt(new_xx * new_yy)
            new_xy = min(max(2 * sum_xy / total, -limit), limit)
            change = abs(new_xx - xx) + abs(new_yy - yy) + abs(new_xy - xy)
            xx, yy, xy = new_xx, new_yy, new_xy
            centre_x = min(max(centre_x + 2 * sum_x / total, -radius / 2), radius / 2)
            centre_y = min(max(centre_y + 2 * sum_y / total, -radius / 2), radius / 2)
            if change < _SETTLED * (xx + yy):
                break
        if total > 0 and xx < radius**2 / 2 and yy < radius**2 / 2:
            result[star, 0], result[star, 1] = centre_x + column, centre_y + row
            result[star, 2], result[star, 3], result[star, 4] = xx, yy, xy
    return result
