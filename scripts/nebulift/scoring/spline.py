"""A surface of cubic B-splines: small pieces of compiled code for those who fit one."""

import math
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Four: TypeAlias = tuple[float, float, float, float]


@njit(cache=True, inline="always")
def bases(t: float) -> Four:
    """Return the four cubic B-splines that are not zero at a place, `t` (0 to 1) behind the last knot."""
    return (1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * (t + t**2 - t**3) + 1) / 6, t**3 / 6


@njit(cache=True, inline="always")
def slopes(t: float) -> Four:
    """Return their derivatives, per distance of the knots."""
    return -((1 - t) ** 2) / 2, (3 * t**2 - 4 * t) / 2, (1 + 2 * t - 3 * t**2) / 2, t**2 / 2


@njit(cache=True)
def value_at(surface: Array, x: float, y: float) -> float:
    """Return a surface with coefficients (rows, columns) at a place; knots apart by 1, the first at x, y = 0."""
    column, row = math.floor(x), math.floor(y)
    across, down = bases(x - column), bases(y - row)
    total = 0.0
    for i in range(4):
        line = 0.0
        for j in range(4):
            line += across[j] * surface[row + i, column + j]
        total += down[i] * line
    return total
