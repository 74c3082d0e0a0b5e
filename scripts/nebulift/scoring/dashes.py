"""Trails broken into short bright dashes, each hardly longer than a star: a row of them, all lying along it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.trail import Ends, angles_between

# All in pixels of the search image.
_SHORTEST_PX, _LONGEST_PX, _LARGEST_AREA = 6, 120, 2000
_DRAWN_LONG = 1.7  # times longer than wide
_ALIGNED_DEG, _ASIDE_PX = 10.0, 2.5
_FEWEST, _COVERED = 6, 0.2  # dashes, and share of the row that they fill
_OF_PARALLEL = 0.4  # of all that lie in that direction: trailed stars and close pairs lie beside each other
_MOST = 400


class Row(NamedTuple):
    """Dashes on one line: their labels (n,) and the ends of the row."""

    labels: NDArray[np.intp]
    ends: Ends


def find_rows(labels: NDArray[np.int32], boxes: NDArray[np.int32], bright: NDArray[np.bool_]) -> list[Row]:
    """Return the rows of dashes among the labelled patches of an image, of which some are `bright` (count,).

    `boxes` (count, 5) are left, top, width, height and area of each patch; patch 0 is what is not labelled.
    """
    extent = np.hypot(boxes[:, 2], boxes[:, 3])
    chosen = bright & (extent >= _SHORTEST_PX) & (extent < _LONGEST_PX) & (boxes[:, 4] < _LARGEST_AREA)
    chosen[0] = False
    candidates = np.flatnonzero(chosen)
    if len(candidates) < _FEWEST:
        return []
    dashes = np.array([_dash(labels, boxes[label], label) for label in candidates.tolist()])
    long = dashes[:, 4] > _DRAWN_LONG
    candidates, dashes = candidates[long], dashes[long]
    rows: list[Row] = []
    while _FEWEST <= len(candidates) <= _MOST:
        members = _longest_row(*dashes[:, :4].T)
        if not members.any():
            break
        rows.append(Row(candidates[members], _ends(dashes[members, 0], dashes[members, 1], dashes[members, 3])))
        candidates, dashes = candidates[~members], dashes[~members]
    return rows


def _dash(labels: NDArray[np.int32], box: NDArray[np.int32], label: int) -> tuple[float, ...]:
    """Return centre x, y, direction, length and ratio of length to width of a patch, by its second moments."""
    left, top, width, height = box[:4].tolist()
    row, column = np.nonzero(labels[top : top + height, left : left + width] == label)
    x, y = float(column.mean()), float(row.mean())
    # A pixel is as wide as itself.
    xx, yy = float(np.var(column)) + 1 / 12, float(np.var(row)) + 1 / 12
    xy = float(np.mean((column - x) * (row - y)))
    mean, apart = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    direction, ratio = math.atan2(2 * xy, xx - yy) / 2, math.sqrt((mean + apart) / max(mean - apart, 1 / 12))
    return x + left, y + top, direction, math.sqrt(12 * (mean + apart)), ratio


def _longest_row(
    x: NDArray[np.float64], y: NDArray[np.float64], angle: NDArray[np.float64], length: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which dashes (n,) make the row of the most; none where no row has enough."""
    dx, dy = x - x[:, None], y - y[:, None]
    way = np.arctan2(dy, dx)
    in_line = (angles_between(way - angle[:, None]) < _ALIGNED_DEG) & (angles_between(way - angle) < _ALIGNED_DEG)
    best, most = np.zeros(len(x), dtype=bool), _FEWEST - 1
    for one, other in np.argwhere(np.triu(in_line, 1)).tolist():
        cosine, sine = math.cos(way[one, other]), math.sin(way[one, other])
        parallel = angles_between(angle - way[one, other]) < _ALIGNED_DEG
        members = parallel & (np.abs(dy[one] * cosine - dx[one] * sine) < _ASIDE_PX)
        number = int(np.count_nonzero(members))
        if number > most and number >= _OF_PARALLEL * np.count_nonzero(parallel):
            reach = float(np.ptp(dx[one, members] * cosine + dy[one, members] * sine))
            if length[members].sum() > _COVERED * reach:
                best, most = members, number
    return best


def _ends(x: NDArray[np.float64], y: NDArray[np.float64], length: NDArray[np.float64]) -> Ends:
    """Return the ends of the line that fits the centres best, from the outer end of one dash to that of another."""
    centre_x, centre_y = float(x.mean()), float(y.mean())
    _, axes = np.linalg.eigh(np.cov(np.stack([x, y])))
    along_x, along_y = (float(value) for value in axes[:, 1])
    along = (x - centre_x) * along_x + (y - centre_y) * along_y
    start, stop = float((along - length / 2).min()), float((along + length / 2).max())
    return centre_x + start * along_x, centre_y + start * along_y, centre_x + stop * along_x, centre_y + stop * along_y
