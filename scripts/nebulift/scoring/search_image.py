"""The image in which trails are searched: flat, binned, in units of its own noise, stars masked."""

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.robust import MAD_TO_SIGMA

# All in binned pixels and in units of the image's noise.
COMPACT_PX = 20  # what is shorter is a star, a galaxy or a piece of one
TILE_PX = 32  # the sky is smooth over it, a trail is not
BORDER = 0.01  # of the side
_STAR_SIGMA, _STAR_FOOT_SIGMA = 6.0, 3.0
_THIN = 5.0  # times longer than wide


def flatten(
    residual: NDArray[np.float32], bad: NDArray[np.bool_], noise_adu: float, binning: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the binned image in units of its own local noise, banding removed, and the share of good pixels."""
    height, width = (side - side % binning for side in residual.shape)
    good = (~bad[:height, :width]).astype(np.float32)
    values = np.where(good > 0, residual[:height, :width], np.float32(0))
    size = (width // binning, height // binning)
    weight = cv2.resize(good, size, interpolation=cv2.INTER_AREA)
    image = cv2.resize(values, size, interpolation=cv2.INTER_AREA) / np.maximum(weight, 0.25)
    # Cameras add to whole rows and columns; what is the same in all of one is not the sky's.
    image -= np.median(image, axis=1, keepdims=True)
    image -= np.median(image, axis=0, keepdims=True)
    level, noise = _local_level_and_noise(image)
    # Where whole numbers hide the noise, there is no less of it than in the rest of the frame.
    image = (image - level) / np.maximum(noise, max(0.5 * float(np.median(noise)), 0.5 * noise_adu / binning))
    return image.astype(np.float32), weight


def _local_level_and_noise(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps of the local median and of the local noise, smooth between tiles."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % TILE_PX), (0, -width % TILE_PX)), mode="symmetric")
    rows, columns = padded.shape[0] // TILE_PX, padded.shape[1] // TILE_PX
    tiles = padded.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2).reshape(rows, columns, -1)
    level = np.median(tiles, axis=2)
    noise = MAD_TO_SIGMA * np.median(np.abs(tiles - level[:, :, None]), axis=2)
    size = (padded.shape[1], padded.shape[0])
    maps = [cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for grid in (level, noise)]
    return maps[0][:height, :width], maps[1][:height, :width]


def mask_compact(image: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask of what is bright and compact, so that stars do not line up; long thin pieces stay."""
    foot = (image > _STAR_FOOT_SIGMA).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(foot, connectivity=8)
    peak = np.zeros(count, dtype=np.float32)
    np.maximum.at(peak, labels.ravel(), image.ravel())
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    thin = np.zeros(count, dtype=bool)
    for label in np.flatnonzero((extent > COMPACT_PX) & (peak > _STAR_SIGMA)):
        if label:
            thin[label] = _is_thin(labels, boxes[label], int(label))
    compact = (peak > _STAR_SIGMA) & ~thin
    compact[0] = False
    masked = cv2.dilate(compact[labels].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    masked |= weight < 0.5
    # The first and last rows and columns of a sensor are seldom like the others.
    for side, edge in ((0, masked), (1, masked.T)):
        margin = max(4, round(BORDER * masked.shape[side]))
        edge[:margin] = True
        edge[-margin:] = True
    return np.asarray(masked)


def _is_thin(labels: NDArray[np.int32], box: NDArray[np.int32], label: int) -> bool:
    """Tell whether a bright piece is long and thin, by its second moments: merged stars and galaxies are not."""
    left, top, width, height = box[:4]
    y, x = np.nonzero(labels[top : top + height, left : left + width] == label)
    spread = np.linalg.eigvalsh(np.cov(np.stack([x, y]).astype(np.float64)))
    return bool(spread[1] > _THIN**2 * max(spread[0], 0.25))
