"""Which stars of a group can be relied upon, and how far."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FEWEST_SIGHTINGS = 3
# Of a star's deviations so many are smaller than so many standard deviations, by chance.
_CALM_SHARE, _CALM_DEVIATION = 0.4, 0.524
# A star is relied upon that is found in this share of the frames with at least this share of the light.
_RELIABLE, _CLEAR_ENOUGH = 0.8, 0.6


def star_wander(ratio: Array, seen: NDArray[np.bool_], level: Array) -> Array:
    """Return by how much (of 1) the light of each star (stars,) wanders from frame to frame against that of all.

    `ratio` (frames, stars) is their light against the reference, `seen` where it was measured, `level` (frames,) the
    frames' own.

    Beside a nebula or a neighbour it depends on where the pixels fall. What hides a star for half of the night is not
    taken for its wandering.
    """
    with np.errstate(all="ignore"):
        off = np.abs(np.where(seen, ratio, np.nan) / level[:, None] - 1)
    off = np.sort(off, axis=0)  # NaN come last
    count = np.isfinite(off).sum(axis=0)
    rank = np.clip(np.round(_CALM_SHARE * (count - 1)), 0, None).astype(np.int64)
    typical = np.take_along_axis(off, rank[None], axis=0)[0] / _CALM_DEVIATION
    return np.where(count >= _FEWEST_SIGHTINGS, np.nan_to_num(typical), 0.0)


def reliable_stars(sure: NDArray[np.bool_], detected: NDArray[np.bool_], level: Array) -> NDArray[np.bool_]:
    """Tell for each star whether it is found in nearly every clear frame, in some part of the night at least.

    What is found now and then is two stars that part and melt, or none at all. Trees and domes hide stars for hours.
    """
    clear = np.flatnonzero(level > _CLEAR_ENOUGH * np.quantile(level[np.isfinite(level)], 0.9))
    parts = np.array_split(clear, 3 if len(clear) >= 15 else 1)
    found = np.zeros(sure.shape[1], dtype=bool)
    for part in parts:
        expected = sure[part].sum(axis=0)
        found |= (expected >= _FEWEST_SIGHTINGS) & ((sure & detected)[part].sum(axis=0) >= _RELIABLE * expected)
    return found
