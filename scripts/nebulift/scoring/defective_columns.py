"""Defective columns of a camera, and rows: brighter or darker than the others."""

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.flatten import SKY_SHARE, quantiles
from nebulift.scoring.robust import standard_deviation_from_mad

# In pixels of the search image and in units of its noise: a defect lifts or lowers more than this share of a column,
# which a trail crosses too soon to do.
_COLUMN_SHARE, _COLUMN_SIGMA, _COLUMN_NOISES, _COLUMN_SCATTERS = 0.25, 0.35, 7.0, 6.0
_SHORTEST_COLUMN = 200


def defective_columns(image: NDArray[np.float32], masked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of columns that are brighter or darker than the others over most of a half of them.

    What is `masked` says nothing of them.
    """
    height = image.shape[0]
    # A broad trail may lie on most of a short column.
    length = height // 2 if height >= 2 * _SHORTEST_COLUMN else height
    defects = np.zeros(image.shape[1], dtype=bool)
    for start in {0, (height - length) // 2, height - length}:
        part = slice(start, start + length)
        low, high, number = quantiles(image[part][::2], masked[part][::2], _COLUMN_SHARE)
        enough = number > SKY_SHARE * length / 2
        if not enough.any():
            continue
        least = np.maximum(_COLUMN_SIGMA, _COLUMN_NOISES / np.sqrt(np.maximum(number, 1)))
        lifted, lowered = (share - np.median(share[enough]) for share in (low, high))
        # Crowded stars make columns differ as well.
        scatter = [_COLUMN_SCATTERS * standard_deviation_from_mad(share[enough]) for share in (lifted, lowered)]
        defective = enough & ((lifted > np.maximum(least, scatter[0])) | (lowered < -np.maximum(least, scatter[1])))
        # What is seen of a defect in one part may go on in another, too faint to be seen there.
        defects |= defective | np.roll(defective, 1) | np.roll(defective, -1)
    return np.broadcast_to(defects, image.shape)
