"""Bright, long and thin patches of the search image: pieces of trails, or stars that the mount has drawn long."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.dashes import find_rows
from nebulift.scoring.robust import standard_deviation_from_mad
from nebulift.scoring.trail import angles_between

# All in pixels of the search image and in units of its noise.
COMPACT_PX = 20  # what is shorter is a star, a galaxy or a piece of one
_SMOOTHING_PX = 1.2  # brings the fragments of a faint trail together
_FOOT_SIGMA, _PEAK_SIGMA = 4.0, 6.0
_WINDING_PX, _FILLED = 60, 0.2  # extent of what is long at least, and share of its square that it fills at most
_LONG_FOR_DEPTH = 20.0  # extent over the deepest place: a star with its spikes is shorter
# Straight for so much of the shorter side, with such gaps: no filament.
_STRAIGHT_SHARE, _GAP_PX, _LINE_WIDTH_PX, _MOST_LINES, _MOST_TRIED = 0.3, 6, 9, 4, 100
_LONG_PX, _ALIGNED_PX = 40, 1.5  # of a piece that follows a row or a column
_LEANING_DEG = 4.0
_BUNDLE_PX, _STRAIGHT_FILLED = 16.0, 0.5  # width, and what a bundle of filaments fills of its length and width
_THIN = 5.0  # times longer than wide
# So many parallel pieces side by side are stars drawn long by the mount; so many of any direction star arcs.
_TRAILED_PARALLEL, _TRAILED_ANY = 6, 15
_VERY_BRIGHT_SIGMA, _BRIGHTER_OF, _BRIGHTER_SHARE, _BRIGHTER_EXTENT = 30.0, 0.8, 0.25, 0.6
_IN_ONE = 0.9  # of the brighter part
_PARALLEL_DEG, _ASIDE_PX, _MUCH_LONGER = 8.0, 6.0, 3.0
_MOST_BROKEN = 60  # pieces of a broken trail


@dataclass(frozen=True, slots=True)
class Piece:
    """A bright, long and thin patch: ends x1, y1, x2, y2 in pixels of the search image."""

    x1: float
    y1: float
    x2: float
    y2: float


def find_pieces(image: NDArray[np.float32]) -> tuple[tuple[Piece, ...], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pieces of bright trails in the search image, what belongs to them, and what else is bright and long.

    Both masks have the image's shape (rows, columns). The second holds filaments and galaxies: a patch that is neither
    compact nor straight. A long straight line across such a patch is a piece all the same.
    """
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), _SMOOTHING_PX), dtype=np.float32)
    smooth /= np.float32(max(standard_deviation_from_mad(smooth[::3, ::3]), 1e-6))
    foot = smooth > _FOOT_SIGMA
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(foot.view(np.uint8), connectivity=8)
    peak = np.zeros(count, dtype=np.float32)
    np.maximum.at(peak, labels[foot], smooth[foot])
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    extent[0] = 0
    pieces: dict[int, Piece] = {}
    for label in np.flatnonzero((extent > COMPACT_PX) & (peak > _PEAK_SIGMA)):
        piece = _thin_piece(smooth, labels, boxes[label], int(label))
        if piece is None:
            continue
        if _is_of_the_camera(piece):
            extent[label] = 0
        else:
            pieces[int(label)] = piece
    trailed = _trailed_stars(list(pieces.values()))
    pieces = {label: piece for (label, piece), star in zip(pieces.items(), trailed, strict=True) if not star}
    belongs = np.zeros(count, dtype=bool)
    belongs[list(pieces)] = True
    rows = [row for row in find_rows(labels, boxes, peak > _PEAK_SIGMA) if not _is_of_the_camera(Piece(*row.ends))]
    for row in rows:
        belongs[row.labels] = True
    winding = (extent > _WINDING_PX) & (boxes[:, cv2.CC_STAT_AREA] < _FILLED * extent**2) & ~belongs
    if winding.any():
        # A bright star is thick for the length of its spikes.
        depth = cv2.distanceTransform(foot.view(np.uint8), cv2.DIST_L2, 3)
        deepest = np.zeros(count, dtype=np.float32)
        np.maximum.at(deepest, labels[foot], depth[foot])
        winding &= extent > _LONG_FOR_DEPTH * deepest
    trails, rest = belongs[labels], winding[labels]
    lines = _straight_lines(rest)
    for line in lines:
        drawn = np.zeros(image.shape, dtype=np.uint8)
        ends = (round(line.x1), round(line.y1)), (round(line.x2), round(line.y2))
        cv2.line(drawn, *ends, color=(1,), thickness=_LINE_WIDTH_PX)
        trails |= (drawn > 0) & rest
    return (*pieces.values(), *(Piece(*row.ends) for row in rows), *lines), trails, rest & ~trails


def _straight_lines(patches: NDArray[np.bool_]) -> list[Piece]:
    """Return the lines across winding patches that are straight for long, by the Hough transform."""
    if not patches.any():
        return []
    shortest = _STRAIGHT_SHARE * min(patches.shape)
    found = cv2.HoughLines(patches.view(np.uint8), 1, math.pi / 720, round(shortest))
    lines: list[Piece] = []
    for rho, theta in (
        np.asarray(found if found is not None else []).reshape(-1, 2)[:_MOST_TRIED].astype(float).tolist()
    ):
        line = _longest_run(patches, rho, theta)
        length = math.hypot(line.x2 - line.x1, line.y2 - line.y1)
        if length >= shortest and not _is_of_the_camera(line) and all(_apart(line, other) for other in lines):
            lines.append(line)
    return lines[:_MOST_LINES]


def _longest_run(patches: NDArray[np.bool_], rho: float, theta: float) -> Piece:
    """Return the longest part in patches, but for small gaps, of the line x cos(theta) + y sin(theta) = rho."""
    height, width = patches.shape
    cosine, sine = math.cos(theta), math.sin(theta)
    along = np.arange(-math.ceil(math.hypot(height, width)), math.ceil(math.hypot(height, width)) + 1)
    x, y = rho * cosine - along * sine, rho * sine + along * cosine
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = x[inside], y[inside]
    lit = np.flatnonzero(patches[np.rint(y).astype(int), np.rint(x).astype(int)])
    if not len(lit):
        return Piece(0.0, 0.0, 0.0, 0.0)
    runs = np.split(lit, np.flatnonzero(np.diff(lit) > _GAP_PX) + 1)
    longest = max(runs, key=len)
    first, last = longest[0], longest[-1]
    return Piece(float(x[first]), float(y[first]), float(x[last]), float(y[last]))


def _apart(line: Piece, other: Piece) -> bool:
    """Tell whether two lines are not the same one found twice: an end of the first lies off the second."""
    dx, dy = other.x2 - other.x1, other.y2 - other.y1
    length = max(math.hypot(dx, dy), 1e-9)
    ends = ((line.x1, line.y1), (line.x2, line.y2))
    return max(abs((x - other.x1) * dy - (y - other.y1) * dx) / length for x, y in ends) > _LINE_WIDTH_PX


def _is_of_the_camera(piece: Piece) -> bool:
    """Tell a defective row or column, or a bleeding star, by its direction."""
    aside, along = sorted((abs(piece.x2 - piece.x1), abs(piece.y2 - piece.y1)))
    return along > _LONG_PX and aside < _ALIGNED_PX


def leans(piece: Piece) -> bool:
    """Tell what runs so far from along a row or a column that it is no star's bleeding."""
    aside, along = sorted((abs(piece.x2 - piece.x1), abs(piece.y2 - piece.y1)))
    return aside > math.tan(math.radians(_LEANING_DEG)) * along


def _thin_piece(
    smooth: NDArray[np.float32], labels: NDArray[np.int32], box: NDArray[np.int32], label: int
) -> Piece | None:
    """Return the axis of a bright piece that is long and thin by its second moments; merged stars are not.

    What is very bright is as thin as its brighter part: its glow is broad, and fainter stars touch it.
    """
    left, top, width, height = (int(value) for value in box[:4])
    part = (slice(top, top + height), slice(left, left + width))
    inside = labels[part] == label
    y, x = np.nonzero(inside)
    places = np.stack([x + left, y + top]).astype(np.float64)
    piece = _axis(places)
    if piece is not None:
        return piece
    light = smooth[part][inside]
    level = float(np.quantile(light, _BRIGHTER_OF))
    if level < _VERY_BRIGHT_SIGMA:
        return None
    of_brighter = light > _BRIGHTER_SHARE * level
    brighter = places[:, of_brighter]
    # Stars in a row are as bright in several places.
    inside[inside] = of_brighter
    if _largest_share(inside) < _IN_ONE:
        return None
    if math.hypot(*np.ptp(brighter, axis=1)) < _BRIGHTER_EXTENT * math.hypot(width, height):
        return None
    piece = _axis(brighter)
    # Stars that bleed towards each other are no more than bright.
    return piece if piece is not None and leans(piece) else None


def _largest_share(patch: NDArray[np.bool_]) -> float:
    """Return the share of a patch's pixels that its largest connected part holds."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(patch.view(np.uint8), connectivity=8)
    return float(boxes[1:, cv2.CC_STAT_AREA].max()) / int(np.count_nonzero(patch))


def _axis(places: NDArray[np.float64]) -> Piece | None:
    """Return the axis of places x, y (2, n) if they fill a long and thin patch."""
    if places.shape[1] < COMPACT_PX:
        return None
    spread, axes = np.linalg.eigh(np.cov(places))
    if spread[1] <= _THIN**2 * max(spread[0], 0.25):
        return None
    middle, along = places.mean(axis=1), axes[:, 1]
    reach = along @ (places - middle[:, None])
    # A straight patch fills its length and width; a bundle of filaments does not.
    across = math.sqrt(12 * max(float(spread[0]), 0.0))
    if across > _BUNDLE_PX and places.shape[1] < _STRAIGHT_FILLED * float(np.ptp(reach)) * across:
        return None
    (x1, y1), (x2, y2) = middle + reach.min() * along, middle + reach.max() * along
    return Piece(float(x1), float(y1), float(x2), float(y2))


def _trailed_stars(pieces: list[Piece]) -> NDArray[np.bool_]:
    """Tell (n,) which pieces are stars that the mount has drawn long.

    There are many beside each other, parallel or turning about the pole, where the pieces of a dashed trail lie on one
    line; what is much longer than the others is a trail after all.
    """
    trailed = np.zeros(len(pieces), dtype=bool)
    if len(pieces) < _TRAILED_PARALLEL:
        return trailed
    x1, y1, x2, y2 = np.array([[p.x1, p.y1, p.x2, p.y2] for p in pieces]).T
    angle, length = np.arctan2(y2 - y1, x2 - x1) % np.pi, np.hypot(x2 - x1, y2 - y1)
    for direction in angle:
        parallel = angles_between(angle - direction) < _PARALLEL_DEG
        # All against one direction, so that pieces of one trail fall on one line.
        aside = ((y1 + y2) * math.cos(direction) - (x1 + x2) * math.sin(direction)) / 2
        lines = len(np.unique(np.rint(aside[parallel] / _ASIDE_PX)))
        if lines >= _TRAILED_PARALLEL:
            lines -= _on_one_line((x1 + x2)[parallel] / 2, (y1 + y2)[parallel] / 2, direction) - 1
        if lines >= _TRAILED_PARALLEL:
            trailed |= parallel & (length < _MUCH_LONGER * np.median(length[parallel]))
    if len(pieces) >= _TRAILED_ANY and np.count_nonzero(trailed) >= _TRAILED_PARALLEL:
        trailed |= length < _MUCH_LONGER * np.median(length)
    return trailed


def _on_one_line(x: NDArray[np.float64], y: NDArray[np.float64], direction: float) -> int:
    """Return how many of the places (n,) lie on one line in about a direction in radians: pieces of a broken trail."""
    if len(x) > _MOST_BROKEN:
        return 1
    dx, dy = x[:, None] - x, y[:, None] - y
    angle = np.arctan2(dy, dx)
    first, second = np.nonzero((angles_between(angle - direction) < _PARALLEL_DEG) & (np.hypot(dx, dy) > 0))
    if not len(first):
        return 1
    cosine, sine = np.cos(angle[first, second])[:, None], np.sin(angle[first, second])[:, None]
    aside = np.abs((y - y[first][:, None]) * cosine - (x - x[first][:, None]) * sine)
    return int((aside < _ASIDE_PX / 2).sum(axis=1).max())
