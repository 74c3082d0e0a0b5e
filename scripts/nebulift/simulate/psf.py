"""The image of a star, and adding many of them to a frame."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

OVERSAMPLING = 5
"""Odd, so that the box of one pixel has a centre sample."""
WINGS_FWHM = 10.0
"""A Moffat star is followed out to this many FWHM: less than 1e-4 of its light lies beyond for beta 3.5."""
MOST_STAMP_PIXELS = 500_000
"""Stamps are added in batches of this size, which bounds the memory."""


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


def add_stars(
    image: Image, x_px: FloatArray, y_px: FloatArray, electrons: FloatArray, psf: PointSpread, floor_e: float
) -> None:
    """Add stars to `image` (h, w) in place, each out to where it is below `floor_e` electrons per px.

    x_px, y_px, electrons: shape (n,). Pixel centres lie at whole numbers; stars outside may reach in.
    """
    needed = np.searchsorted(-psf.reach, -floor_e / np.maximum(np.abs(electrons), 1e-9))
    sizes = np.unique(np.geomspace(3, max(psf.radius_px, 4), 9).astype(int))
    size_of = np.minimum(np.searchsorted(sizes, needed), len(sizes) - 1)
    for which, radius in enumerate(sizes):
        near = (x_px > -radius - 1) & (x_px < image.shape[1] + radius)
        near &= (y_px > -radius - 1) & (y_px < image.shape[0] + radius)
        chosen = np.flatnonzero((size_of == which) & near & (needed > 0))
        batch = max(1, MOST_STAMP_PIXELS // (2 * int(radius) + 1) ** 2)
        for start in range(0, len(chosen), batch):
            part = chosen[start : start + batch]
            _add_stamps(image, x_px[part], y_px[part], electrons[part], psf.samples, int(radius))


def _add_stamps(
    image: Image, x_px: FloatArray, y_px: FloatArray, electrons: FloatArray, samples: Image, radius: int
) -> None:
    """Add stars with stamps of (2 radius + 1)^2 px, interpolating the samples linearly in both directions."""
    steps = np.arange(-radius, radius + 1)
    columns, column, right = _phase(x_px, steps, samples.shape[1])
    rows, row, below = _phase(y_px, steps, samples.shape[0])
    # Flat indices: several times faster than pairs of them.
    flat, across = samples.reshape(-1), samples.shape[1]
    first = row[:, :, None] * across + column[:, None, :]
    light = electrons.astype(np.float32)
    stamps = flat.take(first) * (light * (1 - below) * (1 - right))[:, None, None]
    stamps += flat[1:].take(first) * (light * (1 - below) * right)[:, None, None]
    stamps += flat[across:].take(first) * (light * below * (1 - right))[:, None, None]
    stamps += flat[across + 1 :].take(first) * (light * below * right)[:, None, None]
    height, width = image.shape
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    places = rows[:, :, None] * width + columns[:, None, :]
    np.add.at(image.reshape(-1), places[inside], stamps[inside])


def _phase(
    centre: FloatArray, steps: npt.NDArray[np.intp], length: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Image]:
    """Give each star's pixels (n, k), the sample at or before each (n, k), the share of the next one (n,)."""
    nearest = np.rint(centre).astype(np.intp)
    position = (nearest - centre) * OVERSAMPLING
    before = np.floor(position).astype(np.intp)
    sample = length // 2 + before[:, None] + steps[None, :] * OVERSAMPLING
    return nearest[:, None] + steps[None, :], sample, (position - before).astype(np.float32)


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
