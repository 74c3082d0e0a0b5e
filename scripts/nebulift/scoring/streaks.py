"""Straight trails of satellites, aircraft and meteors, also below the noise of a pixel.

The frame is flattened, binned and its stars are masked; a fast Radon transform (after Nir, Zackay & Ofek 2018)
proposes lines in all directions and of partial length, and each is verified by medians along its strip, which
a few bright pixels cannot move.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.background import Background
from nebulift.scoring.radon import best_lines, line_sums
from nebulift.scoring.robust import standard_deviation_from_mad
from nebulift.scoring.search_image import BORDER, COMPACT_PX, TILE_PX, flatten, mask_compact
from nebulift.scoring.stars import Stars

_LONG_SIDE = 1024  # binned pixels: a faint trail is several pixels wide and loses little
_CLIP = 2.5  # sigma: beyond it a pixel says no more about a faint line, it may be a star
_SLENDER = 8.0  # a trail is so many times longer than wide
_ALIGNED_PX = 1.5  # binned pixels that a line along a row or a column may leave it by
_SPIKED_STAR_SIGMA = 200.0
_SPIKE_OFFSET_PX = 3.0  # binned pixels
_SPIKE_FADING, _ONE_SIDED_FADING = 1.5, 2.0
_STRIP_HALF_WIDTH = 1.5  # binned pixels
_PROPOSALS = 32
_PROPOSALS_PER_SEARCH = 4
_PROPOSAL_SIGMA = 5.0
_MOST_STREAKS = 5
_PARTS = 8


@dataclass(frozen=True, slots=True)
class Streak:
    """One trail: `significance` in sigma, end points in pixels of the full frame, width in pixels."""

    significance: float
    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float
    width_px: float

    @property
    def length_px(self) -> float:
        """Distance between the end points in pixels."""
        return math.hypot(self.x2_px - self.x1_px, self.y2_px - self.y1_px)


def find_streaks(
    residual: NDArray[np.float32], background: Background, hot: NDArray[np.bool_], stars: Stars, sigma: float
) -> list[Streak]:
    """Return the trails in `residual` (background-subtracted float32 ADU) of at least `sigma`, strongest first."""
    binning = max(1, math.ceil(max(residual.shape) / _LONG_SIDE))
    image, weight = flatten(residual, background.invalid | hot, background.noise_adu, binning)
    masked = mask_compact(image, weight)
    bright_stars = _bright_stars(stars, background, masked, binning)
    found: list[Streak] = []
    spikes: list[Streak] = []
    for line in _propose(image, masked):
        if any(_along(line, other) for other in (*found, *spikes)):
            continue  # one line is proposed many times over
        streak, is_spike = _verify(image, masked, line, bright_stars, sigma)
        if streak is not None and is_spike:
            spikes.append(streak)
        elif streak is not None and _is_of_the_sky(streak, image.shape):
            found.append(streak)
    found = sorted(found, key=lambda streak: -streak.significance)
    distinct = [s for i, s in enumerate(found) if not any(_along(s, other) for other in (*found[:i], *spikes))]
    return [_in_full_frame(streak, binning) for streak in distinct[:_MOST_STREAKS]]


def _bright_stars(stars: Stars, background: Background, masked: NDArray[np.bool_], binning: int) -> NDArray[np.float64]:
    """Return the places (n, 2) in binned pixels of stars bright enough for spikes; a piece of a trail is none."""
    bright = stars.peak_adu > _SPIKED_STAR_SIGMA * background.noise_adu
    places = (np.stack([stars.x_px[bright], stars.y_px[bright]], axis=1) - (binning - 1) / 2) / binning
    column, row = (
        np.clip(np.rint(axis).astype(int), 0, side - 1) for axis, side in zip(places.T, masked.shape[::-1], strict=True)
    )
    return np.asarray(places[masked[row, column]])


@dataclass(frozen=True, slots=True)
class _Line:
    """A proposed line in binned pixels."""

    score: float
    x1: float
    y1: float
    x2: float
    y2: float


def _propose(image: NDArray[np.float32], masked: NDArray[np.bool_]) -> list[_Line]:
    """Return the lines whose sums stand out most, best first."""
    clipped = np.where(masked, np.float32(0), np.clip(image, -_CLIP, _CLIP))
    valid = (~masked).astype(np.float32)
    spread = float(np.std(clipped[~masked])) if not masked.all() else 1.0
    mean = float(np.mean(clipped[~masked])) if not masked.all() else 0.0
    clipped = np.where(masked, np.float32(0), (clipped - mean) / max(spread, 1e-6)).astype(np.float32)
    lines: list[_Line] = []
    for transposed in (False, True):
        for flipped in (False, True):
            lines += _propose_leaning(
                _oriented(clipped, transposed, flipped),
                _oriented(valid, transposed, flipped),
                image.shape,
                transposed,
                flipped,
            )
    return sorted(lines, key=lambda line: -line.score)[:_PROPOSALS]


def _oriented(image: NDArray[np.float32], transposed: bool, flipped: bool) -> NDArray[np.float32]:
    """Return `image` turned and flipped, with rows padded to a power of two."""
    turned = image.T if transposed else image
    turned = turned[:, ::-1] if flipped else turned
    rows = 1 << max(5, math.ceil(math.log2(turned.shape[0])))
    return np.ascontiguousarray(np.pad(turned, ((0, rows - turned.shape[0]), (0, 0))))


def _propose_leaning(
    image: NDArray[np.float32],
    valid: NDArray[np.float32],
    shape: tuple[int, ...],
    transposed: bool,
    flipped: bool,
) -> list[_Line]:
    """Return the best lines of one of the four orientations, in coordinates of the unturned image."""
    rows = image.shape[0]
    lines = []
    for (block, sums), (_, pixels) in zip(line_sums(image, rows // 8), line_sums(valid, rows // 8), strict=True):
        for lanes in (1, 2):
            score, row_of, column_of = best_lines(sums, pixels, lanes, 0.5 * lanes * block, TILE_PX)
            for place in np.argsort(-score, axis=None)[:_PROPOSALS_PER_SEARCH]:
                if score.flat[place] < _PROPOSAL_SIGMA:
                    break
                row, column = int(row_of.flat[place]), int(column_of.flat[place])
                top, shift = row - row % block, row % block
                x1 = column - rows + (lanes - 1) / 2
                line = (float(score.flat[place]), x1, float(top), x1 + shift, float(top + block - 1))
                lines.append(_unturn(line, shape, transposed, flipped))
    return lines


def _unturn(
    line: tuple[float, float, float, float, float], shape: tuple[int, ...], transposed: bool, flipped: bool
) -> _Line:
    """Bring a line of a turned image back to the image's own coordinates."""
    score, x1, y1, x2, y2 = line
    width = shape[0] if transposed else shape[1]
    if flipped:
        x1, x2 = width - 1 - x1, width - 1 - x2
    if transposed:
        x1, y1, x2, y2 = y1, x1, y2, x2
    return _Line(score, x1, y1, x2, y2)


def _verify(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    line: _Line,
    bright_stars: NDArray[np.float64],
    sigma: float,
) -> tuple[Streak | None, bool]:
    """Measure a proposed line along its whole course; return it and whether it is a diffraction spike.

    None below `sigma`, or where the light is not that of a line.
    """
    best: tuple[float, _Line] | None = None
    length = math.hypot(line.x2 - line.x1, line.y2 - line.y1)
    # The transform knows a line to about a pixel at its ends: look around for the best one.
    normal_x, normal_y = -(line.y2 - line.y1) / length, (line.x2 - line.x1) / length
    for shift1 in (-1.5, 0.0, 1.5):
        for shift2 in (-1.5, 0.0, 1.5):
            moved = _Line(
                line.score,
                line.x1 + shift1 * normal_x,
                line.y1 + shift1 * normal_y,
                line.x2 + shift2 * normal_x,
                line.y2 + shift2 * normal_y,
            )
            profile = _profile(image, masked, moved, 0.0)
            total = float(np.nansum(profile))
            if best is None or total > best[0]:
                best = (total, moved)
    assert best is not None
    line = _extend(best[1], image.shape)
    centre = _profile(image, masked, line, 0.0)
    lanes = [offset * (2 * _STRIP_HALF_WIDTH + 1.0) for offset in (-3, -2, 2, 3)]
    neighbours = np.stack([_profile(image, masked, line, offset) for offset in lanes])
    known = np.isfinite(neighbours).any(axis=0)
    beside = np.zeros(len(centre))
    beside[known] = np.nanmedian(neighbours[:, known], axis=0)
    contrast = centre - beside
    start, stop = _extent(contrast)
    inside = contrast[start:stop]
    inside = inside[np.isfinite(inside)]
    if len(inside) < 12:
        return None, False
    outside = neighbours[np.isfinite(neighbours)]
    noise = standard_deviation_from_mad(outside) if len(outside) else 1.0
    # Neighbouring samples of a strip share pixels only across it; the median's efficiency is 0.64.
    significance = float(np.median(inside)) * math.sqrt(0.64 * len(inside)) / max(noise, 1e-6) / 1.1
    if significance < sigma:
        return None, False
    # A trail shines all along; a row of a few stars does not.
    parts = [float(np.mean(part)) for part in np.array_split(inside, _PARTS)]
    if sum(part > 0.3 * float(np.median(inside)) for part in parts) < _PARTS - 1:
        return None, False
    x1, y1, x2, y2 = _points(line, start, stop)
    streak = Streak(significance, x1, y1, x2, y2, _width(image, masked, line, start, stop))
    return streak, _is_spike(contrast, line, start, stop, bright_stars)


def _is_spike(
    contrast: NDArray[np.float64], line: _Line, start: int, stop: int, bright_stars: NDArray[np.float64]
) -> bool:
    """Tell a diffraction spike: it begins at a bright star and fades away from it, where a trail shines evenly."""
    length = math.hypot(line.x2 - line.x1, line.y2 - line.y1)
    along_x, along_y = (line.x2 - line.x1) / length, (line.y2 - line.y1) / length
    dx, dy = bright_stars[:, 0] - line.x1, bright_stars[:, 1] - line.y1
    on_line = np.abs(dy * along_x - dx * along_y) < _SPIKE_OFFSET_PX
    places = (dx * along_x + dy * along_y)[on_line]
    where = np.arange(start, stop)
    values = contrast[start:stop]
    for place in places[(places > start - COMPACT_PX) & (places < stop + COMPACT_PX)]:
        outwards = values[np.argsort(np.abs(where - place), kind="stable")]
        # The nearest quarter may hold the star itself, where nothing is seen of the spike.
        nearest, next_to_it, _, outer = (part[np.isfinite(part)] for part in np.array_split(outwards, 4))
        inner = max((float(part.mean()) for part in (nearest, next_to_it) if len(part)), default=0.0)
        # Where the star stands in the middle, or the line reaches it from one side alone, less of a fade will do.
        shorter, longer = sorted((place - start, stop - place))
        fading = _SPIKE_FADING if shorter < COMPACT_PX or longer < 2.5 * shorter else _ONE_SIDED_FADING
        if len(outer) and inner > fading * max(float(outer.mean()), 0.0):
            return True
    return False


def _samples(line: _Line) -> int:
    return max(2, round(math.hypot(line.x2 - line.x1, line.y2 - line.y1)))


def _points(line: _Line, start: int, stop: int) -> tuple[float, float, float, float]:
    """Return the end points of samples `start` to `stop` of a line."""
    number = _samples(line)
    share1, share2 = start / number, stop / number
    dx, dy = line.x2 - line.x1, line.y2 - line.y1
    return (
        line.x1 + share1 * dx,
        line.y1 + share1 * dy,
        line.x1 + share2 * dx,
        line.y1 + share2 * dy,
    )


def _profile(image: NDArray[np.float32], masked: NDArray[np.bool_], line: _Line, offset: float) -> NDArray[np.float64]:
    """Return the mean across the strip at each pixel along a line, moved sideways by `offset`; NaN where masked."""
    number = _samples(line)
    along = (np.arange(number) + 0.5) / number
    dx, dy = line.x2 - line.x1, line.y2 - line.y1
    length = math.hypot(dx, dy)
    across = np.array([-1.0, 0.0, 1.0]) + offset
    x = np.rint(line.x1 + along[:, None] * dx - across * dy / length).astype(int)
    y = np.rint(line.y1 + along[:, None] * dy + across * dx / length).astype(int)
    height, width = image.shape
    usable = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    usable &= ~masked[y, x]
    values = np.where(usable, np.clip(image[y, x], -_CLIP, 2 * _CLIP), 0.0)
    counted = usable.sum(axis=1)
    return np.where(counted >= 2, values.sum(axis=1) / np.maximum(counted, 1), np.nan)


def _extend(line: _Line, shape: tuple[int, ...]) -> _Line:
    """Lengthen a line to the borders of the image: a proposal may be only a part of the trail."""
    height, width = shape[0], shape[1]
    dx, dy = line.x2 - line.x1, line.y2 - line.y1
    spans = [
        sorted(((0 - origin) / step, (size - 1 - origin) / step))
        for origin, step, size in ((line.x1, dx, width), (line.y1, dy, height))
        if abs(step) > 1e-9
    ]
    first = max(span[0] for span in spans)
    last = min(span[1] for span in spans)
    return _Line(line.score, line.x1 + first * dx, line.y1 + first * dy, line.x1 + last * dx, line.y1 + last * dy)


def _extent(contrast: NDArray[np.float64]) -> tuple[int, int]:
    """Return the run of samples that holds the trail: the largest sum above half of the trail's brightness."""
    filled = np.nan_to_num(np.clip(contrast, -_CLIP, _CLIP))
    level = 0.0
    start, stop = 0, len(filled)
    # The level to beat depends on the trail's brightness, and that on its extent: two rounds settle it.
    for _ in range(3):
        excess = np.concatenate([[0.0], np.cumsum(filled - level)])
        lowest = np.minimum.accumulate(excess)
        stop = int(np.argmax(excess - lowest))
        start = int(np.argmin(excess[: stop + 1]))
        level = 0.5 * max(0.0, float(np.mean(filled[start:stop]))) if stop > start else 0.0
    return start, stop


def _width(image: NDArray[np.float32], masked: NDArray[np.bool_], line: _Line, start: int, stop: int) -> float:
    """Return the full width at half maximum of the trail in binned pixels."""
    offsets = np.arange(-12.0, 12.5, 1.0)
    means = np.array([np.nanmean(np.append(_profile(image, masked, line, o)[start:stop], 0.0)) for o in offsets])
    peak = means[12]
    above = means > 0.5 * peak
    left, right = 12, 12
    while left > 0 and above[left - 1]:
        left -= 1
    while right < len(above) - 1 and above[right + 1]:
        right += 1
    return float(right - left + 1)


def _along(line: "_Line | Streak", streak: Streak) -> bool:
    """Tell whether a line runs along a streak already found: both its ends lie beside the streak's own line."""
    x1, y1, x2, y2 = (
        (line.x1, line.y1, line.x2, line.y2)
        if isinstance(line, _Line)
        else (line.x1_px, line.y1_px, line.x2_px, line.y2_px)
    )
    length = max(streak.length_px, 1e-6)
    normal_x, normal_y = (streak.y1_px - streak.y2_px) / length, (streak.x2_px - streak.x1_px) / length
    reach = 3 + streak.width_px
    return all(
        abs((x - streak.x1_px) * normal_x + (y - streak.y1_px) * normal_y) < reach for x, y in ((x1, y1), (x2, y2))
    )


def _is_of_the_sky(streak: Streak, shape: tuple[int, ...]) -> bool:
    """Tell a trail from nebulae, which are broad for their length, and from what a camera draws.

    A camera's lines (bleeding columns, banding, the borders of the sensor) run exactly along rows or columns.
    """
    if streak.length_px < _SLENDER * streak.width_px:
        return False
    if min(abs(streak.x2_px - streak.x1_px), abs(streak.y2_px - streak.y1_px)) <= _ALIGNED_PX:
        return False
    height, width = shape[0], shape[1]
    for ends, side in (((streak.x1_px, streak.x2_px), width), ((streak.y1_px, streak.y2_px), height)):
        margin = max(8.0, 2 * BORDER * side)
        if max(ends) < margin or min(ends) > side - 1 - margin:
            return False
    return True


def _in_full_frame(streak: Streak, binning: int) -> Streak:
    """Scale a streak from binned to full pixels; pixel centres lie at whole numbers in both."""

    def full(value: float) -> float:
        return value * binning + (binning - 1) / 2

    return Streak(
        significance=streak.significance,
        x1_px=full(streak.x1_px),
        y1_px=full(streak.y1_px),
        x2_px=full(streak.x2_px),
        y2_px=full(streak.y2_px),
        width_px=streak.width_px * binning,
    )
