"""Where trails may be: the lines whose sums stand out most, in all directions and of partial lengths."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.radon import best_lines, line_sums
from nebulift.scoring.robust import MAD_TO_SIGMA, median
from nebulift.scoring.search_image import SearchImage

# A coarser image sees the same trail as long as that fills its pixels; the coarsest finds what is wide.
# Longest sides; how many neighbouring lines are taken together there; whether faint stars are masked, for they hide
# faint trails, while a short trail must be as bright as they are; and whether the structure of the sky is taken away.
_SEARCHES = ((512, (1,), True, True), (256, (1, 2), False, False))
# Where so much of a frame is filaments, these hide short trails from the others.
_AMONG_FILAMENTS = ((512, (1,), False, True),)
FILAMENTS = 0.01
_CLIP = 2.5  # sigma: beyond it a pixel says no more about a faint line, it may be a star
_TILE = 32
_PER_SEARCH = 4
_SIGMA = 4.5
_MOST_PIECES = 24
# Of lines seen without faint stars or with them, long or short: what surrounds bright stars makes many of these.
_MOST = {True: {True: 20, False: 12}, False: {True: 8, False: 16}}
_SAME_PX = 4.0
_LONG_SHARE = 0.4  # of the shorter side


@dataclass(frozen=True, slots=True)
class Line:
    """A line from (x1, y1) to (x2, y2) in pixels of the search image, known to `precision` pixels.

    It was seen `without_faint` stars, or with what may be such.
    """

    score: float
    x1: float
    y1: float
    x2: float
    y2: float
    precision: float
    without_faint: bool = True

    @property
    def length(self) -> float:
        """Distance between the ends."""
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)


def propose_lines(search: SearchImage) -> list[Line]:
    """Return the lines worth a closer look, best first; the pieces of bright trails come before all others."""
    bright = [Line(math.inf, p.x1, p.y1, p.x2, p.y2, 2.0, without_faint=False) for p in search.pieces]
    bright.sort(key=lambda line: -line.length)
    proposed = _distinct(bright, _MOST_PIECES)
    among_filaments = search.winding_share > FILAMENTS
    for side, lanes, without_faint, without_structure in _SEARCHES + (_AMONG_FILAMENTS if among_filaments else ()):
        # The structure of the sky hides faint trails; of a wide one it holds the most.
        values = search.values - search.structure if without_structure else search.values
        clipped, valid = _clipped(values, search.masks[without_faint])
        lines = _propose_at(clipped, valid, side, lanes, without_faint)
        lines.sort(key=lambda line: -line.score)
        is_long = [line.length > _LONG_SHARE * min(search.values.shape) for line in lines]
        for wanted, most in _MOST[without_faint].items():
            chosen = _distinct([line for line, long in zip(lines, is_long, strict=True) if long is wanted], most)
            proposed += [line for line in chosen if not any(_same_ends(line, other) for other in proposed)]
    return proposed


def _clipped(values: NDArray[np.float32], masked: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the values about their mean, 0 where they are masked, and the weights of the pixels, 0 or 1."""
    clipped = np.clip(values, -_CLIP, _CLIP)
    known = clipped[~masked]
    clipped -= np.float32(known.mean() if known.size else 0.0)
    clipped[masked] = 0
    return clipped, (~masked).astype(np.float32)


def _same_ends(line: Line, other: Line) -> bool:
    return (line.x1, line.y1, line.x2, line.y2) == (other.x1, other.y1, other.x2, other.y2)


def _distinct(lines: list[Line], most: int) -> list[Line]:
    """Return the first `most` lines, without those whose both ends fall together with those of a better one."""
    kept: list[Line] = []
    for line in lines:
        if len(kept) == most:
            break
        for other in kept:
            near = _SAME_PX * max(line.precision, other.precision, 1.0)
            if max(abs(line.x1 - other.x1), abs(line.y1 - other.y1)) < near and (
                max(abs(line.x2 - other.x2), abs(line.y2 - other.y2)) < near
            ):
                break
        else:
            kept.append(line)
    return kept


def _propose_at(
    clipped: NDArray[np.float32],
    valid: NDArray[np.float32],
    side: int,
    lanes: tuple[int, ...],
    without_faint: bool,
) -> list[Line]:
    """Return the best lines of an image shrunk to `side` pixels, in coordinates of the image given."""
    scale = max(1.0, max(clipped.shape) / side)
    size = (max(1, round(clipped.shape[1] / scale)), max(1, round(clipped.shape[0] / scale)))
    image = np.asarray(cv2.resize(clipped, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    weight = np.asarray(cv2.resize(valid, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    sample = image[weight > 0.5] / np.sqrt(weight[weight > 0.5])
    if sample.size < 100:
        return []
    image = image / np.float32(max(MAD_TO_SIGMA * median(np.abs(sample)), 1e-6))
    factor = (clipped.shape[1] / size[0], clipped.shape[0] / size[1])
    lines = []
    for transposed in (False, True):
        for flipped in (False, True):
            turned = (_oriented(image, transposed, flipped), _oriented(weight, transposed, flipped))
            for score, *ends in _leaning(*turned, lanes):
                x1, y1, x2, y2 = _unturned(ends, image.shape, transposed, flipped)
                lines.append(
                    Line(
                        score,
                        *((x1 + 0.5) * factor[0] - 0.5, (y1 + 0.5) * factor[1] - 0.5),
                        *((x2 + 0.5) * factor[0] - 0.5, (y2 + 0.5) * factor[1] - 0.5),
                        precision=1.5 * max(factor),
                        without_faint=without_faint,
                    )
                )
    return lines


def _oriented(image: NDArray[np.float32], transposed: bool, flipped: bool) -> NDArray[np.float32]:
    """Return `image` turned and flipped, with rows padded to a power of two."""
    turned = image.T if transposed else image
    turned = turned[:, ::-1] if flipped else turned
    rows = 1 << max(5, math.ceil(math.log2(turned.shape[0])))
    return np.ascontiguousarray(np.pad(turned, ((0, rows - turned.shape[0]), (0, 0))))


def _leaning(
    image: NDArray[np.float32], weight: NDArray[np.float32], lanes_together: tuple[int, ...]
) -> list[tuple[float, ...]]:
    """Return (score, x1, y1, x2, y2) of the best lines of one of the four orientations."""
    rows = image.shape[0]
    lines: list[tuple[float, ...]] = []
    shortest = max(16, rows // 16)
    for (block, sums), (_, pixels) in zip(line_sums(image, shortest), line_sums(weight, shortest), strict=True):
        for lanes in lanes_together:
            score, row_of, column_of = best_lines(sums, pixels, lanes, 0.4 * lanes * block, _TILE)
            places = np.argpartition(-score, min(_PER_SEARCH, score.size - 1), axis=None)[:_PER_SEARCH]
            for place in places:
                if score.flat[place] < _SIGMA:
                    continue
                row, column = int(row_of.flat[place]), int(column_of.flat[place])
                top, shift = row - row % block, row % block
                x1 = column - rows + (lanes - 1) / 2
                lines.append((float(score.flat[place]), x1, float(top), x1 + shift, float(top + block - 1)))
    return lines


def _unturned(
    ends: list[float], shape: tuple[int, ...], transposed: bool, flipped: bool
) -> tuple[float, float, float, float]:
    """Bring the ends of a line of a turned image back to the image's own coordinates."""
    x1, y1, x2, y2 = ends
    width = shape[0] if transposed else shape[1]
    if flipped:
        x1, x2 = width - 1 - x1, width - 1 - x2
    if transposed:
        x1, y1, x2, y2 = y1, x1, y2, x2
    return x1, y1, x2, y2
