"""How much of a field is hidden: by a bank of clouds, trees, the dome."""

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.medians import weighted_medians

Array = NDArray[np.float64]

_CLEAR_STARS = 0.85
# From the first loss of light a star begins to count as hidden, from the second on it counts whole.
_LESS_LIGHT, _HIDDEN = 0.1, 0.25
_CHANCE = 1.5  # standard errors that a star may have lost by chance
_NEIGHBOURS = 5  # one of so many has to be hidden too
_AROUND = 5  # stars whose light together is that of their part of the field
_POINTS = (24, 18)  # of the field along its sides, each told by the nearest star
_FEWEST_STARS, _FEW_STARS = 6, 16


def hidden_fraction(
    ratio: Array, weight: Array, missing: NDArray[np.bool_], places_px: Array, size: tuple[int, int]
) -> float | None:
    """Return the share of the field that is hidden, each point by the star nearest to it; None where stars are too few.

    `ratio` (n,) is the light of each star against a clear frame's, NaN where nothing is known, `weight` one over its
    relative variance, `missing` whether it was not found, so that its ratio is the largest possible, `places_px` (n, 2)
    where it lies in the frame of (width, height).
    """
    told = np.isfinite(ratio)
    if told.sum() < _FEWEST_STARS:
        return None
    ratio, weight, places = ratio[told], weight[told], places_px[told]
    error = np.where(missing[told], 0.0, 1 / np.sqrt(weight))
    if len(ratio) < _FEW_STARS:
        return _hidden_stars(ratio, error)
    nearest = np.argsort(_squared_distances(places, places), axis=1, kind="stable")
    # The frame's own clear part: a veil over all of it is the transparency's matter.
    around = nearest[:, :_AROUND]
    light = weighted_medians(ratio[around], weight[around])
    dimmed = _dimmed(ratio, error, min(float(np.quantile(light, _CLEAR_STARS)), 1.0))
    # Now and then a star is lost to a hot pixel or a neighbour: what hides one hides another beside it.
    dimmed = np.minimum(dimmed, dimmed[nearest[:, 1 : _NEIGHBOURS + 1]].max(axis=1))
    x, y = ((np.arange(number) + 0.5) * side / number for number, side in zip(_POINTS, size, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return float(dimmed[_squared_distances(points, places).argmin(axis=1)].mean())


def _squared_distances(points: Array, places: Array) -> Array:
    across, along = (np.subtract.outer(points[:, axis], places[:, axis]) for axis in range(2))
    return np.asarray(across**2 + along**2)


def _hidden_stars(ratio: Array, error: Array) -> float:
    """Return the share of the stars that are hidden, for fields with too few of them to have neighbours."""
    dimmed = _dimmed(ratio, error, min(float(np.quantile(ratio, _CLEAR_STARS)), 1.0))
    # Without neighbours to tell chance from cloud, the two darkest stars never count.
    return float(np.sort(dimmed)[:-2].sum() / len(dimmed))


def _dimmed(ratio: Array, error: Array, clear: float) -> Array:
    """Return how far each star counts as hidden, 0 to 1, by the light that it has lost against the clear part."""
    lost = 1 - (ratio + _CHANCE * error) / max(clear, 1e-9)
    return np.asarray(np.clip((lost - _LESS_LIGHT) / (_HIDDEN - _LESS_LIGHT), 0, 1))
