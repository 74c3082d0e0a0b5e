"""Lines that lie at the same place of the detector, or of the sky, in several frames: no trails of one moment."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.listed_lines import is_streak, listed_lines
from nebulift.nights.sky_lines import Placed, lines_of_the_sky
from nebulift.tables import Row

Array = NDArray[np.float64]

# No two trails of the sky agree so well in three frames, nor in two between which the sky has moved away.
_SAME_LINE_PX, _SAME_LINE_FRAMES = 4.0, 3
_MOVED_PX = 2 * _SAME_LINE_PX
# The ends of a line are known less well than its place. What moves slowly draws the next piece of its line in the
# next frame; what belongs to the detector draws the same one again.
_LEAST_OVERLAP = 0.5

Line = tuple[int, int, Array]


def persistent_streaks(scores: Sequence[Row], placed: Placed | None = None) -> set[tuple[int, int]]:
    """Return (index of the row, index in its `streaks`) of the lines that persist, on the detector or in the sky.

    `placed` holds for rows by their index the name of the group and their placement in it, where it is known. On the
    detector lines of frames of one size are compared, in the sky lines of one group.
    """
    placed = placed or {}
    lines = [
        (index, number, np.array(ends))
        for index, row in enumerate(scores)
        for number, (_, *ends, _, _) in enumerate(listed_lines(row))
    ]
    by_size: dict[tuple[float, float], list[Line]] = defaultdict(list)
    for index, number, ends in lines:
        centre = scores[index]["width_px"] / 2, scores[index]["height_px"] / 2
        by_size[centre].append((index, number, ends.reshape(2, 2) - centre))
    found = lines_of_the_sky(scores, placed)
    for centre, alike in by_size.items():
        streaks = [number for number, line in enumerate(alike) if is_streak(scores, line[:2])]
        for number, companions in zip(streaks, _companions(alike, streaks), strict=True):
            line = alike[number]
            if len(companions) >= _SAME_LINE_FRAMES or _sky_has_moved(line, companions, np.array(centre), placed):
                found.add(line[:2])
    return found


def _sky_has_moved(line: Line, frames: NDArray[np.int64], centre: Array, placed: Placed) -> bool:
    """Tell whether the sky has moved across the line between its frame and another one that shows it."""
    index, _, ends = line
    if index not in placed:
        return False
    group, placement = placed[index]
    middle = ends.mean(axis=0) + centre
    along = ends[1] - ends[0]
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    for other in frames:
        if other == index or int(other) not in placed or placed[int(other)][0] != group:
            continue
        # Where the other frame shows what this one shows at the middle of the line.
        moved = placed[int(other)][1].to_frame(placement.to_reference(middle[None]))[0] - middle
        if abs(float(across @ moved)) > _MOVED_PX:
            return True
    return False


def _companions(lines: Sequence[Line], asked: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return the frames that show each of the lines asked for, by their places in `lines`: its own frame too.

    A line is given by its frame, a number and its ends (2, 2).
    """
    frames = np.array([index for index, _, _ in lines])
    x1, y1, x2, y2 = np.array([ends.ravel() for _, _, ends in lines]).T
    angle = np.arctan2(y2 - y1, x2 - x1) % np.pi
    # A line by its angle, its distance from the centre, and from where to where it reaches along itself.
    distance = np.cos(angle) * (y1 + y2) / 2 - np.sin(angle) * (x1 + x2) / 2
    along = np.sort([np.cos(angle) * x + np.sin(angle) * y for x, y in ((x1, y1), (x2, y2))], axis=0)
    length = along[1] - along[0]
    shown = []
    for i in asked:
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
        shown.append(np.unique(frames[near][same]))
    return shown
