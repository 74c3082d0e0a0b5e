"""Width, brightness and ends of a trail, from the lanes along it."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.cross_section import cross_section, is_too_thin_for_a_galaxy

_SEGMENTS = 6  # of a trail, through whose middles its axis is drawn
# Of what goes on beyond the end of a trail: where it is looked for, and how bright it is at least.
_GAP_PX, _BEYOND_PX, _CONTROL_PX = 4, 20, 40
_SPINDLE_PX, _SPINDLE_SHARE = 150, 0.6
_LONG_SPINDLE_SHARE, _WIDE_FWHM = 0.4, 1.5  # of the shorter side; a longer one is wider than the stars by so much
_GOES_ON, _BEYOND_SIGMA = 0.4, 3.5
_COVERED, _CONTROL_SHARE = 0.85, 0.7  # of the samples beyond; where stars are as crowded, they tell nothing


def _profile(lanes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean brightness of each lane above the usual lane's."""
    known = np.isfinite(lanes)
    profile = np.where(known, lanes, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(profile - np.median(profile), dtype=np.float64)


def width_and_brightness(lanes: NDArray[np.float32], start: int, stop: int) -> tuple[float, float, float]:
    """Return a trail's full width at half maximum, how far beside the middle lane it lies, and its brightness there."""
    profile = _profile(lanes[:, start:stop])
    middle = len(profile) // 2
    peak = float(profile[middle - 1 : middle + 2].max())
    left = right = middle
    while left > 0 and profile[left - 1] > 0.5 * peak:
        left -= 1
    while right < len(profile) - 1 and profile[right + 1] > 0.5 * peak:
        right += 1
    return float(right - left + 1), (left + right) / 2 - middle, peak


def axis_offsets(
    lanes: NDArray[np.float32], start: int, stop: int, width: float, aside: float
) -> tuple[float, float, float]:
    """Return how far beside the middle lane a trail begins and ends, and its sagitta: how far it bends from a line.

    All in lanes, from the centroids of its parts about `aside` of the middle lane; no bend where there are too few.
    """
    reach = math.ceil(width / 2) + 2
    shift = round(aside)
    middle = min(max(len(lanes) // 2 + shift, reach), len(lanes) - 1 - reach)
    shift = middle - len(lanes) // 2
    window = np.arange(-reach, reach + 1)
    centres, weights = np.zeros(_SEGMENTS), np.zeros(_SEGMENTS)
    for index, samples in enumerate(np.array_split(np.arange(start, stop), _SEGMENTS)):
        profile = np.maximum(_profile(lanes[:, samples])[middle - reach : middle + reach + 1], 0.0)
        weights[index] = float(profile.sum())
        centres[index] = float((profile * window).sum() / weights[index]) if weights[index] > 0 else 0.0
    where = (np.arange(_SEGMENTS) + 0.5) / _SEGMENTS
    if np.count_nonzero(weights) < _SEGMENTS // 2:
        return aside, aside, 0.0
    slope, offset = np.polyfit(where, centres, 1, w=np.sqrt(weights))
    bend = float(np.polyfit(where, centres, 2, w=np.sqrt(weights))[0]) / 4
    first, last = (float(np.clip(value, -reach, reach)) + shift for value in (offset, offset + slope))
    return first, last, bend


def is_spindle(
    image: NDArray[np.float32], ends: tuple[float, float, float, float], width: float, star_fwhm: float
) -> bool:
    """Tell a galaxy seen from its edge: short, and brightest in the middle by far. A trail is as bright all along.

    A meteor rises and fades as well, but is no wider than stars, unless it is far out of focus as they are, and a
    bright one is longer than a galaxy of its width.
    """
    x1, y1, x2, y2 = ends
    length = math.hypot(x2 - x1, y2 - y1)
    wide = width > max(_WIDE_FWHM * star_fwhm, 3.0)
    if not 0 < length < (max(_LONG_SPINDLE_SHARE * min(image.shape), _SPINDLE_PX) if wide else _SPINDLE_PX):
        return False
    share = (np.arange(round(length)) + 0.5) / round(length)
    along = []
    for aside in (-1, 0, 1):
        x = x1 + share * (x2 - x1) - aside * (y2 - y1) / length
        y = y1 + share * (y2 - y1) + aside * (x2 - x1) / length
        column = np.clip(np.rint(x).astype(int), 0, image.shape[1] - 1)
        row = np.clip(np.rint(y).astype(int), 0, image.shape[0] - 1)
        along.append(image[row, column])
    parts = [float(np.median(part)) for part in np.array_split(np.mean(along, axis=0), 5)]
    if max(parts[0], parts[4]) >= _SPINDLE_SHARE * max(parts[1:4]):
        return False
    return not is_too_thin_for_a_galaxy(cross_section(image, ends), length, star_fwhm)


def goes_on_bent(lanes: NDArray[np.float32], start: int, stop: int, level: float) -> bool:
    """Tell a filament, which goes on beside the line where a trail along it has ended.

    `lanes` (lanes, n) hold all pixels, in units of their noise, also those of stars; `level` is the trail's brightness.
    """
    middle = len(lanes) // 2
    smooth = cv2.blur(np.nan_to_num(lanes), (3, 3))
    limit = max(_GOES_ON * level, _BEYOND_SIGMA / 3)
    for end, step in ((start, -1), (stop - 1, 1)):
        beyond = end + step * np.arange(_GAP_PX, _GAP_PX + _BEYOND_PX)
        if beyond.min() < 0 or beyond.max() >= lanes.shape[1]:
            continue
        # The further out, the further aside.
        shares = []
        for aside in (0, -_CONTROL_PX, _CONTROL_PX):
            lit = [
                smooth[middle + aside - reach : middle + aside + reach + 1, sample].max() > limit
                for sample, reach in zip(beyond.tolist(), range(3, 3 + _BEYOND_PX), strict=True)
            ]
            shares.append(float(np.mean(lit)))
        if shares[0] > _COVERED and max(shares[1:]) < _CONTROL_SHARE:
            return True
    return False
