"""Lines that lie at the same place of the sky in many frames: galaxies, filaments, spikes of stars, and no trails."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.listed_lines import ListedLine, is_doubtful, is_streak, listed_lines
from nebulift.nights.registration import Placement
from nebulift.tables import Row

Array = NDArray[np.float64]
Placed = Mapping[int, tuple[str, Placement]]

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
# What is doubtful is a trail if so many other frames do not show it, not even by this share of its length.
_FEWEST_WITHOUT, _LEAST_COMMON = 4, 0.3
_POINTS, _SHOWN = 11, 0.8  # of a line, and their share that a frame must show


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a group: which they are, and (n, 7) x1, y1, x2, y2, width, brightness, whether broad, of the sky."""

    names: list[ListedLine]
    table: Array

    @property
    def frames(self) -> NDArray[np.int64]:
        return np.array([index for index, _ in self.names])


def lines_of_the_sky(scores: Sequence[Row], placed: Placed) -> set[ListedLine]:
    """Return those of the streaks that belong to the sky.

    `placed` holds for rows by their index the name of the group and their placement in it, where it is known. What a
    frame alone has told from trails (`doubtful_lines`, `other_lines`) is such a line if it is where the streak is. From
    frame to frame the ends and the width of such a line differ, as does the direction of a broad one: it is known by
    where its middle lies.
    """
    members = Counter(group for group, _ in placed.values())
    found = set()
    for group, lines in _in_the_sky(scores, placed).items():
        streaks = np.flatnonzero([is_streak(scores, name) for name in lines.names])
        shown = _frames_with_it(lines, streaks)
        fewest = np.where(lines.table[streaks, 6] > 0, _FEWEST_FRAMES_IF_BROAD, _FEWEST_FRAMES)
        enough = shown >= np.maximum(fewest, _SKY_SHARE * members[group])
        found |= {lines.names[streak] for streak in streaks[enough].tolist()}
    return found


def lines_of_one_frame(scores: Sequence[Row], placed: Placed) -> set[ListedLine]:
    """Return those of the doubtful lines that are trails: other frames show the same place, and no line there.

    What is a galaxy or a filament is one in all frames, if not everywhere as long and as bright.
    """
    found = set()
    for group, lines in _in_the_sky(scores, placed).items():
        members = [index for index, (name, _) in placed.items() if name == group]
        frames = lines.frames
        for i in np.flatnonzero([is_doubtful(scores, name) for name in lines.names]).tolist():
            others = np.flatnonzero(frames != frames[i])
            if _beside(lines.table, i, others, _LEAST_COMMON).any():
                continue
            ends = lines.table[i, :4].reshape(2, 2)
            showing = sum(index != frames[i] and _shows(scores[index], placed[index][1], ends) for index in members)
            if showing >= _FEWEST_WITHOUT:
                found.add(lines.names[i])
    return found


def _in_the_sky(scores: Sequence[Row], placed: Placed) -> dict[str, _Lines]:
    """Return the lines of each group in the pixels of the frame that the others of the group are placed on."""
    names: dict[str, list[ListedLine]] = defaultdict(list)
    lines: dict[str, list[Array]] = defaultdict(list)
    for index, (group, placement) in placed.items():
        row = scores[index]
        fwhm = row["fwhm_px"] or np.inf
        crossing = _CROSSING * np.hypot(row["width_px"], row["height_px"])
        for number, (_, *ends, width, brightness) in enumerate(listed_lines(row)):
            names[group].append((index, number))
            moved = placement.to_reference(np.array(ends, dtype=np.float64).reshape(2, 2))
            is_broad = width >= _BROAD * fwhm and np.hypot(ends[2] - ends[0], ends[3] - ends[1]) <= crossing
            lines[group].append(np.array([*moved.ravel(), width, brightness, is_broad]))
    return {group: _Lines(listed, np.array(lines[group])) for group, listed in names.items()}


def _shows(row: Row, placement: Placement, ends: Array) -> bool:
    """Tell whether a frame shows nearly all of a line of the sky from end to end (2, 2)."""
    x, y = placement.to_frame(np.linspace(ends[0], ends[1], _POINTS)).T
    inside = (x >= 0) & (x < row["width_px"]) & (y >= 0) & (y < row["height_px"])
    return float(inside.mean()) >= _SHOWN


def _frames_with_it(lines: _Lines, asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many frames show each of the lines asked for, by their indices: its own frame too."""
    table, frames = lines.table, lines.frames
    first, second, brightness, broad = table[:, :2], table[:, 2:4], table[:, 5], table[:, 6] > 0
    length = np.maximum(np.hypot(*(second - first).T), 1e-9)
    middle = (first + second) / 2
    counts = []
    for i in asked.tolist():
        comparable = (length[i] <= _LONGER * length) & (brightness[i] <= _BRIGHTER * np.maximum(brightness, 1e-9))
        furthest = np.maximum(np.hypot(*(middle - first[i]).T), np.hypot(*(middle - second[i]).T))
        together = np.flatnonzero(comparable & broad & broad[i] & (furthest <= _WITHIN * length))
        others = np.flatnonzero(comparable)
        same = others[_beside(table, i, others, _LEAST_OVERLAP)]
        counts.append(len(np.unique(np.concatenate([frames[same], frames[together], frames[i : i + 1]]))))
    return np.array(counts, dtype=np.int64)


def _beside(table: Array, i: int, others: NDArray[np.int64], least_overlap: float) -> NDArray[np.bool_]:
    """Tell which of the other lines lie where line `i` does, by that share of the shorter one's length at least."""
    first, second, width = table[:, :2], table[:, 2:4], table[:, 4]
    length = np.maximum(np.hypot(*(second - first).T), 1e-9)
    along = (second - first) / length[:, None]
    middle = (first + second) / 2
    angle = np.arctan2(along[:, 1], along[:, 0])
    turn = np.abs((angle[others] - angle[i] + np.pi / 2) % np.pi - np.pi / 2)
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
    near = np.hypot(*(middle[others] - middle[i]).T) <= (length[others] + length[i]) / 2
    return np.asarray(
        near & (turn <= _LARGEST_TURN) & (np.maximum(*beside) <= allowed) & (overlap >= least_overlap * piece_length)
    )
