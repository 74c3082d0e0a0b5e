"""Hot pixels and single-pixel cosmic rays, brighter than any optics could make one pixel alone; and dead ones."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nebulift.scoring.background import Background, enlarged
from nebulift.scoring.robust import MAD_TO_SIGMA, median

# The sharpest star that optics and a pixel's own width give still puts a quarter of its peak into
# one of the four nearest pixels, wherever it is centred (FWHM of 1.5 pixels).
_NEIGHBOUR_SHARE = 0.2
_BLOCK_PX = 32  # pixels of a row that are looked at together
_SAMPLING = 4  # every fourth pixel along both sides is enough for a median


def find_hot_pixels(
    raw: NDArray[Any], residual: NDArray[np.float32], bayer_pattern: str, background: Background, sigma: float
) -> NDArray[np.int64]:
    """Return the places of single pixels that stand `sigma` noises or more above their neighbours.

    A place is row * width + column; they ascend. `raw` holds the values as read, (height, width) or (height, width, 3),
    `residual` the background-subtracted luminance, both in ADU. In a Bayer mosaic the colours are brought to one level
    first, so that a green pixel among red and blue ones is not taken for a hot one.
    """
    if raw.ndim == 2 and not bayer_pattern:
        return np.asarray(_isolated(residual, background.noise_map * np.float32(sigma)))
    values = raw.max(axis=-1) if raw.ndim == 3 else raw
    level = enlarged(background.level_map, values.shape)
    # In the memory of the level, where the difference is no finer.
    has_its_type = np.result_type(values, level) == level.dtype
    excess = np.subtract(values, level, out=level if has_its_type else None)
    if values.dtype.kind == "f":
        np.nan_to_num(excess, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    noise = _level_colours(excess) if bayer_pattern else background.noise_map
    threshold = np.atleast_2d(np.asarray(noise, dtype=np.float32)) * np.float32(sigma)
    return np.asarray(_isolated(excess, threshold))


def is_spoilt_by(hot: NDArray[np.int64], width: int, bayer_pattern: str) -> NDArray[np.int64]:
    """Return the places in the luminance, `width` pixels wide, that hot pixels enter; some may come twice.

    In a mosaic these are all cells of 2 x 2 pixels, named by their first, that hold one.
    """
    if not bayer_pattern:
        return hot
    row, column = np.divmod(hot, width)
    cells = [np.maximum(row - down, 0) * width + np.maximum(column - across, 0) for down in (0, 1) for across in (0, 1)]
    return np.concatenate(cells)


@njit(cache=True)
def _isolated(excess: NDArray[np.float32], threshold: NDArray[np.float32]) -> NDArray[np.int64]:
    """List pixels above the (coarse) map of thresholds whose four neighbours hold only a small share of them."""
    height, width = excess.shape
    rows, columns = threshold.shape
    lowest = threshold.min()
    places = np.empty(width, dtype=np.int64)
    number = 0
    bright, bright_before = np.empty(width, dtype=np.int64), np.empty(width, dtype=np.int64)
    waiting = 0
    # A row is judged when the next one has been read, all in the order of memory.
    for below in range(height + 1):
        found = _above(excess[below], lowest, bright) if below < height else 0
        if number + waiting > len(places):
            longer = np.empty(2 * len(places) + width, dtype=np.int64)
            longer[:number] = places[:number]
            places = longer
        y = below - 1
        for x in bright_before[:waiting]:
            value = excess[y, x]
            most = _NEIGHBOUR_SHARE * value
            if (
                (x == 0 or excess[y, x - 1] < most)
                and (x == width - 1 or excess[y, x + 1] < most)
                and (y == 0 or excess[y - 1, x] < most)
                and (y == height - 1 or excess[y + 1, x] < most)
                and value > threshold[y * rows // height, x * columns // width]
            ):
                places[number] = y * width + x
                number += 1
        bright, bright_before, waiting = bright_before, bright, found
    return places[:number].copy()


@njit(cache=True)
def _above(row: NDArray[np.float32], level: float, places: NDArray[np.int64]) -> int:
    """Write where a row (n,) is above a level into `places` (n,); return in how many."""
    found = 0
    for start in range(0, len(row), _BLOCK_PX):
        block = row[start : start + _BLOCK_PX]
        # Nearly all of a frame is sky: whole blocks of it are passed over, many pixels at once.
        outstanding = np.int32(0)
        for x in range(len(block)):
            outstanding |= np.int32(block[x] > level)
        if outstanding:
            for x in range(len(block)):
                places[found] = start + x
                found += block[x] > level
    return found


@njit(cache=True)
def number_below(residual: NDArray[np.float32], level: float) -> int:
    """Count the pixels (height, width) below a level."""
    number = 0
    for y in range(residual.shape[0]):
        in_row = np.int32(0)
        for x in range(residual.shape[1]):
            in_row += np.int32(residual[y, x] < level)
        number += int(in_row)
    return number


def _level_colours(mosaic: NDArray[np.float32]) -> float:
    """Bring each of the four colour planes to median 0 in place; return the largest noise among them."""
    noises = []
    for row in (0, 1):
        for column in (0, 1):
            plane = mosaic[row::2, column::2]
            sample = plane[::_SAMPLING, ::_SAMPLING] if plane.size > 100_000 else plane
            middle = np.float32(median(sample))
            noises.append(MAD_TO_SIGMA * median(np.abs(sample - middle)))
            plane -= middle
    return max(max(noises), 1e-6)
