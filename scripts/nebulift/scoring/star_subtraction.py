"""Taking the stars away: each as bright, and where, as it fits best, by the profile that the frame's own stars show.

After DAOPHOT's groups fitted together (Stetson 1987) and the effective PSF, which holds the pixels' own width (Anderson
& King 2000); here with one profile for the whole frame, round or elongated as the median star is.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.isolation import are_alone
from nebulift.scoring.robust import MAD_TO_SIGMA, median
from nebulift.scoring.star_fit import SQUARE_STEPS, Ellipse, fit_stars, light_around
from nebulift.scoring.stars import Stars

# In pixels of the image and in FWHM of its stars.
_STEPS_PER_PX, _LARGEST_PX = 4, 60
_PROFILE_PX, _PROFILE_FWHM, _LARGEST_PROFILE_PX = 10, 4.0, 40  # known at least, usually and at most so far out
_PROFILE_STARS, _FEWEST = 150, 15
_NEIGHBOUR_FWHM, _NEIGHBOUR_FLUX = 4.0, 0.1
_ROUNDS = 3
_DONE_SIGMA = 0.2  # a star is taken away as far out as it shines so many sigma of a pixel
_NARROWEST = 1.2  # FWHM in pixels
_LESS_NOISE, _FAINT_SIGMA = 0.97, 3.5
_BESIDE_FWHM, _STILL_BRIGHT = 1.15, 0.7
_MOST_SEARCHES, _FAINTER_ROUNDS, _WORTHWHILE = 6, 2, 0.97
_WING = 2.5  # least power by which the light falls off further out than the profile is known


@dataclass(frozen=True, slots=True)
class StarModel:
    """The stars of an image: places `x`, `y` in its pixels, `height` of their profile at its centre in its units.

    `profile` (n,) is the light at n radii, 1 at the centre, in steps of 1/4 pixel.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    height: NDArray[np.float64]
    profile: NDArray[np.float64]

    def radii(self, limit: float) -> NDArray[np.float64]:
        """Return the radii in pixels within which each star is brighter than `limit`."""
        share = limit / np.maximum(self.height, 1e-12)
        steps = len(self.profile) - np.searchsorted(self.profile[::-1], share, side="right")
        return np.asarray(steps / _STEPS_PER_PX, dtype=np.float64)


def subtract_stars(
    image: NDArray[np.float32], binning: int, stars: Stars, trails: NDArray[np.bool_], noise: float
) -> StarModel | None:
    """Take the stars out of `image` (float32, one pixel as wide as `binning` of the frame), in place.

    What lies in `trails`, a mask of the same field, is let be. `noise` is that of one pixel of the image. Where it is
    made of the light of stars, fainter ones are sought when the bright ones are gone, and taken away as well. None,
    and nothing taken, where too few stars show their profile.
    """
    x, y = ((axis + 0.5) / binning - 0.5 for axis in (stars.x_px, stars.y_px))
    chosen = ~_lies_in(trails, x, y, image.shape) & ~stars.is_saturated & (stars.flux_adu > 0)
    x, y, flux = x[chosen], y[chosen], stars.flux_adu[chosen]
    if not math.isfinite(stars.fwhm_px):
        return None
    fwhm = max(stars.fwhm_px / binning, _NARROWEST)
    alone = _alone(x, y, flux, fwhm)
    if not len(alone) >= _FEWEST:
        return None
    ellipse = _ellipse(stars)
    profile = _measured_profile(image, x[alone], y[alone], fwhm, ellipse)
    if not profile[0] > 0:
        return None
    table = np.interp(np.sqrt(np.arange(_LARGEST_PX**2 * SQUARE_STEPS + 2) / SQUARE_STEPS), *_places(profile))
    height = np.zeros(len(x))
    before = _noise_of(image)
    for round_ in range(_ROUNDS):
        fit_stars(image, x, y, height, table, ellipse, fwhm, _DONE_SIGMA * noise, round_ > 0)
    left = _noise_of(image)
    less = left < _LESS_NOISE * before
    for _ in range(_MOST_SEARCHES if less else 0):
        fainter = _fainter(image, trails, fwhm)
        x, y = (np.concatenate(both) for both in zip((x, y), fainter, strict=True))
        height = np.pad(height, (0, len(x) - len(height)))
        for _ in range(_FAINTER_ROUNDS):
            fit_stars(image, x, y, height, table, ellipse, fwhm, _DONE_SIGMA * left, True)
        before, left = left, _noise_of(image)
        if left > _WORTHWHILE * before:
            break
    return StarModel(x, y, height, profile)


def _noise_of(image: NDArray[np.float32]) -> float:
    sample = image[::3, ::3]
    return MAD_TO_SIGMA * median(np.abs(sample - median(sample)))


def _fainter(
    image: NDArray[np.float32], trails: NDArray[np.bool_], fwhm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places x, y of stars in an image of which the brighter ones have been taken, brightest first.

    They are the peaks of the image as stars of `fwhm` pixels would fill it, so that near neighbours are told apart.
    """
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), fwhm / math.sqrt(8 * math.log(2))), dtype=np.float32)
    limit = np.float32(np.median(smooth[::3, ::3]) + _FAINT_SIGMA * _noise_of(smooth))
    peaks = (smooth >= cv2.dilate(smooth, np.ones((3, 3), np.uint8))) & (smooth > limit)
    row, column = np.nonzero(peaks)
    x, y = column.astype(np.float64), row.astype(np.float64)
    kept = ~_lies_in(trails, x, y, image.shape) & _falls_off(smooth, row, column, max(2, round(_BESIDE_FWHM * fwhm)))
    order = np.argsort(-smooth[row[kept], column[kept]], kind="stable")
    return x[kept][order], y[kept][order]


def _falls_off(
    smooth: NDArray[np.float32], row: NDArray[np.intp], column: NDArray[np.intp], radius: int
) -> NDArray[np.bool_]:
    """Tell which peaks fall off in all directions, as stars do; pieces of a trail do not along the trail."""
    slanting = round(radius / math.sqrt(2))
    on_both_sides = []
    for dx, dy in ((radius, 0), (0, radius), (slanting, slanting), (slanting, -slanting)):
        sides = [
            smooth[
                np.clip(row + sign * dy, 0, smooth.shape[0] - 1), np.clip(column + sign * dx, 0, smooth.shape[1] - 1)
            ]
            for sign in (-1, 1)
        ]
        on_both_sides.append(np.mean(sides, axis=0))
    return np.asarray(np.max(on_both_sides, axis=0) < _STILL_BRIGHT * smooth[row, column])


def _lies_in(
    mask: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Tell which places x, y of an image of a `shape` lie in a mask of the same field, of whatever scale."""
    column, row = (
        np.clip(((axis + 0.5) * of / side).astype(int), 0, of - 1)
        for axis, of, side in ((x, mask.shape[1], shape[1]), (y, mask.shape[0], shape[0]))
    )
    return np.asarray(mask[row, column])


def _ellipse(stars: Stars) -> Ellipse:
    """Return the factors of x^2, x y and y^2 in the squared radius of the median star's ellipse, of unit area."""
    if not (math.isfinite(stars.eccentricity) and math.isfinite(stars.position_angle_deg)):
        return 1.0, 0.0, 1.0
    longer = 1 / math.sqrt(max(1 - stars.eccentricity**2, 0.05))
    cosine, sine = (function(math.radians(stars.position_angle_deg)) for function in (math.cos, math.sin))
    return (
        cosine**2 / longer + sine**2 * longer,
        2 * cosine * sine * (1 / longer - longer),
        sine**2 / longer + cosine**2 * longer,
    )


def _places(profile: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.arange(len(profile)) / _STEPS_PER_PX, profile


def _alone(x: NDArray[np.float64], y: NDArray[np.float64], flux: NDArray[np.float64], fwhm: float) -> NDArray[np.intp]:
    """Return the brightest stars, brightest first, that have no neighbour of a tenth of their light."""
    bright = np.arange(min(len(x), 8 * _PROFILE_STARS))
    alone = are_alone(x, y, flux, bright, _NEIGHBOUR_FWHM * fwhm, _NEIGHBOUR_FLUX)
    return np.asarray(bright[alone][:_PROFILE_STARS])


def _measured_profile(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fwhm: float,
    ellipse: Ellipse,
) -> NDArray[np.float64]:
    """Return the median light of stars at radii in steps of 1/4 pixel, 1 at the centre, falling all the way out."""
    reach = min(max(math.ceil(_PROFILE_FWHM * fwhm), _PROFILE_PX), _LARGEST_PROFILE_PX)
    radius, value = light_around(image, x, y, reach, 1.2 * fwhm, ellipse)
    step = np.rint(np.nan_to_num(radius) * _STEPS_PER_PX).astype(int)
    known = np.isfinite(value) & (step <= reach * _STEPS_PER_PX)
    order = np.lexsort((value[known], step[known]))
    ordered, steps = value[known][order], step[known][order]
    first = np.searchsorted(steps, np.arange(reach * _STEPS_PER_PX + 2))
    inner = np.full(reach * _STEPS_PER_PX + 1, np.nan)
    for index in range(len(inner)):
        if first[index + 1] > first[index] + 4:
            inner[index] = ordered[(first[index] + first[index + 1]) // 2]
    places = np.flatnonzero(np.isfinite(inner))
    if not len(places):
        return np.zeros(1)
    inner = np.interp(np.arange(len(inner)), places, inner[places])
    inner = np.minimum.accumulate(np.maximum(inner, 0.0))
    # Further out than neighbours leave it to be seen, a power law goes on as the light has fallen off until then.
    seen = max(int(np.count_nonzero(inner > 2e-3 * inner[0])) - 1, _STEPS_PER_PX * 2)
    seen = min(seen, len(inner) - 1)
    half = max(seen // 2, 1)
    power = math.log(max(inner[half], 1e-9) / max(inner[seen], 1e-9)) / math.log(seen / half)
    radii = np.arange(_LARGEST_PX * _STEPS_PER_PX + 1)
    profile = inner[seen] * (np.maximum(radii, 1) / seen) ** -max(power, _WING)
    profile[: seen + 1] = inner[: seen + 1]
    return np.asarray(profile / max(inner[0], 1e-12), dtype=np.float64)
