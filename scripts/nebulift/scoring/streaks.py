"""Straight trails of satellites, aircraft and meteors, also below the noise of a pixel.

The frame is flattened and binned, its stars are taken away or masked; a fast Radon transform (after Nir, Zackay &
Ofek 2018) proposes lines in all directions and of partial length, and each is verified along its strip against the
strips beside it, which is robust in the way of the median Radon transform of Stark et al. (2022).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from nebulift.scoring.proposals import propose_lines
from nebulift.scoring.search_image import SearchImage
from nebulift.scoring.star_mask import BORDER
from nebulift.scoring.trail import Trail, along, angle_between, is_part_of
from nebulift.scoring.verification import is_ridge, strip_noise, verify

# All in pixels of the search image unless said otherwise.
_SLENDER, _WIDE_SLENDER = 8.0, 25.0  # a trail is so many times longer than wide
_SHARP_SLENDER = 12.0  # at half of the peak, where it is bright and sharp
_PLAIN_WIDTHS = 2.0, 3.5  # in FWHM of the stars: of a trail in focus, and of what only a trail far out of focus has
_ALIGNED_PX = 2.5  # that a line along a row or a column may leave it by,
_ALIGNED, _PLAIN_SIGMA = 0.005, 15.0  # and of the length of a faint one
_LEANING_DEG = 10.0
_STAR_TRAIL_FWHM = 10.0  # length of a star that the mount has drawn long, at most
# Of the shorter side: what the sky shows is not straight for so long; pieces of filaments in a row may seem to be.
_SURELY_STRAIGHT, _STRAIGHT_WITH_FILAMENTS = 0.6, 0.9
_FEW_FILAMENTS = 0.001  # of the pixels
_MOST_STREAKS, _MOST_DOUBTFUL = 12, 40
_WEAK, _MANY, _OTHER_DIRECTION_DEG = 12.0, 4, 3.0  # sigma; so many directions of weak lines are no chance


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
class Lines:
    """The lines of one frame, strongest first.

    `streaks` are trails. `doubtful` have the shape of galaxies or filaments, and `others` are told from trails by where
    they lie: spikes of stars, columns of the camera. Where other frames of the night show a line at the same place, one
    that was taken for a trail is none; and what is doubtful is a trail where no other frame shows it.
    """

    streaks: tuple[Streak, ...]
    doubtful: tuple[Streak, ...]
    others: tuple[Streak, ...]


def find_lines(search: SearchImage, sigma: float) -> Lines:
    """Return the lines in the search image of at least `sigma`."""
    found: list[Trail] = []
    others: list[Trail] = []
    flat = search.without_structure()
    straight = _STRAIGHT_WITH_FILAMENTS if search.winding_share > _FEW_FILAMENTS else _SURELY_STRAIGHT
    noises = (strip_noise(search), strip_noise(flat))
    for line in propose_lines(search):
        if any(along(line.x1, line.y1, line.x2, line.y2, 0.0, other) for other in found if not other.is_spike):
            continue  # one line is proposed many times over
        trail = verify(flat, line, noises[1], sigma) if line.without_faint else None
        if trail is None or trail.is_object or trail.length < straight * min(search.values.shape):
            # What is left of a galaxy or a bent filament may look like a short trail.
            without_structure, trail = trail, verify(search, line, noises[0], sigma)
            if trail is None and without_structure is not None:
                trail = replace(without_structure, is_object=True)
            elif trail is not None and is_ridge(search, trail):
                trail = replace(trail, is_object=True)
        if trail is None:
            continue
        is_trail = not trail.is_object and (trail.is_spike or _is_of_the_sky(trail, search))
        (found if is_trail else others).append(trail)
    # What is found along a spike is the spike, unless it is stronger: a trail may pass by a bright star.
    distinct = _distinct(found)
    trails = _doubted([trail for trail in distinct if not trail.is_spike], sigma)
    others = _distinct([*others, *(trail for trail in distinct if trail.is_spike)])
    doubtful = [
        line
        for line in others
        if line.is_object and _is_of_the_sky(line, search) and not any(is_part_of(line, trail) for trail in trails)
    ]
    return Lines(
        tuple(_in_full_frame(trail, search) for trail in trails if trail.significance >= sigma)[:_MOST_STREAKS],
        tuple(_in_full_frame(line, search) for line in doubtful)[:_MOST_DOUBTFUL],
        tuple(_in_full_frame(line, search) for line in others if line not in doubtful)[:_MOST_STREAKS],
    )


def _distinct(lines: list[Trail]) -> list[Trail]:
    """Return the lines, strongest first, without those that are a stronger one seen again."""
    distinct: list[Trail] = []
    for line in sorted(lines, key=lambda line: -line.significance):
        if not any(is_part_of(line, other) for other in distinct):
            distinct.append(line)
    return distinct


def _doubted(trails: list[Trail], sigma: float) -> list[Trail]:
    """Return the trails, strongest first, with less significance for weak ones where there are many in all directions.

    There the sky itself is streaky: chance alone hardly ever makes four lines of `sigma`.
    """
    weak = [trail for trail in trails if trail.significance < _WEAK]
    directions: list[float] = []
    for trail in weak:
        angle = math.atan2(trail.y2 - trail.y1, trail.x2 - trail.x1)
        if all(angle_between(angle - other) > _OTHER_DIRECTION_DEG for other in directions):
            directions.append(angle)
    if len(directions) < _MANY:
        return trails
    usual = float(np.median([trail.significance for trail in weak]))
    strong = [trail for trail in trails if trail.significance >= _WEAK]
    return strong + [replace(trail, significance=trail.significance * sigma / usual) for trail in weak]


def _is_of_the_sky(trail: Trail, search: SearchImage) -> bool:
    """Tell a trail from nebulae, which are broad for their length, from trailed stars and from what a camera draws.

    What is much wider than the stars must be long all the more, unless its edges are as sharp as theirs. Trailed stars
    are short and lie along all the others.
    A camera's lines (bleeding columns, banding, the borders of the sensor) run exactly along rows or columns.
    """
    widths = [max(width * search.star_fwhm, 3.0) for width in _PLAIN_WIDTHS]
    slender = float(np.interp(trail.width, widths, (_SLENDER, _WIDE_SLENDER)))
    is_slender = trail.length >= slender * trail.width or trail.length >= _SHARP_SLENDER * trail.sharp_width
    if not is_slender:
        return False
    turn = math.atan2(trail.y2 - trail.y1, trail.x2 - trail.x1) - search.star_angle
    if angle_between(turn) < _LEANING_DEG and trail.length < _STAR_TRAIL_FWHM * search.star_fwhm:
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


def _in_full_frame(trail: Trail, search: SearchImage) -> Streak:
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
