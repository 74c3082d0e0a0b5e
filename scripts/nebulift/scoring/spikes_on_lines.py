"""Lines that are spikes of bright stars, by where they begin and how they fade."""

import math

import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.pieces import COMPACT_PX
from nebulift.scoring.trail import angle_between

# All in pixels of the search image.
_SPIKE_OFFSET_PX = 3.0
_SPIKE_TURN_DEG, _BRIGHTEST = 4.0, 3
_OUTSIDE_SHARE, _BORDER_SHARE = 0.45, 0.03  # of the shorter side
# The brightest ones, how far their spikes reach at least and by the star's area, what of its radius is its centre.
_SPIKED_STARS, _SPIKE_PX, _SPIKE_PER_AREA, _CORE_SHARE = 30, 75, 2.0, 0.7
_SPIKE_SHARE = 0.25
_SPIKE_FADING, _ONE_SIDED_FADING = 1.5, 2.0


def spiked_stars(
    line: tuple[float, ...], bright_stars: NDArray[np.float64], spike_angles: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return those of the bright stars (n, 4), brightest first, of which a line may be a spike.

    `spike_angles` in radians are those of the frame's stars (None: not known). Spikes of the very brightest star are
    seen where no other shows any.
    """
    if spike_angles is None or runs_with(line, spike_angles, _SPIKE_TURN_DEG):
        return bright_stars
    return bright_stars[:_BRIGHTEST]


def comes_from_outside(
    line: tuple[float, ...],
    light: NDArray[np.float64],
    shape: tuple[int, ...],
    spike_angles: NDArray[np.float64],
) -> bool:
    """Tell the spike of a star beyond the border: it runs as a bright star's do, begins at the border, and fades soon.

    `light` (n,) is that along the line; NaN where it is not known.
    """
    x1, y1, x2, y2 = line
    if math.hypot(x2 - x1, y2 - y1) > _OUTSIDE_SHARE * min(shape):
        return False
    margin = _BORDER_SHARE * min(shape)
    begins, ends = (min(x, y, shape[1] - 1 - x, shape[0] - 1 - y) for x, y in ((x1, y1), (x2, y2)))
    outwards = light if begins < ends else light[::-1]
    inner, outer = (float(np.nanmean(part)) if np.isfinite(part).any() else 0.0 for part in np.array_split(outwards, 2))
    return (
        min(begins, ends) < margin and inner > _SPIKE_FADING * outer and runs_with(line, spike_angles, _SPIKE_TURN_DEG)
    )


def runs_with(line: tuple[float, ...], spike_angles: NDArray[np.float64] | None, turn_deg: float) -> bool:
    """Tell whether a line runs as the spikes of the frame's stars do, within `turn_deg`; no where none are known."""
    if spike_angles is None:
        return False
    turns = spike_angles - math.atan2(line[3] - line[1], line[2] - line[0])
    return any(angle_between(turn) < turn_deg for turn in turns.tolist())


def is_spike(
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


def without_stars(
    contrast: NDArray[np.float64], line: tuple[float, ...], bright_stars: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the contrast along a line without what may be spikes of the brightest stars on it."""
    x1, y1, x2, y2 = line
    length = math.hypot(x2 - x1, y2 - y1)
    along_x, along_y = (x2 - x1) / length, (y2 - y1) / length
    left = contrast.copy()
    for x, y, radius, _ in bright_stars[:_SPIKED_STARS]:
        aside = abs((y - y1) * along_x - (x - x1) * along_y)
        if aside < max(_SPIKE_OFFSET_PX, _CORE_SHARE * radius):
            place = (x - x1) * along_x + (y - y1) * along_y
            reach = max(_SPIKE_PX, min(_SPIKE_PER_AREA * radius**2, _SPIKE_SHARE * length))
            left[max(0, int(place - reach)) : max(0, int(place + reach))] = np.nan
    return left
