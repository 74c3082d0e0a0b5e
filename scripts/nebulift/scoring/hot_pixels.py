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
_BLOCK_PX = 64  # pixels of a row that are looked at together
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
    places = np.empty(_BLOCK_PX, dtype=np.int64)
    found = 0
    lowest = threshold.min()
    for y in range(height):
        row = y * rows // height
        for start in range(0, width, _BLOCK_PX):
            stop = min(start + _BLOCK_PX, width)
            # Nearly all of a frame is sky: whole blocks of it are passed over, all of a vector at once.
            outstanding = 0
            for x in range(start, stop):
                outstanding |= excess[y, x] > lowest
            if not outstanding:
                continue
            if found + _BLOCK_PX > len(places):
                longer = np.empty(2 * len(places), dtype=np.int64)
                longer[:found] = places[:found]
                places = longer
            for x in range(start, stop):
                value = excess[y, x]
                if value <= lowest or value <= threshold[row, x * columns // width]:
                    continue
                most = _NEIGHBOUR_SHARE * value
                if (
                    (y == 0 or excess[y - 1, x] < most)
                    and (y == height - 1 or excess[y + 1, x] < most)
                    and (x == 0 or excess[y, x - 1] < most)
                    and (x == width - 1 or excess[y, x + 1] < most)
                ):
                    places[found] = y * width + x
                    found += 1
    return places[:found].copy()


@njit(cache=True)
def number_below(residual: NDArray[np.float32], level: float) -> int:
    """Count the pixels (height, width) below a level."""
    number = 0
    for row in residual:
        for value in row:
            number += value < level
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
