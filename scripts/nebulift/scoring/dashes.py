"""Trails broken into short bright dashes, each hardly longer than a star: a row of them, all lying along it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# All in pixels of the search image.
_SHORTEST_PX, _LONGEST_PX, _LARGEST_AREA = 6, 120, 2000
_DRAWN_LONG = 1.7  # times longer than wide
_ALIGNED_DEG, _ASIDE_PX = 10.0, 2.5
_FEWEST, _COVERED = 6, 0.2  # dashes, and share of the row that they fill
_OF_PARALLEL = 0.4  # of all that lie in that direction: trailed stars and close pairs lie beside each other
_MOST = 400


class Row(NamedTuple):
    """Dashes on one line: their labels (n,) and the ends x1, y1, x2, y2 of the row."""

    labels: NDArray[np.intp]
    ends: tuple[float, float, float, float]


def find_rows(labels: NDArray[np.int32], boxes: NDArray[np.int32], bright: NDArray[np.bool_]) -> list[Row]:
    """Return the rows of dashes among the labelled patches of an image, of which some are `bright` (count,)."""
    width, height, area = boxes[:, 2], boxes[:, 3], boxes[:, 4]
    extent = np.hypot(width, height)
    chosen = bright & (extent >= _SHORTEST_PX) & (extent < _LONGEST_PX) & (area < _LARGEST_AREA)
    chosen[0] = False
    candidates = np.flatnonzero(chosen)
    if len(candidates) < _FEWEST:
        return []
    x, y, angle, length, ratio = _moments(labels, boxes, candidates)
    long = ratio > _DRAWN_LONG
    candidates, x, y, angle, length = (values[long] for values in (candidates, x, y, angle, length))
    rows: list[Row] = []
    while _FEWEST <= len(candidates) <= _MOST:
        members = _longest_row(x, y, angle, length)
        if not len(members):
            break
        rows.append(Row(candidates[members], _ends(x[members], y[members], length[members])))
        others = np.setdiff1d(np.arange(len(candidates)), members)
        candidates, x, y, angle, length = (values[others] for values in (candidates, x, y, angle, length))
    return rows


def _moments(
    labels: NDArray[np.int32], boxes: NDArray[np.int32], candidates: NDArray[np.intp]
) -> tuple[NDArray[np.float64], ...]:
    """Return centre x, y, direction, length and ratio of length to width of patches, each (n,), by second moments."""
    found = []
    for label in candidates.tolist():
        left, top, width, height = boxes[label, :4].tolist()
        row, column = np.nonzero(labels[top : top + height, left : left + width] == label)
        x, y = column + float(left), row + float(top)
        xx, yy, xy = np.var(x) + 1 / 12, np.var(y) + 1 / 12, np.mean((x - x.mean()) * (y - y.mean()))
        mean, apart = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
        ratio = math.sqrt((mean + apart) / (mean - apart))
        found.append((x.mean(), y.mean(), math.atan2(2 * xy, xx - yy) / 2, math.sqrt(12 * (mean + apart)), ratio))
    return tuple(np.array(found).T)


def _longest_row(
    x: NDArray[np.float64], y: NDArray[np.float64], angle: NDArray[np.float64], length: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the indices of the row with the most dashes, sorted; none where no row has enough."""
    dx, dy = x - x[:, None], y - y[:, None]
    way = np.arctan2(dy, dx)
    along = _turn(way - angle[:, None]) & _turn(way - angle)
    first, second = np.nonzero(np.triu(along, 1))
    best = np.empty(0, dtype=np.intp)
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        direction = way[one, other]
        parallel = _turn(angle - direction)
        aside = np.abs(dy[one] * math.cos(direction) - dx[one] * math.sin(direction))
        members = np.flatnonzero(parallel & (aside < _ASIDE_PX))
        if len(members) <= max(len(best), _FEWEST - 1) or len(members) < _OF_PARALLEL * np.count_nonzero(parallel):
            continue
        reach = np.ptp(dx[one, members] * math.cos(direction) + dy[one, members] * math.sin(direction))
        if length[members].sum() > _COVERED * reach:
            best = members
    return best


def _turn(angle: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs((angle + np.pi / 2) % np.pi - np.pi / 2) < math.radians(_ALIGNED_DEG))


def _ends(
    x: NDArray[np.float64], y: NDArray[np.float64], length: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Return the ends of the line that fits the centres best, from the outer end of the first dash to that of the last."""
    centre_x, centre_y = float(x.mean()), float(y.mean())
    _, axes = np.linalg.eigh(np.cov(np.stack([x, y])))
    along_x, along_y = (float(value) for value in axes[:, 1])
    along = (x - centre_x) * along_x + (y - centre_y) * along_y
    start, stop = float((along - length / 2).min()), float((along + length / 2).max())
    return (
        centre_x + start * along_x,
        centre_y + start * along_y,
        centre_x + stop * along_x,
        centre_y + stop * along_y,
    )
