"""How sharp a bright line is across, from its unclipped light: as the stars are, or softer as galaxies and nebulae."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.trail import Ends, normal

# In pixels of the search image and in units of its noise.
_STEP_PX, _REACH_PX, _ASIDE_PX = 0.25, 20.0, 4.0
_PART_PX, _MOST_PARTS = 8, 8
_AXIS_PX, _LIT_PX, _LIT, _LIT_SHARE = 1.0, 4, 0.1, 0.6
_BRIGHTER_PARTS, _SOFTER_SHARE = 0.3, 0.7
_PIXEL_FWHM2 = 1.4  # a pixel's own width and that of going between pixels, as FWHM, squared
_GAUSSIAN = 0.414  # by which a Gaussian is wider at a quarter of its peak than at half, of the latter
_BRIGHT_SIGMA, _SHARP_FWHM = 8.0, (0.6, 1.5)
_FLATTEST = 40.0  # so many times longer than wide are the flattest galaxies at most, as far out as they are seen


class CrossSection(NamedTuple):
    """Across a line: `peak` in sigma, `width` at half of it, and the FWHM in pixels that its `edge` alone tells.

    `lit` is the share of the line that has more than a tenth of the peak: less of a few stars in a row than of a trail.
    For a Gaussian both are the same. What is saturated or has an even width of its own keeps the edge of a star; an
    exponential, as galaxies are, has a softer edge than its width.
    """

    width: float
    edge: float
    peak: float
    lit: float


def cross_section(image: NDArray[np.float32], ends: Ends) -> CrossSection:
    """Return the cross-section of the brighter parts of a line, rather that of the softer ones among these."""
    x1, y1, x2, y2 = ends
    number = max(_PART_PX, round(math.hypot(x2 - x1, y2 - y1)))
    share = (np.arange(number) + 0.5) / number
    aside = np.arange(-_REACH_PX, _REACH_PX + _STEP_PX, _STEP_PX)[:, None]
    normal_x, normal_y = normal(ends)
    x, y = x1 + share * (x2 - x1) + aside * normal_x, y1 + share * (y2 - y1) + aside * normal_y
    values = cv2.remap(
        image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    parts = np.array_split(np.asarray(values), min(_MOST_PARTS, number // _PART_PX), axis=1)
    sections = np.array([_of_part(np.median(part, axis=1)) for part in parts])
    sections = sections[sections[:, 2] > _BRIGHTER_PARTS * sections[:, 2].max()]
    if not len(sections):
        return CrossSection(0.0, 0.0, 0.0, 0.0)
    width, edge = np.quantile(sections[:, :2], _SOFTER_SHARE, axis=0)
    peak = float(np.median(sections[:, 2]))
    axis = np.asarray(values)[np.abs(aside[:, 0]) <= _AXIS_PX].max(axis=0)
    lit = [float(np.median(few)) > _LIT * peak for few in np.array_split(axis, number // _LIT_PX)]
    return CrossSection(float(width), float(edge), peak, float(np.mean(lit)))


def is_sharp(section: CrossSection, star_fwhm: float) -> bool:
    """Tell what a point of light has drawn: bright, and with edges as sharp as those of the stars.

    Sharper is what the camera alone makes: bleeding columns.
    """
    sharpest, softest = (factor * _seen_fwhm(star_fwhm) for factor in _SHARP_FWHM)
    return section.peak > _BRIGHT_SIGMA and sharpest < section.edge < softest and section.lit > _LIT_SHARE


def is_too_thin_for_a_galaxy(section: CrossSection, length: float, star_fwhm: float) -> bool:
    """Tell what is bright and longer than a galaxy of its width can be; stars of `star_fwhm` pixels have none."""
    seen = _seen_fwhm(star_fwhm)
    own_width = math.sqrt(max(section.width**2 - seen**2, (0.1 * seen) ** 2))
    return section.peak > _BRIGHT_SIGMA and length > _FLATTEST * own_width


def _seen_fwhm(star_fwhm: float) -> float:
    """Return the FWHM of a line as thin as the stars where it is measured."""
    return math.sqrt(star_fwhm**2 + _PIXEL_FWHM2)


def _of_part(profile: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return width, edge and peak of a profile across a line, in its middle."""
    outer = len(profile) // 8
    profile = profile - np.median(np.concatenate([profile[:outer], profile[-outer:]]))
    middle, near = len(profile) // 2, round(_ASIDE_PX / _STEP_PX)
    at = middle - near + int(np.argmax(profile[middle - near : middle + near + 1]))
    peak = float(profile[at])
    if peak <= 0:
        return 0.0, 0.0, 0.0
    half, quarter = (
        _STEP_PX * (_falls_below(profile[at:], share * peak) + _falls_below(profile[at::-1], share * peak))
        for share in (0.5, 0.25)
    )
    return half, (quarter - half) / _GAUSSIAN, peak


def _falls_below(profile: NDArray[np.float32], level: float) -> float:
    """Return after how many steps a profile, which begins above it, first falls below a level."""
    below = np.flatnonzero(profile < level)
    if not len(below):
        return float(len(profile) - 1)
    after = int(below[0])
    before, beyond = float(profile[after - 1]), float(profile[after])
    return after - 1 + (before - level) / (before - beyond)
