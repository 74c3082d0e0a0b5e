"""Straight trails of satellites, aircraft and meteors, also below the noise of a pixel.

The frame is flattened, binned and its stars are masked; a fast Radon transform (after Nir, Zackay & Ofek 2018)
proposes lines in all directions and of partial length, and each is verified along its strip against the strips beside
it, which is robust in the way of the median Radon transform of Stark et al. (2022).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.pieces import COMPACT_PX
from nebulift.scoring.proposals import Line, propose_lines
from nebulift.scoring.robust import MAD_TO_SIGMA
from nebulift.scoring.search_image import SearchImage
from nebulift.scoring.star_mask import BORDER
from nebulift.scoring.strips import BESIDE, best_ends, contrast_of, extent, lanes_along, strip_means

# All in pixels of the search image unless said otherwise.
_SLENDER, _WIDE_SLENDER = 8.0, 25.0  # a trail is so many times longer than wide
_PLAIN_WIDTH = 3.5  # of a trail in focus, in FWHM of the stars
_ALIGNED_PX = 1.5  # that a line along a row or a column may leave it by,
_ALIGNED, _PLAIN_SIGMA = 0.012, 15.0  # and of the length of a faint one
_SHORTEST_PX = 16
_REACH = 67  # lanes looked at on either side
_HALF_WIDTHS = (1, 3, 7)  # of strips: 3, 7 and 15 lanes
_PARTS = 12
_SEGMENTS = 6  # of a trail, through whose middles its axis is drawn
_LIT_SHARE = 0.75  # of the parts of a trail; some pass behind stars
_PART_LEVEL = 0.3  # of the trail's brightness
_SPIKE_OFFSET_PX = 3.0
# The brightest ones, how far their spikes reach at least and by the star's area, what of its radius is its centre.
_SPIKED_STARS, _SPIKE_PX, _SPIKE_PER_AREA, _CORE_SHARE = 30, 75, 2.0, 0.7
_SPIKE_SHARE = 0.25
_LEANING_DEG, _WEAKER = 10.0, 0.7
_STAR_TRAIL_FWHM = 10.0  # length of a star that the mount has drawn long, at most
_SPIKE_FADING, _ONE_SIDED_FADING = 1.5, 2.0
_HELD = 2.5  # sigma of a sample beyond which it counts no more
_BLOCK = 8  # samples along a strip
_LONG_PX, _PENALTY = 120, 1.5  # sigma for each halving of the length below it
_LEAST_NOISE = 0.5  # of the contrast of a strip of three lanes, whose pixels have unit noise
_MOST_STREAKS = 12


@dataclass(frozen=True, slots=True)
class Streak:
    """One trail: `significance` in sigma, end points and width in pixels of the full frame, mean brightness in ADU.

    The brightness is that of the trail's axis above the sky beside it.
    """

    significance: float
    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float
    width_px: float
    brightness_adu: float = 0.0

    @property
    def length_px(self) -> float:
        """Distance between the end points in pixels."""
        return math.hypot(self.x2_px - self.x1_px, self.y2_px - self.y1_px)


@dataclass(frozen=True, slots=True)
class _Trail:
    """A verified line from (x1, y1) to (x2, y2) in pixels of the search image."""

    significance: float
    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    brightness: float
    is_spike: bool

    @property
    def length(self) -> float:
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)


def find_streaks(search: SearchImage, sigma: float) -> list[Streak]:
    """Return the trails in the search image of at least `sigma`, strongest first."""
    found: list[_Trail] = []
    noises = _strip_noise(search)
    for line in propose_lines(search):
        if any(_along(line.x1, line.y1, line.x2, line.y2, 0.0, other) for other in found if not other.is_spike):
            continue  # one line is proposed many times over
        trail = _verify(search, line, noises, sigma)
        if trail is not None and (trail.is_spike or _is_of_the_sky(trail, search)):
            found.append(trail)
    # What is found along a spike is the spike, unless it is stronger: a trail may pass by a bright star.
    found.sort(key=lambda trail: -trail.significance)
    distinct: list[_Trail] = []
    for trail in found:
        if not any(_is_part_of(trail, other) for other in distinct):
            distinct.append(trail)
    streaks = [_in_full_frame(trail, search) for trail in distinct if not trail.is_spike]
    return streaks[:_MOST_STREAKS]


def _verify(search: SearchImage, line: Line, noises: dict[int, tuple[float, float]], sigma: float) -> _Trail | None:
    """Measure a proposed line along its whole course; None below `sigma` or where the light is not that of a line."""
    image, masked = search.values, search.masked
    # A proposal knows its ends to some pixels: look around for the best place, and again once its extent is known.
    ends: tuple[float, float, float, float] = best_ends(
        image, masked, line.x1, line.y1, line.x2, line.y2, line.precision + 1.0, max(1.0, line.precision / 3), 300
    )
    for reach in (2.0, 1.0):
        full = _extended(*ends, image.shape)
        contrast = contrast_of(_strips(image, masked, full, 1, 5))
        start, stop = extent(contrast[5])
        if stop - start < _SHORTEST_PX or _at_most(contrast[5, start:stop], noises[1][1]) < sigma:
            return None
        ends = best_ends(image, masked, *_part(full, start, stop), reach, 0.5, 800)
    full = _extended(*ends, image.shape)
    lanes = lanes_along(image, masked, *full, _REACH)
    best: tuple[float, int, int, int, NDArray[np.float64]] | None = None
    for half in _HALF_WIDTHS:
        contrast = contrast_of(strip_means(lanes, half, 2 * half + 1))
        start, stop = extent(contrast[len(contrast) // 2])
        significance = _significance(contrast, start, stop, *noises[half])
        # A wider strip must do better, not merely as well: it holds more that is not the trail.
        if best is None or significance > 1.15 * best[0]:
            best = (significance, start, stop, half, contrast)
    assert best is not None
    significance, start, stop, half, contrast = best
    middle = contrast[len(contrast) // 2]
    if significance < sigma or not _shines_all_along(middle[start:stop]):
        return None
    spike = _is_spike(middle, full, start, stop, search.bright_stars[search.bright_stars[:, 2] > 0])
    if not spike:
        contrast[len(contrast) // 2] = _without_stars(middle, full, search.bright_stars)
        spike = _significance(contrast, start, stop, *noises[half]) < sigma
    width, brightness = _width(lanes, start, stop)
    first, last = _offsets(lanes, start, stop, width)
    normal_x, normal_y = _normal(full)
    x1, y1, x2, y2 = _part(full, start, stop)
    return _Trail(
        significance=significance,
        x1=x1 + first * normal_x,
        y1=y1 + first * normal_y,
        x2=x2 + last * normal_x,
        y2=y2 + last * normal_y,
        width=width,
        brightness=brightness,
        is_spike=spike,
    )


def _strips(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    line: tuple[float, float, float, float],
    half: int,
    reach: int,
) -> NDArray[np.float32]:
    """Return the means of `reach` strips on either side of a line and of its own in the middle."""
    width = 2 * half + 1
    return np.asarray(strip_means(lanes_along(image, masked, *line, reach * width + half), half, width))


def _at_most(inside: NDArray[np.float64], noise: float) -> float:
    """Return about as much significance as a run of samples of the contrast can have, at little cost."""
    known = np.isfinite(inside)
    return float(np.sum(inside[known])) / math.sqrt(max(int(np.count_nonzero(known)), 1)) / noise


def _significance(contrast: NDArray[np.float64], start: int, stop: int, noise: float, correlated: float) -> float:
    """Return how far the middle strip stands out over a run of samples, in units of what the other strips scatter by.

    Bright samples count little: a star may fill some, a trail fills all. A trail of dashes is bright enough for half
    of its plain mean to do. `noise` and `correlated` come from `_strip_noise`.
    """
    middle = len(contrast) // 2
    inside = contrast[middle, start:stop]
    inside = inside[np.isfinite(inside)]
    fewest = max(12.0, 0.3 * (stop - start))
    if len(inside) < fewest:
        return 0.0
    # Those beside which the trail itself lies would look too dark.
    reach = max(BESIDE)
    others = np.concatenate([np.arange(max(middle - reach, 0)), np.arange(middle + reach + 1, len(contrast))])
    error = correlated / math.sqrt(len(inside))
    near = np.clip(contrast[others, start:stop], -_HELD * noise, _HELD * noise)
    number = np.isfinite(near).sum(axis=1)
    enough = number >= fewest
    if np.count_nonzero(enough) >= 6:
        # Where the sky itself is streaky (nebulae, banding), strips differ by more than their pixels' noise.
        sums = np.nansum(near, axis=1)[enough] / number[enough]
        error = max(error, MAD_TO_SIGMA * float(np.median(np.abs(sums - np.median(sums)))))
    held = float(np.mean(np.clip(inside, -_HELD * noise, _HELD * noise)))
    significance = max(held, 0.5 * float(np.mean(inside))) / error
    # There are many more short lines to be fooled by than long ones.
    return significance - _PENALTY * max(0.0, math.log2(_LONG_PX / max(len(inside), 1)))


def _strip_noise(search: SearchImage) -> dict[int, tuple[float, float]]:
    """Return, by half-width, the noise of one sample of a strip's contrast, and what it is worth in sums along strips.

    Neighbouring samples share the light of a star and the smoothing of a colour mosaic, so sums scatter by more. It is
    the same all over the search image, and is measured on lines of several directions.
    """
    height, width = search.values.shape
    reach = 0.45 * min(height, width)
    noises: dict[int, tuple[float, float]] = {}
    for half in _HALF_WIDTHS:
        blocks = []
        for angle in np.radians([10, 55, 100, 145]):
            dx, dy = reach * math.cos(angle), reach * math.sin(angle)
            line = (width / 2 - dx, height / 2 - dy, width / 2 + dx, height / 2 + dy)
            contrast = contrast_of(_strips(search.values, search.masked, line, half, _REACH // (2 * half + 1)))
            length = contrast.shape[1] // _BLOCK * _BLOCK
            blocks.append(contrast[:, :length].reshape(-1, _BLOCK))
        samples = np.concatenate(blocks)
        known = np.isfinite(samples)
        # Whole numbers may hide all noise.
        least = _LEAST_NOISE * math.sqrt(3 / (2 * half + 1))
        values = samples[known]
        noise = (
            max(MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values)))), least) if len(values) else least
        )
        number = known.sum(axis=1)
        sums = np.where(known, np.clip(samples, -_HELD * noise, _HELD * noise), 0.0).sum(axis=1)
        scaled = sums[number >= _BLOCK // 2] / np.sqrt(number[number >= _BLOCK // 2])
        noises[half] = (noise, max(float(np.std(scaled)) if len(scaled) > _BLOCK else noise, noise))
    return noises


def _shines_all_along(inside: NDArray[np.float64]) -> bool:
    """Tell a trail, which shines all along, from a row of a few stars."""
    parts = [part[np.isfinite(part)] for part in np.array_split(inside, _PARTS)]
    levels = np.array([float(part.mean()) for part in parts if len(part)])
    if len(levels) < _PARTS / 2:
        return False
    level = float(np.nanmean(inside))
    return bool(np.mean(levels > _PART_LEVEL * level) >= _LIT_SHARE)


def _profile(lanes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean brightness of each lane above the usual lane's."""
    known = np.isfinite(lanes)
    profile = np.where(known, lanes, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(profile - np.median(profile), dtype=np.float64)


def _width(lanes: NDArray[np.float32], start: int, stop: int) -> tuple[float, float]:
    """Return the full width at half maximum of a trail along the middle lane, and the brightness of its axis."""
    profile = _profile(lanes[:, start:stop])
    peak = float(profile[_REACH - 1 : _REACH + 2].max())
    left = right = _REACH
    while left > 0 and profile[left - 1] > 0.5 * peak:
        left -= 1
    while right < len(profile) - 1 and profile[right + 1] > 0.5 * peak:
        right += 1
    return float(right - left + 1), peak


def _offsets(lanes: NDArray[np.float32], start: int, stop: int, width: float) -> tuple[float, float]:
    """Return how far beside the middle lane the trail begins and ends: a line through the centroids of its parts."""
    reach = math.ceil(width / 2) + 2
    window = np.arange(-reach, reach + 1)
    centres, weights = [], []
    for part in np.array_split(np.arange(start, stop), _SEGMENTS):
        profile = np.maximum(_profile(lanes[:, part])[_REACH - reach : _REACH + reach + 1], 0.0)
        weights.append(float(profile.sum()))
        centres.append(float((profile * window).sum() / weights[-1]) if weights[-1] > 0 else 0.0)
    where = (np.arange(_SEGMENTS) + 0.5) / _SEGMENTS
    if sum(weight > 0 for weight in weights) < _SEGMENTS // 2:
        return 0.0, 0.0
    slope, offset = np.polyfit(where, centres, 1, w=np.sqrt(weights))
    return float(np.clip(offset, -reach, reach)), float(np.clip(offset + slope, -reach, reach))


def _normal(line: tuple[float, ...]) -> tuple[float, float]:
    x1, y1, x2, y2 = line
    length = max(math.hypot(x2 - x1, y2 - y1), 1e-9)
    return -(y2 - y1) / length, (x2 - x1) / length


def _part(line: tuple[float, float, float, float], start: int, stop: int) -> tuple[float, float, float, float]:
    """Return the end points of samples `start` to `stop` of a line sampled at whole steps."""
    x1, y1, x2, y2 = line
    number = max(2, round(math.hypot(x2 - x1, y2 - y1)))
    dx, dy = (x2 - x1) / number, (y2 - y1) / number
    return x1 + start * dx, y1 + start * dy, x1 + stop * dx, y1 + stop * dy


def _extended(x1: float, y1: float, x2: float, y2: float, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Lengthen a line to the borders of the image: a proposal may be only a part of the trail."""
    dx, dy = x2 - x1, y2 - y1
    spans = [
        sorted(((0 - origin) / step, (size - 1 - origin) / step))
        for origin, step, size in ((x1, dx, shape[1]), (y1, dy, shape[0]))
        if abs(step) > 1e-9
    ]
    first = max((span[0] for span in spans), default=0.0)
    last = min((span[1] for span in spans), default=1.0)
    return x1 + first * dx, y1 + first * dy, x1 + last * dx, y1 + last * dy


def _is_spike(
    contrast: NDArray[np.float64],
    line: tuple[float, ...],
    start: int,
    stop: int,
    bright_stars: NDArray[np.float64],
) -> bool:
    """Tell a diffraction spike: it begins at a bright star and fades away from it, where a trail shines evenly."""
    x1, y1, x2, y2 = line
    length = math.hypot(x2 - x1, y2 - y1)
    along_x, along_y = (x2 - x1) / length, (y2 - y1) / length
    dx, dy = bright_stars[:, 0] - x1, bright_stars[:, 1] - y1
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


def _without_stars(
    contrast: NDArray[np.float64], line: tuple[float, ...], bright_stars: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the contrast along a line without what may be spikes of the brightest stars on it."""
    x1, y1, x2, y2 = line
    length = math.hypot(x2 - x1, y2 - y1)
    along_x, along_y = (x2 - x1) / length, (y2 - y1) / length
    left = contrast.copy()
    for x, y, radius in bright_stars[:_SPIKED_STARS]:
        aside = abs((y - y1) * along_x - (x - x1) * along_y)
        if aside < max(_SPIKE_OFFSET_PX, _CORE_SHARE * radius):
            place = (x - x1) * along_x + (y - y1) * along_y
            reach = max(_SPIKE_PX, min(_SPIKE_PER_AREA * radius**2, _SPIKE_SHARE * length))
            left[max(0, int(place - reach)) : max(0, int(place + reach))] = np.nan
    return left


def _is_part_of(trail: _Trail, other: _Trail) -> bool:
    """Tell whether a trail is another one seen again: along it, or a much weaker one leaning against it."""
    if _along(trail.x1, trail.y1, trail.x2, trail.y2, trail.width / 2, other):
        return True
    turn = math.atan2(trail.y2 - trail.y1, trail.x2 - trail.x1) - math.atan2(other.y2 - other.y1, other.x2 - other.x1)
    leaning = _angle_between(turn) < _LEANING_DEG
    x, y = (trail.x1 + trail.x2) / 2, (trail.y1 + trail.y2) / 2
    weaker = trail.significance < _WEAKER * other.significance
    return leaning and weaker and _along(x, y, x, y, trail.width, other)


def _angle_between(turn: float) -> float:
    """Return the angle in degrees, 0 to 90, between lines whose directions differ by `turn` in radians; NaN for NaN."""
    return math.degrees(abs((turn + math.pi / 2) % math.pi - math.pi / 2))


def _along(x1: float, y1: float, x2: float, y2: float, margin: float, trail: _Trail) -> bool:
    """Tell whether a line runs along a trail already found: both ends at most `margin` further off."""
    length = max(trail.length, 1e-6)
    normal_x, normal_y = (trail.y1 - trail.y2) / length, (trail.x2 - trail.x1) / length
    reach = 3 + trail.width + margin
    return all(abs((x - trail.x1) * normal_x + (y - trail.y1) * normal_y) < reach for x, y in ((x1, y1), (x2, y2)))


def _is_of_the_sky(trail: _Trail, search: SearchImage) -> bool:
    """Tell a trail from nebulae, which are broad for their length, from trailed stars and from what a camera draws.

    What is much wider than the stars must be long all the more. Trailed stars are short and lie along all the others.
    A camera's lines (bleeding columns, banding, the borders of the sensor) run exactly along rows or columns.
    """
    slender = _SLENDER if trail.width <= max(_PLAIN_WIDTH * search.star_fwhm, 3.0) else _WIDE_SLENDER
    if trail.length < slender * trail.width:
        return False
    turn = math.atan2(trail.y2 - trail.y1, trail.x2 - trail.x1) - search.star_angle
    if _angle_between(turn) < _LEANING_DEG and trail.length < _STAR_TRAIL_FWHM * search.star_fwhm:
        return False
    leaves_by = _ALIGNED_PX if trail.significance > _PLAIN_SIGMA else max(_ALIGNED_PX, _ALIGNED * trail.length)
    if min(abs(trail.x2 - trail.x1), abs(trail.y2 - trail.y1)) <= leaves_by:
        return False
    height, width = search.values.shape
    for ends, side in (((trail.x1, trail.x2), width), ((trail.y1, trail.y2), height)):
        margin = max(8.0, 4 * BORDER * side)
        if max(ends) < margin or min(ends) > side - 1 - margin:
            return False
    return True


def _in_full_frame(trail: _Trail, search: SearchImage) -> Streak:
    """Scale a trail to pixels of the frame; pixel centres lie at whole numbers in both."""
    x1, y1, x2, y2 = ((value + 0.5) * search.binning - 0.5 for value in (trail.x1, trail.y1, trail.x2, trail.y2))
    return Streak(
        significance=trail.significance,
        x1_px=x1,
        y1_px=y1,
        x2_px=x2,
        y2_px=y2,
        width_px=trail.width * search.binning,
        brightness_adu=trail.brightness * search.noise_adu,
    )
