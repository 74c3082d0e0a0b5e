"""What a frame's stars have in common: the effective point spread function, seen many times between the pixels.

Each star falls onto the pixels in its own way, so many together show the image of a star finer than the pixels are and
with far less noise than any has alone (Anderson & King 2000). What only one of them has, a neighbour or a trail across
it, is no part of it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.banded import add_stiffness, factorise, solve, times
from nebulift.scoring.half_maximum import flatness_of, half_maximum_of
from nebulift.scoring.psf_equations import Array, normal_equations, refine, take_sky

_GROUPS = 10  # of stars, each left out in turn to know the error
_BY_START, _ROUNDS, _SETTLED = 3, 12, 0.98
_START_SPREAD = 4.0
_SPACING, _LEAST_SPACING_PX = 0.55, 0.35  # of the knots; the first of the narrower sigma
_REACH, _LARGEST_SIDE = 2.2, 24  # of the spline: of the wider sigma, in knots
_SKY = (4.0, 5.5)  # ring with a star's own sky, of the wider sigma
_PIXELS = 0.0015  # error of an ellipticity that more stars do not make smaller, at a sigma of one pixel
_SPOILT = 0.6  # share of a star's light that must agree with the others'
_STIFFNESS, _PULL = 1e-4, 1e-6


@dataclass(frozen=True, slots=True)
class CommonShape:
    """Width and elongation of what the stars of a frame have in common.

    `fwhm_px` is the diameter of a disc as large as the area in which a star is above half of its peak, `ellipticity`
    (2,) is (a^2 - b^2) / (a^2 + b^2) of that area as a vector of twice the position angle, `ellipticity_error` the
    standard error of each of its components, `flatness` how flat the top is, see `flatness_of`.
    """

    fwhm_px: float
    ellipticity: Array
    ellipticity_error: float
    flatness: float


def common_shape(residual: NDArray[np.float32], moments: Array, sizes: Array, noise_adu: float) -> CommonShape | None:
    """Measure the effective point spread function of stars in `residual` (background-subtracted float32 ADU).

    `moments` (n, 5) are their centres x, y in px and rough second moments xx, yy, xy in px^2, `sizes` (n,) how large
    they are to be expected over those in the middle of the field, `noise_adu` is the standard deviation of the sky.
    None where the stars do not agree on one.
    """
    xx, yy, xy = _usual(moments[:, 2:])
    half, root = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    narrow, wide = math.sqrt(max(half - root, 0.25)), math.sqrt(max(half + root, 0.25))
    reach = _REACH * wide + 0.5
    spacing = max(_SPACING * narrow, _LEAST_SPACING_PX, 2 * reach / (_LARGEST_SIDE - 3))
    side = math.ceil(2 * reach / spacing) + 3
    spacings = spacing * sizes
    stamps, x, y = _stamps(residual, moments, math.ceil(_SKY[1] * wide) + 1)
    take_sky(stamps, x, y, _SKY[0] * wide, _SKY[1] * wide)
    start = _gaussian(xx, yy, xy, spacing, side)
    surface, height, spread = start, np.zeros(len(x)), math.inf
    used = np.ones(len(x), dtype=np.bool_)
    for round_ in range(_ROUNDS):
        before = spread
        spread, agreement = refine(stamps, x, y, height, used, noise_adu, surface, spacings, spread)
        if round_ < _BY_START:  # heights, then centres, by a Gaussian
            spread = max(spread, _START_SPREAD)
            continue
        used = (height > 0) & ((agreement > _SPOILT) | (round_ == _BY_START))
        if np.count_nonzero(used) < 2:
            return None
        last = round_ == _ROUNDS - 1 or spread > _SETTLED * before
        groups = min(_GROUPS, int(np.count_nonzero(used))) if last else 1
        normal, right = normal_equations(stamps, x, y, height, used, noise_adu, surface, spacings, spread, groups)
        without, surface = _solved(normal, right, start)
        if last:
            break
    shape = half_maximum_of(surface, spacing)
    if not np.isfinite(shape).all():
        return None
    parts = np.array([half_maximum_of(part, spacing) for part in without])
    parts = parts[np.isfinite(parts[:, 0])]
    variance = (len(parts) - 1) * parts[:, 1:].var(axis=0) if len(parts) > 1 else np.full(2, math.inf)
    pixels = _PIXELS / min(narrow, 1.0) ** 2
    error = math.hypot(math.sqrt(variance.mean()), pixels)
    return CommonShape(float(shape[0]), shape[1:], error, float(flatness_of(surface)))


def _stamps(residual: NDArray[np.float32], moments: Array, reach: int) -> tuple[NDArray[np.float32], Array, Array]:
    """Return squares (n, 2 reach + 1, 2 reach + 1) around stars, NaN outside the frame, and their centres in them."""
    column, row = (np.rint(moments[:, axis]).astype(int) for axis in (0, 1))
    height, width = residual.shape
    offset = np.arange(-reach, reach + 1)
    rows, columns = row[:, None] + offset, column[:, None] + offset
    stamps = residual[np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None, :]]
    beyond = ((rows < 0) | (rows >= height))[:, :, None] | ((columns < 0) | (columns >= width))[:, None, :]
    stamps[beyond] = np.nan
    return stamps, moments[:, 0] - column + reach, moments[:, 1] - row + reach


def _gaussian(xx: float, yy: float, xy: float, spacing: float, side: int) -> Array:
    """Return coefficients (side, side) of a Gaussian of height 1: its values at the knots, close enough for a start."""
    knots = (np.arange(side) - (side - 1) / 2) * spacing
    determinant = max(xx * yy - xy**2, 1e-3)
    square = yy * knots[None, :] ** 2 - 2 * xy * knots[None, :] * knots[:, None] + xx * knots[:, None] ** 2
    return np.asarray(np.exp(-0.5 * square / determinant))


def _solved(normal: Array, right: Array, start: Array) -> tuple[Array, Array]:
    """Return the surfaces without each of the groups, to first order (groups, side, side), and that of all.

    Where the stars do not say, it bends as `start` does.
    """
    side = len(start)
    whole = normal.sum(axis=0)
    usual = float(whole[:, -1].mean())
    whole[:, -1] += _PULL * usual
    add_stiffness(whole, side, _STIFFNESS * usual)
    factor = whole.copy()
    # The equations for what is different from the start have nothing but the stars on their right.
    apart = right.sum(axis=0) - times(normal.sum(axis=0), start.ravel())
    factorise(factor)
    surface = start.ravel() + solve(factor, apart)
    groups = len(right)
    without = np.empty((groups, side, side))
    for group in range(groups if groups > 1 else 0):
        own = times(normal[group], surface) - right[group]
        without[group] = (surface + solve(factor, own) * (groups / (groups - 1))).reshape(side, side)
    return without, surface.reshape(side, side)


def _usual(values: Array) -> Array:
    """Return the mean of the middle of each column (n, m): stars of two pixels differ by how they fall onto them."""
    ordered = np.sort(values, axis=0)
    cut = len(ordered) // 5
    return np.asarray(ordered[cut : len(ordered) - cut].mean(axis=0))
