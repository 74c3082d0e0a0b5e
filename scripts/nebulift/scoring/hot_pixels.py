"""Hot pixels and single-pixel cosmic rays: brighter than any optics could make one pixel alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.background import Background

# The sharpest star that optics and a pixel's own width give still puts a quarter of its peak into
# one of the four nearest pixels, wherever it is centred (FWHM of 1.5 pixels).
_NEIGHBOUR_SHARE = 0.2
_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.uint8)


def find_hot_pixels(
    raw: NDArray[np.generic], bayer_pattern: str, background: Background, sigma: float
) -> NDArray[np.bool_]:
    """Return the mask (height, width) of single pixels that stand `sigma` noises or more above their neighbours.

    `raw` holds the values as read, (height, width) or (height, width, 3). In a Bayer mosaic the colours are
    brought to one level first, so that a green pixel among red and blue ones is not taken for a hot one.
    """
    values = raw.max(axis=-1) if raw.ndim == 3 else raw
    excess = values.astype(np.float32)
    noise: NDArray[np.float32] | float = background.noise
    if bayer_pattern:
        noise = _level_colours(excess)
    else:
        excess -= background.level
    np.nan_to_num(excess, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    brightest_neighbour = cv2.dilate(excess, _CROSS)
    return np.asarray((excess > sigma * noise) & (brightest_neighbour < _NEIGHBOUR_SHARE * excess))


def _level_colours(mosaic: NDArray[np.float32]) -> float:
    """Bring each of the four colour planes to median 0 in place; return the largest noise among them."""
    noises = []
    for row in (0, 1):
        for column in (0, 1):
            plane = mosaic[row::2, column::2]
            median = np.float32(np.nanmedian(plane))
            plane -= median
            noises.append(1.4826 * float(np.nanmedian(np.abs(plane))))
    return max(max(noises), 1e-6)
