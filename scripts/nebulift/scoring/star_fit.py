"""Stars fitted with a profile, one after the other: the inner loops."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

SQUARE_STEPS = 16  # of a profile by squared radius, in each square pixel
Ellipse = tuple[float, float, float]

# In FWHM of the stars.
_FIT_FWHM, _FARTHEST_FWHM = 0.75, 0.5


@njit(cache=True, fastmath=True)
def _squared_radius(dx: float, dy: float, ellipse: Ellipse) -> float:
    """Return the squared radius of the circle of the same area as the ellipse through a place."""
    return ellipse[0] * dx * dx + ellipse[1] * dx * dy + ellipse[2] * dy * dy


@njit(cache=True)
def light_around(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    reach: int,
    core: float,
    ellipse: Ellipse,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return radius and light, over that within `core`, of all pixels within `reach` of the stars; NaN outside."""
    height, width = image.shape
    side = 2 * reach + 1
    radii = np.full((len(x), side * side), np.nan)
    values = np.full((len(x), side * side), np.nan)
    for star in range(len(x)):
        column, row = round(x[star]), round(y[star])
        if column < reach or row < reach or column >= width - reach or row >= height - reach:
            continue
        total = 0.0
        for j in range(side):
            for i in range(side):
                pixel_x, pixel_y = column - reach + i, row - reach + j
                radius = math.sqrt(_squared_radius(pixel_x - x[star], pixel_y - y[star], ellipse))
                radii[star, j * side + i] = radius
                values[star, j * side + i] = image[pixel_y, pixel_x]
                if radius < core:
                    total += image[pixel_y, pixel_x]
        # Nebulae and neighbours lift what is furthest out.
        outside = values[star][radii[star] > 0.85 * reach]
        level = np.median(outside) if len(outside) else 0.0
        total -= level * np.count_nonzero(radii[star] < core)
        for place in range(side * side):
            values[star, place] = (values[star, place] - level) / total if total > 0 else np.nan
    return radii.ravel(), values.ravel()


@njit(cache=True, fastmath=True)
def _light(table: NDArray[np.float64], dx: float, dy: float, ellipse: Ellipse) -> float:
    """Return the profile, a table by squared radius, at a place beside a star."""
    place = _squared_radius(dx, dy, ellipse) * SQUARE_STEPS
    step = int(place)
    if step + 1 >= len(table):
        return 0.0
    return float(table[step] + (place - step) * (table[step + 1] - table[step]))


@njit(cache=True, fastmath=True)
def fit_stars(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    heights: NDArray[np.float64],
    table: NDArray[np.float64],
    ellipse: Ellipse,
    fwhm: float,
    done: float,
    moving: bool,
) -> None:
    """Fit each star, brightest first, to what the others leave in `image`, and take it away; all in place."""
    rows, columns = image.shape
    core = max(_FIT_FWHM * fwhm, 1.5)
    stretched = max(1.0, math.sqrt(1 / max(min(ellipse[0], ellipse[2]), 0.05)))
    for star in range(len(x)):
        matrix, right = np.zeros((3, 3)), np.zeros(3)
        old = heights[star]
        gradient_of = max(old, 1e-9)
        left, right_column = max(0, int(x[star] - core)), min(columns - 1, int(x[star] + core) + 1)
        top, bottom = max(0, int(y[star] - core)), min(rows - 1, int(y[star] + core) + 1)
        for row in range(top, bottom + 1):
            for column in range(left, right_column + 1):
                dx, dy = column - x[star], row - y[star]
                if _squared_radius(dx, dy, ellipse) > core * core:
                    continue
                light = _light(table, dx, dy, ellipse)
                value = image[row, column] + old * light
                base = (light, 0.0, 0.0)
                if moving and old > 0:
                    ahead_x = _light(table, dx - 0.1, dy, ellipse)
                    behind_x = _light(table, dx + 0.1, dy, ellipse)
                    ahead_y = _light(table, dx, dy - 0.1, ellipse)
                    behind_y = _light(table, dx, dy + 0.1, ellipse)
                    base = (
                        light,
                        gradient_of * (ahead_x - behind_x) / 0.2,
                        gradient_of * (ahead_y - behind_y) / 0.2,
                    )
                for i in range(3):
                    right[i] += base[i] * value
                    for j in range(3):
                        matrix[i, j] += base[i] * base[j]
        if matrix[0, 0] <= 0:
            continue
        height, shift_x, shift_y = right[0] / matrix[0, 0], 0.0, 0.0
        if moving and matrix[1, 1] > 0 and matrix[2, 2] > 0:
            solved = _solved(matrix, right)
            farthest = _FARTHEST_FWHM * fwhm
            if abs(solved[1]) < farthest and abs(solved[2]) < farthest and solved[0] > 0:
                height, shift_x, shift_y = solved[0], solved[1], solved[2]
        height = max(height, 0.0)
        new_x, new_y = x[star] + shift_x, y[star] + shift_y
        reach = _reach(table, max(height, old), done) * stretched + 1.0
        left, right_column = max(0, int(x[star] - reach)), min(columns - 1, int(x[star] + reach) + 1)
        top, bottom = max(0, int(y[star] - reach)), min(rows - 1, int(y[star] + reach) + 1)
        for row in range(top, bottom + 1):
            for column in range(left, right_column + 1):
                change = -height * _light(table, column - new_x, row - new_y, ellipse)
                if old > 0:
                    change += old * _light(table, column - x[star], row - y[star], ellipse)
                image[row, column] += change
        x[star], y[star], heights[star] = new_x, new_y, height


@njit(cache=True)
def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what solves the normal equations (3, 3) by Cramer's rule."""
    solved = np.zeros(3)
    whole = _determinant(matrix)
    if abs(whole) > 0:
        for i in range(3):
            replaced = matrix.copy()
            replaced[:, i] = right
            solved[i] = _determinant(replaced) / whole
    return solved


@njit(cache=True)
def _determinant(m: NDArray[np.float64]) -> float:
    return float(
        m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
        - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
        + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
    )


@njit(cache=True)
def _reach(table: NDArray[np.float64], height: float, limit: float) -> float:
    """Return the radius within which a star of a height is brighter than a limit."""
    low, high = 0, len(table) - 1
    while low < high:
        middle = (low + high) // 2
        if height * table[middle] > limit:
            low = middle + 1
        else:
            high = middle
    return math.sqrt(low / SQUARE_STEPS)
