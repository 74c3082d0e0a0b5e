"""Whether there is a trail along a line, and how surely: measured on strips against the strips beside them."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.cross_section import cross_section, is_sharp
from nebulift.scoring.proposals import FILAMENTS, Line
from nebulift.scoring.robust import MAD_TO_SIGMA, median
from nebulift.scoring.search_image import SearchImage
from nebulift.scoring.spikes_on_lines import comes_from_outside, is_spike, runs_with, spiked_stars, without_stars
from nebulift.scoring.strips import BESIDE, CLIP_HIGH, best_ends, contrast_of, extent, lanes_along, strip_means
from nebulift.scoring.trail import Ends, Trail, extended, normal, part
from nebulift.scoring.trail_shape import axis_offsets, goes_on_bent, is_spindle, width_and_brightness

StripNoise = dict[tuple[bool, int], tuple[float, float]]

# All in pixels of the search image and in units of its noise.
_SHORTEST_PX = 16
_REACH = 67  # lanes looked at on either side
_REACHES = (2.0, 2.0, 1.0)  # within which the ends of a line are looked for, round by round
_BENT_PX, _BENT_WIDTHS, _BENT_ERRORS = 0.6, 0.25, 15.0  # sagitta from which on a line is a filament
_STRAIGHT_SHARE = 0.6  # of a line: no filament is straight for so long
_LIKE_FAINT_STARS = 1.2
# Where a frame is full of filaments, a line must be as long as this share of the shorter side, for pieces of filaments
# may be straight, and hardly wider than stars if it is faint.
_STRAIGHT_AMONG_FILAMENTS = 0.75
_SLIM_FWHM, _SLIM_PX, _PLAIN_SIGMA = 1.5, 3.0, 20.0
_HALF_WIDTHS = (1, 3, 7)  # of strips: 3, 7 and 15 lanes
_PARTS = 12
_LIT_SHARE = 0.75  # of the parts of a trail; some pass behind stars
_PART_LEVEL = 0.3  # of the trail's brightness
_HELD = 2.5  # sigma of a sample beyond which it counts no more
_BLOCK, _LONG_BLOCK = 8, 32  # samples along a strip
_LONG_PX, _PENALTY = 120, 1.5  # sigma for each halving of the length below it
_ALONG_SPIKES_DEG, _SHARE_ALONG_SPIKES = 2.5, 0.6
_RIDGE_SHARE = 0.47  # of a line's light; trails in focus have up to 0.43 of it in the structure
_OUTSTANDING = 4.0  # sigma of a sum
_LEAST_NOISE = 0.5  # of the contrast of a strip of three lanes, whose pixels have unit noise


def verify(search: SearchImage, line: Line, noises: StripNoise, sigma: float) -> Trail | None:
    """Measure a proposed line along its whole course; None below `sigma` or where the light is not that of a line.

    What lies along a line but has the shape of a galaxy or of a filament is returned as an object.
    """
    image, faint = search.values, search.masks[line.without_faint]
    # A proposal knows its ends to some pixels: look around for the best place, and again as its extent gets known.
    ends: Ends = best_ends(
        image, faint, line.x1, line.y1, line.x2, line.y2, line.precision + 1.0, max(1.0, line.precision / 3), 300
    )
    for reach in _REACHES:
        full = extended(*ends, image.shape)
        contrast = contrast_of(_strips(image, faint, full, 1, 5))
        start, stop = extent(contrast[5])
        if stop - start < _SHORTEST_PX or _at_most(contrast[5, start:stop], noises[line.without_faint, 1][1]) < sigma:
            return None
        ends = best_ends(image, faint, *part(full, start, stop), reach, 0.5, 800)
    full = extended(*ends, image.shape)
    lanes = {without_faint: lanes_along(image, masked, *full, _REACH) for without_faint, masked in search.masks.items()}
    best: tuple[float, int, int, int, bool, NDArray[np.float64]] | None = None
    for without_faint, half in noises:
        contrast = contrast_of(strip_means(lanes[without_faint], half, 2 * half + 1))
        start, stop = extent(contrast[len(contrast) // 2])
        significance = _significance(contrast, start, stop, *noises[without_faint, half])
        # A wider strip must do better, not merely as well: it holds more that is not the trail.
        if best is None or significance > (1.15 if half > best[3] else 1.0) * best[0]:
            best = (significance, start, stop, half, without_faint, contrast)
    assert best is not None
    significance, start, stop, half, without_faint, contrast = best
    if runs_with(full, search.spike_angles, _ALONG_SPIKES_DEG):
        significance *= _SHARE_ALONG_SPIKES  # spikes of many stars may lie on one line
    middle = contrast[len(contrast) // 2]
    if significance < sigma or not _shines_all_along(middle[start:stop]):
        return None
    width, middle_lane, brightness = width_and_brightness(lanes[False], start, stop)
    shining = part(full, start, stop)
    section = cross_section(image, shining)
    sharp = is_sharp(section, search.star_fwhm)
    sharp_width = section.width if sharp else math.nan
    # What is as bright as faint stars is taken for such.
    unmasked, axis_lanes = image, lanes[brightness < _LIKE_FAINT_STARS]
    if sharp:
        # Cut off where other lines are, its glow would count as much as its axis, and its faint ends as the rest.
        unmasked = image * np.float32(CLIP_HIGH / section.peak)
        axis_lanes = lanes_along(unmasked, search.masks[False], *full, _REACH)
    first, last, bend = axis_offsets(axis_lanes, start, stop, width, middle_lane)
    error = math.sqrt(width / max(stop - start, 1)) / max(brightness, _HELD / _REACH)
    everything = lanes_along(unmasked, np.zeros_like(faint), *full, _REACH)
    is_short = stop - start < _STRAIGHT_SHARE * lanes[False].shape[1]
    if (
        abs(bend) > max(_BENT_PX, _BENT_WIDTHS * width, _BENT_ERRORS * error)
        or (is_short and goes_on_bent(everything, start, stop, brightness))
        or is_spindle(image, shining, width, search.star_fwhm)
        or (search.winding_share > FILAMENTS and _is_filament(search, stop - start, width, significance))
    ):
        return Trail(significance, *shining, width, brightness, is_object=True, sharp_width=sharp_width)
    stars = spiked_stars(full, search.bright_stars, search.spike_angles)
    spike = comes_from_outside(shining, middle[start:stop], image.shape, search.angles_of_each)
    spike = spike or is_spike(middle, full, start, stop, stars[stars[:, 2] > 0])
    if len(stars) and not spike:
        contrast[len(contrast) // 2] = without_stars(middle, full, stars)
        spike = _significance(contrast, start, stop, *noises[without_faint, half]) < sigma
    normal_x, normal_y = normal(full)
    x1, y1, x2, y2 = shining
    return Trail(
        significance=significance,
        x1=x1 + first * normal_x,
        y1=y1 + first * normal_y,
        x2=x2 + last * normal_x,
        y2=y2 + last * normal_y,
        width=width,
        brightness=brightness,
        is_spike=spike,
        sharp_width=sharp_width,
    )


def _is_filament(search: SearchImage, length: int, width: float, significance: float) -> bool:
    """Tell what may be a piece of a filament where there are many: it is short, or broad and faint."""
    is_broad = width > max(_SLIM_FWHM * search.star_fwhm, _SLIM_PX)
    return (is_broad and significance < _PLAIN_SIGMA) or length < _STRAIGHT_AMONG_FILAMENTS * min(search.values.shape)


def is_ridge(search: SearchImage, trail: Trail) -> bool:
    """Tell a short ridge of a nebula or a galaxy from a trail: most of its light is in the structure of the sky.

    What is bright or long is no ridge: there the structure may be that of a wide trail.
    """
    if trail.significance > _PLAIN_SIGMA or trail.length > _STRAIGHT_SHARE * min(search.values.shape):
        return False
    line = (trail.x1, trail.y1, trail.x2, trail.y2)
    lanes = lanes_along(search.structure, np.zeros_like(search.masked), *line, 1)
    return float(np.nanmean(lanes)) > _RIDGE_SHARE * trail.brightness


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
    of its plain mean to do. `noise` and `correlated` come from `strip_noise`.
    """
    middle = len(contrast) // 2
    inside = contrast[middle, start:stop]
    inside = inside[np.isfinite(inside)]
    fewest = max(12.0, 0.12 * (stop - start))
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


def strip_noise(search: SearchImage) -> StripNoise:
    """Return, with and without faint stars and by half-width, the noise of strips.

    It is that of one sample of a strip's contrast, and what it is worth in sums along strips. Neighbouring samples
    share the light of a star and the smoothing of a colour mosaic, so sums scatter by more. It is the same all over the
    search image, and is measured on lines of several directions.
    """
    height, width = search.values.shape
    reach = 0.45 * min(height, width)
    noises: StripNoise = {}
    lines = []
    for angle in np.radians([10, 55, 100, 145]):
        dx, dy = reach * math.cos(angle), reach * math.sin(angle)
        lines.append((width / 2 - dx, height / 2 - dy, width / 2 + dx, height / 2 + dy))
    lanes = {}
    for without_faint in (True, False):
        masked = search.masks[without_faint] | search.trails
        lanes[without_faint] = [lanes_along(search.values, masked, *line, _REACH) for line in lines]
    for without_faint, half in product((True, False), _HALF_WIDTHS):
        rows = []
        for along in lanes[without_faint]:
            contrast = contrast_of(strip_means(along, half, 2 * half + 1))
            # In blocks, for lines of one length may differ by a sample.
            rows.append(contrast[:, : contrast.shape[1] // _LONG_BLOCK * _LONG_BLOCK].reshape(-1, _LONG_BLOCK))
        samples = np.concatenate(rows)
        values = samples[np.isfinite(samples)]
        # Whole numbers may hide all noise.
        least = _LEAST_NOISE * math.sqrt(3 / (2 * half + 1))
        noise = max(MAD_TO_SIGMA * median(np.abs(values - median(values))), least) if len(values) else least
        correlated = max(_noise_of_sums(samples, block, noise) for block in (_BLOCK, _LONG_BLOCK))
        noises[without_faint, half] = (noise, max(correlated, noise))
    return noises


def _noise_of_sums(samples: NDArray[np.float64], block: int, noise: float) -> float:
    """Return what one sample's noise is worth in sums over `block` samples along strips (pieces, n); 0: not known."""
    blocks = samples.reshape(-1, block)
    known = np.isfinite(blocks)
    number = known.sum(axis=1)
    sums = np.where(known, np.clip(blocks, -_HELD * noise, _HELD * noise), 0.0).sum(axis=1)
    scaled = sums[number >= block // 2] / np.sqrt(number[number >= block // 2])
    if len(scaled) <= _BLOCK:
        return 0.0
    # A bright trail across them is no noise.
    middle = median(scaled)
    most = _OUTSTANDING * MAD_TO_SIGMA * median(np.abs(scaled - middle))
    return float(np.std(np.clip(scaled, middle - most, middle + most)))


def _shines_all_along(inside: NDArray[np.float64]) -> bool:
    """Tell a trail, which shines all along, from a row of a few stars."""
    parts = [part[np.isfinite(part)] for part in np.array_split(inside, _PARTS)]
    levels = np.array([float(part.mean()) for part in parts if len(part)])
    if len(levels) < _PARTS / 2:
        return False
    level = float(np.nanmean(inside))
    return bool(np.mean(levels > _PART_LEVEL * level) >= _LIT_SHARE)
