"""Lines that lie at the same place of the detector in several frames: the camera's, not the sky's."""

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.tables import Row

# Two frames are dithered apart by more than this, and no two trails of the sky agree so well.
_SAME_LINE_PX, _SAME_LINE_FRAMES = 4.0, 3
# The ends of a line are known less well than its place. What moves slowly draws the next piece of its line in the
# next frame; what belongs to the detector draws the same one again.
_LEAST_OVERLAP = 0.5


def persistent_streaks(scores: Sequence[Row]) -> set[tuple[int, int]]:
    """Return (index of the row, index in its `streaks`) of the lines that persist, among frames of one size."""
    by_size: dict[tuple[int, int], list[tuple[int, int, list[float]]]] = defaultdict(list)
    for index, row in enumerate(scores):
        for number, (_, *ends, _) in enumerate(json.loads(row["streaks"])):
            by_size[row["width_px"], row["height_px"]].append((index, number, ends))
    found: set[tuple[int, int]] = set()
    for (width, height), lines in by_size.items():
        frames = np.array([index for index, _, _ in lines])
        ends = np.array([end for _, _, end in lines]) - np.array([width, height] * 2) / 2
        persistent = _in_several_frames(frames, ends)
        found |= {(index, number) for (index, number, _), stays in zip(lines, persistent, strict=True) if stays}
    return found


def _in_several_frames(frames: NDArray[np.int64], ends: NDArray[np.float64]) -> list[bool]:
    """Tell for each line, given by its frame and its ends x1, y1, x2, y2 (n, 4), whether it is in several frames."""
    x1, y1, x2, y2 = ends.T
    angle = np.arctan2(y2 - y1, x2 - x1) % np.pi
    # A line by its angle, its distance from the centre, and from where to where it reaches along itself.
    distance = np.cos(angle) * (y1 + y2) / 2 - np.sin(angle) * (x1 + x2) / 2
    along = np.sort([np.cos(angle) * x + np.sin(angle) * y for x, y in ((x1, y1), (x2, y2))], axis=0)
    length = along[1] - along[0]
    stays = []
    for i in range(len(frames)):
        # Most lines are ruled out by their distance alone, whichever its sign.
        near = np.flatnonzero(np.abs(np.abs(distance) - np.abs(distance[i])) <= _SAME_LINE_PX)
        turn = np.abs(angle[near] - angle[i])
        # 1 degree and 179 degrees differ by 2; seen from the other end, distance and reach change their signs.
        turned = turn > np.pi / 2
        turn = np.where(turned, np.pi - turn, turn)
        sign = np.where(turned, -1, 1)
        start, end = np.sort(along[:, near] * sign, axis=0)
        overlap = np.minimum(end, along[1, i]) - np.maximum(start, along[0, i])
        same = (
            (turn * np.maximum(length[near], length[i]) / 2 <= 2 * _SAME_LINE_PX)
            & (np.abs(distance[near] * sign - distance[i]) <= _SAME_LINE_PX)
            & (overlap >= _LEAST_OVERLAP * np.minimum(length[near], length[i]))
        )
        stays.append(len(np.unique(frames[near][same])) >= _SAME_LINE_FRAMES)
    return stays
