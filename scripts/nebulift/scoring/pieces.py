"""Bright, long and thin patches of the search image: pieces of trails, or stars that the mount has drawn long."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.robust import standard_deviation_from_mad

# All in pixels of the search image and in units of its noise.
COMPACT_PX = 20  # what is shorter is a star, a galaxy or a piece of one
_SMOOTHING_PX = 1.2  # brings the fragments of a faint trail together
_FOOT_SIGMA, _PEAK_SIGMA = 4.0, 6.0
_THIN = 5.0  # times longer than wide
# So many parallel pieces side by side are stars drawn long by the mount; so many of any direction star arcs.
_TRAILED_PARALLEL, _TRAILED_ANY = 6, 15
_PARALLEL_DEG, _ASIDE_PX, _MUCH_LONGER = 8.0, 6.0, 3.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A bright, long and thin patch: ends x1, y1, x2, y2 in pixels of the search image."""

    x1: float
    y1: float
    x2: float
    y2: float


def find_pieces(image: NDArray[np.float32]) -> tuple[tuple[Piece, ...], NDArray[np.bool_]]:
    """Return the pieces of bright trails in the search image, and the mask (rows, columns) of what belongs to them."""
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), _SMOOTHING_PX), dtype=np.float32)
    smooth /= np.float32(max(standard_deviation_from_mad(smooth[::3, ::3]), 1e-6))
    foot = smooth > _FOOT_SIGMA
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(foot.view(np.uint8), connectivity=8)
    peak = np.zeros(count, dtype=np.float32)
    np.maximum.at(peak, labels[foot], smooth[foot])
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    pieces: dict[int, Piece] = {}
    for label in np.flatnonzero((extent > COMPACT_PX) & (peak > _PEAK_SIGMA)):
        piece = _thin_piece(labels, boxes[label], int(label)) if label else None
        if piece is not None:
            pieces[int(label)] = piece
    trailed = _trailed_stars(list(pieces.values()))
    pieces = {label: piece for (label, piece), star in zip(pieces.items(), trailed, strict=True) if not star}
    belongs = np.zeros(count, dtype=bool)
    belongs[list(pieces)] = True
    return tuple(pieces.values()), belongs[labels]


def _thin_piece(labels: NDArray[np.int32], box: NDArray[np.int32], label: int) -> Piece | None:
    """Return the axis of a bright piece that is long and thin by its second moments; merged stars are not."""
    left, top, width, height = (int(value) for value in box[:4])
    y, x = np.nonzero(labels[top : top + height, left : left + width] == label)
    places = np.stack([x + left, y + top]).astype(np.float64)
    spread, axes = np.linalg.eigh(np.cov(places))
    if spread[1] <= _THIN**2 * max(spread[0], 0.25):
        return None
    middle, along = places.mean(axis=1), axes[:, 1]
    reach = along @ (places - middle[:, None])
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
        turn = np.abs((angle - direction + np.pi / 2) % np.pi - np.pi / 2)
        parallel = turn < math.radians(_PARALLEL_DEG)
        # All against one direction, so that pieces of one trail fall on one line.
        aside = ((y1 + y2) * math.cos(direction) - (x1 + x2) * math.sin(direction)) / 2
        if len(np.unique(np.rint(aside[parallel] / _ASIDE_PX))) >= _TRAILED_PARALLEL:
            trailed |= parallel & (length < _MUCH_LONGER * np.median(length[parallel]))
    if len(pieces) >= _TRAILED_ANY and np.count_nonzero(trailed) >= _TRAILED_PARALLEL:
        trailed |= length < _MUCH_LONGER * np.median(length)
    return trailed
