"""Lines that lie at the same place of the sky in many frames: galaxies, filaments, spikes of stars, and no trails."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.listed_lines import is_streak, listed_lines
from nebulift.nights.registration import Placement
from nebulift.tables import Row

Array = NDArray[np.float64]

_LARGEST_TURN = np.radians(12.0)
_BESIDE_PX = 4.0  # and a share of both widths: of a broad line neither place nor direction is well known
_BESIDE_WIDTH = 0.25
# A line is explained by others that are about as long and as bright, and not by a piece of it.
_LONGER, _BRIGHTER = 2.0, 2.5
_LEAST_OVERLAP = 0.5
# So many times wider than the stars: what is as broad and lies where others as broad do is a cloud of light, in which
# a line has no direction of its own.
_BROAD = 2.0
_CROSSING = 0.4  # of the frame's diagonal: what is longer is a bright trail, however broad
_WITHIN = 0.7  # of another line's length: as far from its middle lie the ends of what is in the same cloud
# Satellites in line follow each other for some frames; what belongs to the sky is there all night.
_FEWEST_FRAMES, _FEWEST_FRAMES_IF_BROAD, _SKY_SHARE = 3, 2, 0.12


def lines_of_the_sky(scores: Sequence[Row], placed: Mapping[int, tuple[str, Placement]]) -> set[tuple[int, int]]:
    """Return (index of the row, index in its `streaks`) of the lines that belong to the sky.

    `placed` holds for rows by their index the name of the group and their placement in it, where it is known. What a
    frame alone has told from trails (`other_lines`) is such a line of the sky if it is where the streak is. From
    frame to frame the ends and the width of such a line differ, as does the direction of a broad one: it is known by
    where its middle lies.
    """
    frames: dict[str, list[tuple[int, int]]] = defaultdict(list)
    lines: dict[str, list[Array]] = defaultdict(list)
    members: dict[str, int] = defaultdict(int)
    for index, (group, placement) in placed.items():
        members[group] += 1
        for number, (_, *ends, width, brightness) in enumerate(listed_lines(scores[index])):
            frames[group].append((index, number))
            moved = placement.to_reference(np.array(ends, dtype=np.float64).reshape(2, 2))
            fwhm = scores[index]["fwhm_px"] or np.inf
            crosses = np.hypot(ends[2] - ends[0], ends[3] - ends[1]) > _CROSSING * np.hypot(
                scores[index]["width_px"], scores[index]["height_px"]
            )
            is_broad = width >= _BROAD * fwhm and not crosses
            lines[group].append(np.array([*moved.ravel(), width, brightness, is_broad]))
    found = set()
    for group, names in frames.items():
        table = np.array(lines[group])
        streaks = np.flatnonzero([is_streak(scores, name) for name in names])
        shown = _frames_with_it(np.array([index for index, _ in names]), table, streaks)
        fewest = np.where(table[streaks, 6] > 0, _FEWEST_FRAMES_IF_BROAD, _FEWEST_FRAMES)
        enough = shown >= np.maximum(fewest, _SKY_SHARE * members[group])
        found |= {names[streak] for streak in streaks[enough].tolist()}
    return found


def _frames_with_it(frames: NDArray[np.int64], lines: Array, asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many frames show each of the lines asked for, by their indices: its own frame too.

    `lines` are (n, 7) x1, y1, x2, y2, width, brightness, broad; `frames` (n,) tells where each was found.
    """
    first, second, width, brightness, broad = lines[:, :2], lines[:, 2:4], lines[:, 4], lines[:, 5], lines[:, 6] > 0
    along = second - first
    length = np.maximum(np.hypot(*along.T), 1e-9)
    along = along / length[:, None]
    middle = (first + second) / 2
    angle = np.arctan2(along[:, 1], along[:, 0])
    counts = []
    for i in asked:
        turn = np.abs((angle - angle[i] + np.pi / 2) % np.pi - np.pi / 2)
        distance = np.hypot(*(middle - middle[i]).T)
        comparable = (length[i] <= _LONGER * length) & (brightness[i] <= _BRIGHTER * np.maximum(brightness, 1e-9))
        furthest = np.maximum(np.hypot(*(middle - first[i]).T), np.hypot(*(middle - second[i]).T))
        together = np.flatnonzero(comparable & broad & broad[i] & (furthest <= _WITHIN * length))
        others = np.flatnonzero(comparable & (turn <= _LARGEST_TURN) & (distance <= (length + length[i]) / 2))
        # The middle half of the shorter of the two must run along the longer one.
        is_shorter = (length[i] <= length[others])[:, None]
        piece = np.where(is_shorter, middle[i], middle[others])
        piece_along = np.where(is_shorter, along[i], along[others])
        piece_length = np.minimum(length[i], length[others])
        base = np.where(is_shorter, middle[others], middle[i])
        base_along = np.where(is_shorter, along[others], along[i])
        offset = piece - base
        step = piece_along * (piece_length / 4)[:, None]
        beside = [
            np.abs(base_along[:, 0] * (offset + sign * step)[:, 1] - base_along[:, 1] * (offset + sign * step)[:, 0])
            for sign in (-1, 1)
        ]
        overlap = (length[i] + length[others]) / 2 - np.abs((offset * base_along).sum(axis=1))
        allowed = _BESIDE_PX + _BESIDE_WIDTH * (width[i] + width[others])
        same = (np.maximum(*beside) <= allowed) & (overlap >= _LEAST_OVERLAP * piece_length)
        counts.append(len(np.unique(np.concatenate([frames[others[same]], frames[together], frames[i : i + 1]]))))
    return np.array(counts, dtype=np.int64)
