"""Large frames made small by averaging."""

import math

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray


def shrunk(image: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Return an image (rows, columns), float32, averaged to `height` rows and `width` columns.

    OpenCV's way for areas that are no whole pixels takes six times as long; where it enlarges, it is taken.
    """
    if image.shape[0] < height or image.shape[1] < width:
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    return np.asarray(_averaged(image, width, height))


@njit(cache=True, fastmath=True)
def _averaged(image: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    rows, columns = image.shape
    down, across = rows / height, columns / width
    small = np.empty((height, width), dtype=np.float32)
    for row in range(height):
        together = np.zeros(columns, dtype=np.float32)
        top, bottom = row * down, min((row + 1) * down, float(rows))
        for y in range(int(top), min(math.ceil(bottom), rows)):
            share = np.float32(min(y + 1.0, bottom) - max(float(y), top))
            for x in range(columns):
                together[x] += share * image[y, x]
        for column in range(width):
            left, right = column * across, min((column + 1) * across, float(columns))
            total = 0.0
            for x in range(int(left), min(math.ceil(right), columns)):
                total += together[x] * (min(x + 1.0, right) - max(float(x), left))
            small[row, column] = total / (down * across)
    return small
