"""Which stars tell the shape that the optics, the air and the mount give to all of them."""

import numpy as np
import sep
from numpy.typing import NDArray

from nebulift.scoring.isolation import are_alone

# Neighbours are sought out to so many FWHM, and count from a share of the star's light.
_APART, _NEIGHBOUR_FLUX, _FEWEST_ALONE = 3.0, 0.1, 20
_MOST = 80  # more only cost time
# Where the brightest are so much larger than most, what is fainter by that share of their light is pieces of stars.
_BRIGHTEST, _PIECES, _PIECE_FLUX = 5, 2.0, 0.05
_STAR_FLUX, _FEWEST_SMALL = 0.1, 2  # pieces are not so bright
_GALAXIES = 2.5  # times larger than the usual one of those that are left
_COSMIC_RAY_PX = 1.8  # second moment along it that no track of a cosmic ray has


def choose_for_shape(
    objects: NDArray[np.void],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    is_saturated: NDArray[np.bool_],
    binning: int,
) -> NDArray[np.intp]:
    """Return the indices of up to 80 of SEP's `objects`, brightest first: whole, not saturated, with no neighbour.

    `x`, `y` (n,) are their places in the frame and `binning` its pixels per one of the image that they were found on.
    Of saturated stars there are some where fewer than three others are.
    """
    whole = (objects["flag"] & sep.OBJ_TRUNC) == 0
    order = np.argsort(-objects["flux"], kind="stable")
    chosen = _alone(order[(whole & ~is_saturated)[order]], objects, x, y, binning)[:_MOST]
    if len(chosen) < 3:  # better a clipped star than none
        chosen = order[whole[order]][:_MOST]
    return _whole_stars(chosen, objects, binning)


def _alone(
    candidates: NDArray[np.intp],
    objects: NDArray[np.void],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    binning: int,
) -> NDArray[np.intp]:
    """Return the candidates without a neighbour in their light, in their order; all where few are alone.

    In the middle of a cluster what looks like one broad star is several.
    """
    candidates = candidates[: 5 * _MOST]
    if len(candidates) <= _FEWEST_ALONE:
        return candidates
    reach = _APART * max(2.355 * float(np.median(objects["a"][candidates])) * binning, 2.0)
    flux = objects["flux"].astype(np.float64)
    alone = candidates[are_alone(x, y, flux, candidates.astype(np.int64), reach, _NEIGHBOUR_FLUX)]
    return alone if len(alone) >= _FEWEST_ALONE else candidates


def _whole_stars(chosen: NDArray[np.intp], objects: NDArray[np.void], binning: int) -> NDArray[np.intp]:
    """Leave out what is no whole star, of indices that are brightest first.

    Far out of focus a faint star is so thin that noise alone makes pieces of it, all far smaller than the brightest and
    far fainter. Where some that are as small are bright, these are the stars, and what is far larger are galaxies;
    unless they are so small that they may be tracks of cosmic rays.
    """
    size, flux = objects["a"][chosen] * binning, objects["flux"][chosen]
    if len(chosen) <= _BRIGHTEST:
        return chosen
    largest = np.median(size[:_BRIGHTEST])
    small = (size <= largest / _PIECES) & (flux >= _STAR_FLUX * flux[_BRIGHTEST - 1]) & (size > _COSMIC_RAY_PX)
    if np.count_nonzero(small) >= _FEWEST_SMALL:
        return np.asarray(chosen[size <= _PIECES * np.median(size[small])])
    if largest >= _PIECES * np.median(size):
        bright = flux >= _PIECE_FLUX * flux[_BRIGHTEST - 1]
        chosen, size = chosen[bright], size[bright]
    usual = float(np.median(size))
    return chosen if usual < _COSMIC_RAY_PX else np.asarray(chosen[size <= _GALAXIES * usual])
