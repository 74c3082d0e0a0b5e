"""How bright the stars of a clear frame would be: the group's clear level, lowered by the air's extinction."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A third of a night may be all that is clear: the clear level is where these best frames are.
_CLEAR_QUANTILE = 0.85
_SAME_LEVEL = 0.03
# Magnitudes per airmass: from a dry mountain's red light to the blue of a hazy plain; 0.2 is usual.
_SLOPES = np.arange(0.05, 0.61, 0.025)
_USUAL_SLOPE, _SLOPE_SCATTER = 0.2, 0.15
# Without an airmass: a parabola in time, as a target's airmass nearly is. Magnitudes per square hour.
_CURVATURES = np.array([0.002, 0.004, 0.008, 0.012])
_STEEPEST = 0.12  # magnitudes per hour: what fades faster is a cloud
# Stars out of focus lose their wide wings, so that more of their light falls into the aperture that grows with them.
_GAINS = (0.0, 0.03, 0.06, 0.09)
_GAIN_SCATTER = 0.05
# In a nebula it gathers what shines beside the star too: powers of the FWHM, and what speaks against each, in frames.
_POWERS = ((0.4, 1.5), (0.8, 2.0), (1.2, 2.5))
_WIDEST = 1.5  # times as wide as the sharp frames, beyond which no more is gathered
_SHARP_QUANTILE = 0.15
_WIDTH = 0.02
_MAGNITUDE = 0.4 * np.log(10)


def clear_level(transparency: Array, airmass: Array, hours: Array, fwhm_px: Array) -> Array:
    """Return what `transparency` (n, in any common unit, NaN for unknown) each frame would have if it were clear.

    `airmass` and `hours` (n, NaN for unknown) say how much air the light comes through, `fwhm_px` how wide the stars
    are. The extinction is that which puts most frames at the clear level, within what air can do: a veil that comes
    quicker is not explained away.
    """
    with np.errstate(all="ignore"):
        light = np.log(np.where(transparency > 0, transparency, np.nan))
    known = np.isfinite(light)
    if not known.any():
        return np.full(len(light), np.nan)
    best, best_support = np.zeros(len(light)), -np.inf
    for (air, unusual_air), (gain, unusual_gain) in itertools.product(
        list(_candidates(airmass, hours, known)), _aperture_gains(fwhm_px)
    ):
        dimming, prior = air - gain, unusual_air + unusual_gain
        flattened = light[known] + dimming[known]
        top = float(np.quantile(flattened, _CLEAR_QUANTILE))
        # How many frames agree, each within a narrow range of the clear level.
        support = float(np.exp(-0.5 * ((flattened - top) / _WIDTH) ** 2).sum()) - prior
        if support > best_support + 1e-9:
            best, best_support = dimming, support
    flattened = light[known] + best[known]
    top = float(np.quantile(flattened, _CLEAR_QUANTILE))
    same = flattened[np.abs(flattened - top) <= _SAME_LEVEL]
    # Of few frames the quantile may lie between two, and far from both.
    level = float(np.median(same)) if len(same) else top
    return np.asarray(np.exp(level - best))


def _aperture_gains(fwhm_px: Array) -> list[tuple[Array, float]]:
    """Return what apertures may gain in frames with wide stars (n, natural logarithms), with what speaks against it."""
    if not np.isfinite(fwhm_px).any():
        return [(np.zeros(len(fwhm_px)), 0.0)]
    sharp = float(np.nanquantile(fwhm_px, _SHARP_QUANTILE))
    wider = np.nan_to_num(1 - np.minimum(sharp / fwhm_px, 1) ** 2)
    width = np.log(np.clip(np.nan_to_num(fwhm_px / sharp, nan=1.0), 1 / _WIDEST, _WIDEST))
    return [
        *((gain * wider, 0.5 * (gain / _GAIN_SCATTER) ** 2) for gain in _GAINS),
        *((power * width, unusual) for power, unusual in _POWERS),
    ]


def _candidates(airmass: Array, hours: Array, known: NDArray[np.bool_]) -> Iterator[tuple[Array, float]]:
    """Give the possible extinctions (n, natural logarithms) with what speaks against each, in frames."""
    if np.isfinite(airmass[known]).all():
        thickness = np.where(np.isfinite(airmass), airmass, np.nanmedian(airmass[known]))
        for slope in sorted(_SLOPES, key=lambda slope: abs(slope - _USUAL_SLOPE)):
            yield _MAGNITUDE * slope * thickness, 0.5 * ((slope - _USUAL_SLOPE) / _SLOPE_SCATTER) ** 2
        return
    yield np.zeros(len(hours)), 0.0
    if not np.isfinite(hours[known]).all():
        return
    time = np.where(np.isfinite(hours), hours, np.nanmedian(hours[known]))
    first, last = time[known].min(), time[known].max()
    for culmination in np.arange(first - 6, last + 6.01, 0.5):
        furthest = max(abs(first - culmination), abs(last - culmination))
        for curvature in _CURVATURES:
            if 2 * curvature * furthest <= _STEEPEST:
                yield _MAGNITUDE * curvature * (time - culmination) ** 2, 1.0
