"""Samples of a frame that are small enough for a table, and still tell frames of a night apart or together."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CELLS_X, CELLS_Y = 8, 6
PER_CELL = 3
_MOST_STARS = 200
_WITHOUT_FLUX = 24  # they tell where the frame points, but not how clear the air is
HOT_PIXELS = 64


def sample_stars(
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    flux_adu: NDArray[np.float64],
    without_flux: NDArray[np.bool_],
    width_px: int,
    height_px: int,
) -> list[list[float]]:
    """Return [[x_px, y_px, flux_adu], ...] of up to 200 stars all over the field, brightest first.

    The arrays describe the stars, brightest first. Of each of 8 x 6 cells the three brightest are taken, of the whole
    frame the brightest. Those `without_flux` are saturated, or galaxies, whose light differs from frame to frame with
    how much of it is found: the 24 brightest are listed besides with a flux of 0.
    """
    chosen = np.zeros(len(x_px), dtype=bool)
    chosen[np.flatnonzero(without_flux)[:_WITHOUT_FLUX]] = True
    good = np.flatnonzero(~without_flux & (flux_adu > 0))
    # A stable sort by cell keeps the stars of a cell in order: the place behind its first one is a star's rank.
    cells = cell_of(x_px[good], y_px[good], width_px, height_px)
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    chosen[good[order[rank < PER_CELL]]] = True
    chosen[good[~chosen[good]][: max(0, _MOST_STARS - int(chosen.sum()))]] = True
    return [
        [round(float(x_px[i]), 1), round(float(y_px[i]), 1), 0.0 if without_flux[i] else float(f"{flux_adu[i]:.4g}")]
        for i in np.flatnonzero(chosen)
    ]


def cell_of(x_px: NDArray[np.float64], y_px: NDArray[np.float64], width_px: int, height_px: int) -> NDArray[np.int64]:
    """Return the number of the cell, 0 to 47, in which each place lies; places outside count to the nearest one."""
    column = np.clip(x_px * CELLS_X / width_px, 0, CELLS_X - 1).astype(np.int64)
    row = np.clip(y_px * CELLS_Y / height_px, 0, CELLS_Y - 1).astype(np.int64)
    return row * CELLS_X + column


def sample_pixels(x: NDArray[np.int64], y: NDArray[np.int64]) -> list[list[int]]:
    """Return [[x, y], ...] of the 64 among some pixels (n,), in the order of rows, with the smallest hashes.

    Two frames choose alike among the pixels that they share (a bottom-k sketch, Cohen & Kaplan 2007), so the samples
    are compared like the whole lists.
    """
    chosen = np.argsort(place_hash(x, y), kind="stable")[:HOT_PIXELS]
    return [[int(x[i]), int(y[i])] for i in chosen]


def place_hash(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a hash (uint64) of each pixel's place: the finaliser of SplitMix64 (Steele et al. 2014)."""
    value = (y.astype(np.uint64) << np.uint64(32)) | x.astype(np.uint64)
    value += np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


def read_sample(text: str, columns: int) -> NDArray[np.float64]:
    """Return a sample (n, columns) as the table holds it; n is 0 where nothing was listed."""
    listed: Sequence[Sequence[float]] = json.loads(text or "[]")
    return np.array(listed, dtype=np.float64).reshape(-1, columns)


def write_sample(sample: Sequence[Sequence[float]]) -> str:
    """Return a sample as JSON without spaces, whole numbers without a point."""
    return json.dumps([[int(value) if value == int(value) else value for value in row] for row in sample]).replace(
        " ", ""
    )
