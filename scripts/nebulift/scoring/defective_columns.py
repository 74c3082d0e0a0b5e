"""Defective columns of a camera, and rows: brighter or darker than the others."""

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.flatten import SKY_SHARE, quantiles
from nebulift.scoring.robust import standard_deviation_from_mad

# In pixels of the search image and in units of its noise: a defect lifts or lowers more than this share of a column,
# which a trail crosses too soon to do.
_COLUMN_SHARE, _COLUMN_SIGMA, _COLUMN_NOISES, _COLUMN_SCATTERS = 0.25, 0.35, 7.0, 6.0
_SHORTEST_COLUMN = 200
_NARROW_PX, _NARROW_SHARE = 3, 0.3  # so far aside a trail or a galaxy still has more than this of its light


def defective_columns(
    image: NDArray[np.float32], masked: NDArray[np.bool_], trails: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the mask of columns that are brighter or darker than the others over most of a half of them.

    What is `masked` says nothing of them. What may be `trails` is a defect where it is no wider than one.
    """
    defects, _ = _differing(image, masked | trails)
    if trails.any():
        on_trails, by = _differing(image, masked)
        defects |= on_trails & (np.maximum(np.roll(by, _NARROW_PX), np.roll(by, -_NARROW_PX)) < _NARROW_SHARE * by)
    defects = defects | np.roll(defects, 1) | np.roll(defects, -1)
    return np.broadcast_to(defects, image.shape)


def _differing(image: NDArray[np.float32], masked: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return which columns (columns,) differ from the others over most of one half or of the middle, and by how much.

    That is in units of the noise, 0 where it is not known.
    """
    height = image.shape[0]
    # A broad trail may lie on most of a short column.
    length = height // 2 if height >= 2 * _SHORTEST_COLUMN else height
    defects = np.zeros(image.shape[1], dtype=bool)
    most = np.zeros(image.shape[1], dtype=np.float32)
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
        defects |= defective
        most = np.where(enough, np.maximum(most, np.maximum(lifted, -lowered)), most)
    return defects, most
