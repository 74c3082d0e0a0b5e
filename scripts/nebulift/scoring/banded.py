"""Symmetric equations whose unknowns each meet only near ones: a surface's, by its knots."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(cache=True, fastmath={"contract", "reassoc"})
def factorise(band: Array) -> None:
    """Turn a positive definite matrix into its Cholesky factor, in place.

    `band` (n, w + 1) holds the lower triangle: row i, column j of the matrix at [i, w + j - i].
    """
    size, width = band.shape[0], band.shape[1] - 1
    for i in range(size):
        for j in range(max(0, i - width), i + 1):
            first = max(0, i - width)
            total = band[i, width + j - i]
            for k in range(j - first):
                total -= band[i, width + first - i + k] * band[j, width + first - j + k]
            if j == i:
                band[i, width] = math.sqrt(max(total, 1e-300))
            else:
                band[i, width + j - i] = total / band[j, width]


@njit(cache=True)
def solve(factor: Array, right: Array) -> Array:
    """Return the solution (n,) for one right-hand side (n,) and a factor by `factorise`."""
    size, width = factor.shape[0], factor.shape[1] - 1
    result = right.copy()
    for i in range(size):
        for j in range(max(0, i - width), i):
            result[i] -= factor[i, width + j - i] * result[j]
        result[i] /= factor[i, width]
    for i in range(size - 1, -1, -1):
        result[i] /= factor[i, width]
        for j in range(max(0, i - width), i):
            result[j] -= factor[i, width + j - i] * result[i]
    return result


@njit(cache=True)
def times(band: Array, vector: Array) -> Array:
    """Return the product (n,) of a symmetric matrix, whose lower triangle is in `band` (n, w + 1), with a vector."""
    size, width = band.shape[0], band.shape[1] - 1
    result = np.zeros(size)
    for i in range(size):
        result[i] += band[i, width] * vector[i]
        for j in range(max(0, i - width), i):
            result[i] += band[i, width + j - i] * vector[j]
            result[j] += band[i, width + j - i] * vector[i]
    return result


@njit(cache=True)
def add_stiffness(band: Array, side: int, weight: float) -> None:
    """Add the squared second differences of a surface (side, side), along both sides, to its equations in place."""
    width = band.shape[1] - 1
    bend = (1.0, -2.0, 1.0)
    for row in range(side):
        for column in range(side):
            for step, place in ((1, column), (side, row)):
                if not 0 < place < side - 1:
                    continue
                middle = row * side + column
                for a in range(3):
                    for b in range(a + 1):
                        band[middle + (a - 1) * step, width + (b - a) * step] += weight * bend[a] * bend[b]
