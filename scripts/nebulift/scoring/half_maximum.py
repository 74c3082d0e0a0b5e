"""The area in which the image of a star is above half of its peak, and how flat its top is."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nebulift.scoring.spline import value_at

Array = NDArray[np.float64]

_RAYS = 60
_PEAK_WITHIN = 0.6  # of the surface's reach
_FINER = 4  # looks for the peak per distance of the knots
_STEP = 0.25  # of the knots' distance, along a ray
_TOP = 0.8  # of the peak


@njit(cache=True)
def half_maximum_of(surface: Array, spacing: float) -> Array:
    """Return FWHM in px and the two components of the ellipticity (3,) of a star, by where it is half its peak.

    `surface` (m, m) holds coefficients of cubic B-splines with knots `spacing` px apart, the star in the middle. The
    width is that of a disc of the same area; the ellipticity is (a^2 - b^2) / (a^2 + b^2) by the area's second
    moments, as a vector of twice the position angle. NaN where the light does not fall to a half all around.
    """
    result = np.full(3, np.nan)
    end = (len(surface) - 3) / 2
    peak = 0.0
    looks = math.ceil(_PEAK_WITHIN * end * _FINER)
    for i in range(-looks, looks + 1):
        for j in range(-looks, looks + 1):
            peak = max(peak, value_at(surface, end + j / _FINER, end + i / _FINER))
    area = x = y = xx = yy = xy = 0.0
    for ray in range(_RAYS):
        cosine, sine = math.cos(2 * math.pi * ray / _RAYS), math.sin(2 * math.pi * ray / _RAYS)
        above = _falls_below(surface, peak / 2, end, cosine, sine)
        if not above > 0:
            return result
        area += above**2 / 2
        x += above**3 * cosine / 3
        y += above**3 * sine / 3
        xx += above**4 * cosine**2 / 4
        yy += above**4 * sine**2 / 4
        xy += above**4 * cosine * sine / 4
    xx, yy, xy = xx / area - (x / area) ** 2, yy / area - (y / area) ** 2, xy / area - x * y / area**2
    result[0] = 2 * math.sqrt(area * 2 / _RAYS) * spacing
    result[1], result[2] = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
    return result


@njit(cache=True)
def _falls_below(surface: Array, level: float, end: float, cosine: float, sine: float) -> float:
    """Return how far from the middle a surface falls below a level in one direction; NaN where it does not.

    The hole in the middle of a star out of focus is part of it.
    """
    radius = before = 0.0
    has_been_above = False
    while radius < end - 1e-6:
        over = value_at(surface, end + radius * cosine, end + radius * sine) - level
        if over > 0:
            has_been_above = True
        elif has_been_above:
            return float(radius - _STEP * over / (over - before))
        before = over
        radius += _STEP
    return math.nan


@njit(cache=True)
def flatness_of(surface: Array) -> float:
    """Return the radius at which a star falls below 0.8 of its peak over that at which it falls below half of it.

    `surface` is as in `half_maximum_of`. A Gaussian has 0.57, Moffat's stars (1969) 0.54 to 0.56 whatever their width;
    what lies out of focus is a disc or a ring of light and comes near to 1. By the mean profile around the star: what a
    moving mount draws out has a sharp one. NaN where the light does not fall to a half.
    """
    end = (len(surface) - 3) / 2
    steps = int((end - 1e-6) / _STEP) + 1
    profile = np.zeros(steps)
    for step in range(steps):
        for ray in range(_RAYS):
            angle = 2 * math.pi * ray / _RAYS
            x, y = step * _STEP * math.cos(angle), step * _STEP * math.sin(angle)
            profile[step] += value_at(surface, end + x, end + y) / _RAYS
    peak = profile.max()
    top = half = math.nan
    for step in range(np.argmax(profile), steps - 1):
        here, beyond = profile[step], profile[step + 1]
        for level in (_TOP * peak, peak / 2):
            if here >= level > beyond:
                radius = step + (here - level) / (here - beyond)
                if level > peak * (_TOP + 0.5) / 2:
                    top = radius if math.isnan(top) else top
                else:
                    half = radius if math.isnan(half) else half
    return float(top / half)
