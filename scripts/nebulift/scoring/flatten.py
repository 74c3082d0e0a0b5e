"""The search image made flat: without banding, nebulae and gradients, in units of its own noise."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.robust import MAD_TO_SIGMA, median

# All in pixels of the search image and in units of its noise.
TILE_PX = 32  # the sky is smooth over it, a trail is not
SKY_SHARE = 0.2  # of a tile, a row or a column, at least
_BRIGHT_SIGMA = 3.0
_BAND_SIGMA, _PARTS = 0.15, 5
_NOISE_RANGE = (0.5, 2.0)  # of the usual noise


def flatten(image: NDArray[np.float32], smallest_noise: float) -> tuple[NDArray[np.float32], float]:
    """Return the image without banding in units of its own local noise, and the usual noise."""
    level, noise = _local_level_and_noise(image, None)
    least = np.float32(max(smallest_noise, 1e-12))
    sky = _is_sky(np.asarray((image - level) / np.maximum(noise, least), dtype=np.float32))
    # Cameras add to whole rows and columns; what is the same in all of one is not the sky's.
    for axis in (1, 0):
        image = image - _banding(image - level, sky, axis)
    level, noise = _local_level_and_noise(image, sky)
    usual = max(median(noise), smallest_noise, 1e-12)
    # Where whole numbers hide the noise, there is no less of it than in the rest of the frame; inside a bright star
    # there is not more.
    noise = np.clip(noise, np.float32(_NOISE_RANGE[0] * usual), np.float32(_NOISE_RANGE[1] * usual))
    return np.asarray((image - level) / noise, dtype=np.float32), usual


def _is_sky(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask of pixels away from anything bright, of an image in units of its noise."""
    bright = cv2.dilate((image > _BRIGHT_SIGMA).view(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(bright == 0)


def _banding(image: NDArray[np.float32], sky: NDArray[np.bool_], axis: int) -> NDArray[np.float32]:
    """Return what the camera adds to each row (`axis` 1) or column (0) of a flat image, float32 with that axis of 1.

    Less than a trail that runs almost along a row would shift it by is let be.
    """
    sample = image[::3, ::3][sky[::3, ::3]]
    scatter = np.float32(MAD_TO_SIGMA * median(np.abs(sample)) if sample.size else 0.0)
    along, known = (image, sky) if axis == 0 else (image.T, sky.T)
    # A galaxy lifts a part of a column; a camera all of it.
    parts = [
        quantiles(values[::2], ~is_sky[::2], 0.5)
        for values, is_sky in zip(np.array_split(along, _PARTS), np.array_split(known, _PARTS), strict=True)
    ]
    offset = np.median([part[0] for part in parts], axis=0)
    number = np.sum([part[2] for part in parts], axis=0)
    seen = (np.abs(offset) > _BAND_SIGMA * scatter) & (number > SKY_SHARE * image.shape[axis] / 2)
    added = np.where(seen, offset, np.float32(0)).astype(np.float32)
    return np.asarray(np.expand_dims(added, axis))


def _local_level_and_noise(
    image: NDArray[np.float32], sky: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps of the local median and of the local noise of the sky, smooth between tiles; None: all is sky."""
    height, width = image.shape
    values = _tiles(image)
    without = np.zeros(values.shape, dtype=bool)
    if sky is not None:
        # What is no sky is left out; of tiles that hold hardly any, all is taken.
        is_sky = _tiles(sky)
        without = ~(is_sky | (is_sky.mean(axis=0) < SKY_SHARE))
    level, *_ = quantiles(values, without, 0.5)
    noise, *_ = quantiles(np.abs(values - level), without, 0.5)
    grid = (-(-height // TILE_PX), -(-width // TILE_PX))
    size = (grid[1] * TILE_PX, grid[0] * TILE_PX)
    maps = [
        cv2.resize(values.reshape(grid).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        for values in (level, np.float32(MAD_TO_SIGMA) * noise)
    ]
    return maps[0][:height, :width], maps[1][:height, :width]


def _tiles(image: NDArray[Any]) -> NDArray[Any]:
    """Return every third pixel of each tile (pixels, tiles), those of a tile side by side in memory."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % TILE_PX), (0, -width % TILE_PX)), mode="symmetric")
    rows, columns = padded.shape[0] // TILE_PX, padded.shape[1] // TILE_PX
    tiles = padded.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2).reshape(rows * columns, -1)
    return np.ascontiguousarray(tiles[:, ::3]).T


def quantiles(
    values: NDArray[np.float32], without: NDArray[np.bool_], share: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return the quantiles `share` and 1 - `share` of each column, and of how many values; 0 where there is none."""
    # What is sorted lies side by side in memory.
    ordered = np.ascontiguousarray(np.where(without.T, np.float32(np.inf), values.T))
    ordered.sort(axis=1)
    number = len(values) - np.count_nonzero(without, axis=0)
    columns = np.arange(values.shape[1])
    last = np.maximum(number - 1, 0)
    low, high = (ordered[columns, np.rint(part * last).astype(int)] for part in (share, 1 - share))
    return np.where(number > 0, low, 0), np.where(number > 0, high, 0), number
