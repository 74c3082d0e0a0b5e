"""The image of a star, and adding many of them to a frame."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

OVERSAMPLING = 5
"""Odd, so that the box of one pixel has a centre sample."""
WINGS_FWHM = 10.0
"""A Moffat star is followed out to this many FWHM: less than 1e-4 of its light lies beyond for beta 3.5."""


def moffat_radius(fwhm_px: float, beta: float) -> float:
    """Give the Moffat profile's scale radius in px."""
    return fwhm_px / (2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0))


@dataclass(frozen=True)
class PointSpread:
    """Share of a star's light in a pixel, as a function of the star's offset from the pixel's centre."""

    samples: Image
    """(m, m), `OVERSAMPLING` samples per px, the star in the centre; any phase of them sums to about 1."""
    radius_px: int
    reach: Image
    """Largest share found in any pixel at least r px from the star, for r = 0 ... radius_px."""


def point_spread(
    fwhm_px: float,
    beta: float,
    defocus_px: float = 0.0,
    obstruction: float = 0.0,
    tracking_px: float = 0.0,
    tracking_angle_deg: float = 0.0,
) -> PointSpread:
    """Blur a Moffat star by a defocus disc (with the secondary's hole), a tracking line and the pixel."""
    radius = math.ceil(WINGS_FWHM * fwhm_px + defocus_px + tracking_px / 2)
    half = (radius + 2) * OVERSAMPLING
    square = (np.arange(-half, half + 1, dtype=np.float32) / OVERSAMPLING) ** 2
    scale = moffat_radius(fwhm_px, beta)
    distance2 = square[:, None] + square[None, :]
    samples: Image = np.asarray((1.0 + distance2 / scale**2) ** -beta, dtype=np.float32)
    if defocus_px > 0:
        samples = _convolve(samples, _disc(defocus_px, obstruction))
    if tracking_px > 0:
        samples = _convolve(samples, _line(tracking_px, tracking_angle_deg))
    samples = cv2.blur(samples, (OVERSAMPLING, OVERSAMPLING), borderType=cv2.BORDER_REPLICATE)
    samples[distance2 > radius**2] = 0.0
    samples *= OVERSAMPLING**2 / samples.sum(dtype=np.float64)
    ring = np.minimum(np.sqrt(distance2).astype(np.intp), radius)
    highest = np.zeros(radius + 1, dtype=np.float32)
    np.maximum.at(highest, ring.ravel(), samples.ravel())
    return PointSpread(samples, radius, np.maximum.accumulate(highest[::-1])[::-1])


def pixel_kernel(psf: PointSpread, radius_px: int) -> Image:
    """Give the share of its light in the pixels around a star that sits on a pixel's centre, (2 r + 1, 2 r + 1)."""
    middle = len(psf.samples) // 2
    reach = min(radius_px, psf.radius_px) * OVERSAMPLING
    part = slice(middle - reach, middle + reach + 1, OVERSAMPLING)
    return np.ascontiguousarray(psf.samples[part, part])


def width_px(psf: PointSpread) -> float:
    """Give the diameter in px of a disc with the area in which a star is above half of its peak."""
    finer = 4
    above = psf.samples > psf.samples.max() / 2
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    core = psf.samples[rows[0] - 2 : rows[-1] + 3, columns[0] - 2 : columns[-1] + 3]
    fine = cv2.resize(core, None, fx=finer, fy=finer, interpolation=cv2.INTER_CUBIC)
    area_px = np.count_nonzero(fine > psf.samples.max() / 2) / (finer * OVERSAMPLING) ** 2
    return 2.0 * math.sqrt(area_px / math.pi)


def add_stars(
    image: Image, x_px: FloatArray, y_px: FloatArray, electrons: FloatArray, psf: PointSpread, floor_e: float
) -> None:
    """Add stars to `image` (h, w) in place, each out to where it is below `floor_e` electrons per px.

    x_px, y_px, electrons: shape (n,). Pixel centres lie at whole numbers; stars outside may reach in.
    """
    needed = np.searchsorted(-psf.reach, -floor_e / np.maximum(np.abs(electrons), 1e-9))
    sizes = np.unique(np.geomspace(3, max(psf.radius_px, 4), 9).astype(int))
    size_of = np.minimum(np.searchsorted(sizes, needed), len(sizes) - 1)
    radii = sizes[size_of]
    near = (x_px > -radii - 1) & (x_px < image.shape[1] + radii)
    near &= (y_px > -radii - 1) & (y_px < image.shape[0] + radii)
    chosen = np.flatnonzero(near & (needed > 0))
    # Small stamps first, whatever the order of the stars.
    chosen = chosen[np.argsort(radii[chosen], kind="stable")]
    _add_stamps(image, x_px[chosen], y_px[chosen], electrons[chosen].astype(np.float32), psf.samples, radii[chosen])


@njit(cache=True)
def _add_stamps(
    image: Image, x_px: FloatArray, y_px: FloatArray, electrons: Image, samples: Image, radii: npt.NDArray[np.intp]
) -> None:
    """Add stars with stamps of (2 radius + 1)^2 px, interpolating the samples linearly in both directions."""
    height, width = image.shape
    middle = samples.shape[0] // 2
    one = np.float32(1.0)
    for star in range(len(x_px)):
        nearest_x, nearest_y = int(np.rint(x_px[star])), int(np.rint(y_px[star]))
        from_x, from_y = (nearest_x - x_px[star]) * OVERSAMPLING, (nearest_y - y_px[star]) * OVERSAMPLING
        before_x, before_y = int(np.floor(from_x)), int(np.floor(from_y))
        right, below = np.float32(from_x - before_x), np.float32(from_y - before_y)
        above_share, below_share = electrons[star] * (one - below), electrons[star] * below
        weights = (above_share * (one - right), above_share * right, below_share * (one - right), below_share * right)
        reach = radii[star]
        for row in range(max(0, nearest_y - reach), min(height, nearest_y + reach + 1)):
            sample_y = middle + before_y + (row - nearest_y) * OVERSAMPLING
            for column in range(max(0, nearest_x - reach), min(width, nearest_x + reach + 1)):
                sample_x = middle + before_x + (column - nearest_x) * OVERSAMPLING
                light = samples[sample_y, sample_x] * weights[0]
                light += samples[sample_y, sample_x + 1] * weights[1]
                light += samples[sample_y + 1, sample_x] * weights[2]
                light += samples[sample_y + 1, sample_x + 1] * weights[3]
                image[row, column] += light


def _convolve(samples: Image, kernel: Image) -> Image:
    """Convolve with a kernel that is the same seen from both sides."""
    blurred: Image = cv2.filter2D(samples, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return blurred


def _disc(radius_px: float, obstruction: float) -> Image:
    """Draw the shadow of the mirror with the secondary's hole, edges softened over one sample."""
    outer = radius_px * OVERSAMPLING
    half = math.ceil(outer) + 1
    axis = np.arange(-half, half + 1, dtype=np.float32)
    distance = np.hypot(axis[:, None], axis[None, :])
    disc = np.clip(outer + 0.5 - distance, 0, 1) - np.clip(outer * obstruction + 0.5 - distance, 0, 1)
    disc[half, half] += 1e-6
    return np.asarray(np.maximum(disc, 0), dtype=np.float32)


def _line(length_px: float, angle_deg: float) -> Image:
    """Draw a line of even brightness through the centre."""
    reach = length_px * OVERSAMPLING / 2
    half = math.ceil(reach) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    along = np.linspace(-reach, reach, 8 * half + 1)
    x, y = along * math.cos(math.radians(angle_deg)) + half, along * math.sin(math.radians(angle_deg)) + half
    column, row = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, below = x - column, y - row
    for add_row, add_column, weight in (
        (0, 0, (1 - below) * (1 - right)),
        (0, 1, (1 - below) * right),
        (1, 0, below * (1 - right)),
        (1, 1, below * right),
    ):
        target = (np.minimum(row + add_row, 2 * half), np.minimum(column + add_column, 2 * half))
        np.add.at(kernel, target, weight.astype(np.float32))
    return kernel
