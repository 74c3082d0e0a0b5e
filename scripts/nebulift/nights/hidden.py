"""How much of a field is hidden: by a bank of clouds, trees, the dome."""

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.medians import weighted_median

Array = NDArray[np.float64]

_CLEAR_CELLS = 0.85
# From the first loss of light a star begins to count as hidden, from the second on it counts whole.
_LESS_LIGHT, _HIDDEN = 0.1, 0.25
_CHANCE = 1.5  # standard errors that a star may have lost by chance
_GRIDS = ((6, 4), (4, 3), (3, 2))
_STARS_PER_CELL = 4.0
_FEWEST_IN_CELL, _FEWEST_STARS, _FEW_STARS = 2, 6, 16


def hidden_fraction(
    ratio: Array, weight: Array, missing: NDArray[np.bool_], places_px: Array, size: tuple[int, int]
) -> float | None:
    """Return the share of the field that is hidden, cell by cell; None where stars are too few.

    `ratio` (n,) is the light of each star against a clear frame's, NaN where nothing is known, `weight` one over its
    relative variance, `missing` whether it was not found, so that its ratio is the largest possible, `places_px` (n, 2)
    where it lies in the frame of (width, height). Cells without stars to tell are left out.
    """
    told = np.isfinite(ratio)
    error = np.where(missing[told], 0.0, 1 / np.sqrt(weight[told]))
    for columns, rows in _GRIDS:
        if told.sum() < _STARS_PER_CELL * columns * rows:
            continue
        column = np.clip(places_px[told, 0] * columns / size[0], 0, columns - 1).astype(int)
        row = np.clip(places_px[told, 1] * rows / size[1], 0, rows - 1).astype(int)
        cell = row * columns + column
        members = [np.flatnonzero(cell == number) for number in range(columns * rows)]
        members = [stars for stars in members if len(stars) >= _FEWEST_IN_CELL]
        if not members:
            continue
        # The frame's own clear part: a veil over all of it is the transparency's matter.
        light = [weighted_median(ratio[told][stars], weight[told][stars]) for stars in members]
        clear = min(float(np.quantile(light, _CLEAR_CELLS)), 1.0)
        dimmed = _dimmed(ratio[told], error, clear)
        # Now and then a star is lost to a hot pixel or a neighbour: the darkest one of a cell never counts.
        return float(np.mean([(dimmed[stars].sum() - dimmed[stars].max()) / (len(stars) - 1) for stars in members]))
    return _hidden_stars(ratio[told], error)


def _hidden_stars(ratio: Array, error: Array) -> float | None:
    """Return the share of the stars that are hidden, for fields with too few of them for cells; None below six."""
    if len(ratio) < _FEWEST_STARS:
        return None
    clear = min(float(np.quantile(ratio, _CLEAR_CELLS)), 1.0)
    dimmed = _dimmed(ratio, error, clear)
    # Without neighbours to tell chance from cloud, the darkest stars never count: one, of few stars two.
    left_out = 2 if len(dimmed) < _FEW_STARS else 1
    return float(np.sort(dimmed)[:-left_out].sum() / len(dimmed))


def _dimmed(ratio: Array, error: Array, clear: float) -> Array:
    """Return how far each star counts as hidden, 0 to 1, by the light that it has lost against the clear part."""
    lost = 1 - (ratio + _CHANCE * error) / max(clear, 1e-9)
    return np.asarray(np.clip((lost - _LESS_LIGHT) / (_HIDDEN - _LESS_LIGHT), 0, 1))
