"""The camera: where it is more or less sensitive, its defects, and how light becomes numbers."""

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nebulift.simulate.defects import add_amplifier_glow, add_hot_columns, dead_areas, dust_shadows
from nebulift.simulate.electronics import add_offsets, bloom
from nebulift.simulate.equipment import Camera, Telescope
from nebulift.simulate.video import brightest_frame

Image = npt.NDArray[np.float32]

FILTER_RESPONSE = {"R": 0.65, "G": 1.0, "B": 0.6}
"""Of a one-shot-colour sensor to the sky and a white star, relative to green."""
FILTER_COLOUR = {"R": 0.3, "G": 0.0, "B": -0.4}
"""Relative change of that response per unit of a star's colour."""

NORMAL_FROM_E = 40.0
"""Electrons from which quick noise is normal: Poisson counts have a skewness of 0.16 there."""


@dataclass(frozen=True)
class Detector:
    """What a camera's pixels are like behind a telescope; arrays of shape (h, w), read-only."""

    response: Image
    """Share of a pixel's light that becomes electrons: vignetting, pixel gains, colour filters, columns."""
    colour_response: Image | None
    """Change of `response`, as a factor, per unit of a star's colour; None for monochrome."""
    dark_e_per_s: Image
    hot_pixels: int


class HotPixels(NamedTuple):
    """Pixels with a far too high dark current; arrays of shape (n,), in order of rows, then columns."""

    x_px: npt.NDArray[np.intp]
    y_px: npt.NDArray[np.intp]
    excess_e_per_s: Image
    """Dark current above that of the other pixels, electrons per second."""


@lru_cache(maxsize=2)
def detector(camera: Camera, telescope: Telescope) -> Detector:
    """Draw the pixels of a camera; its name and size fix its gains and defects for good."""
    response, dark, hot = _sensor(camera)
    response *= _vignetting(response.shape, telescope.vignetting)
    if camera.dust_shadows:
        response *= dust_shadows(camera, telescope)
    if camera.dead_areas:
        response *= dead_areas(camera)
    if camera.hot_columns:
        add_hot_columns(dark, camera)
    if camera.amplifier_glow_e_per_s:
        add_amplifier_glow(dark, camera)
    colour_response = None
    if camera.bayer_pattern:
        response *= _mosaic(camera.bayer_pattern, FILTER_RESPONSE, response.shape)
        colour_response = _mosaic(camera.bayer_pattern, FILTER_COLOUR, response.shape)
        colour_response.flags.writeable = False
    response.flags.writeable = dark.flags.writeable = False
    return Detector(response, colour_response, dark, len(hot.x_px))


@lru_cache(maxsize=8)
def hot_pixels(camera: Camera) -> HotPixels:
    """Give the hot pixels of a camera, which are the same in every frame."""
    return _sensor(camera)[2]


def _sensor(camera: Camera) -> tuple[Image, Image, HotPixels]:
    """Draw a camera's response (h, w), dark current (h, w) and hot pixels."""
    shape = (camera.height_px, camera.width_px)
    rng = np.random.default_rng([zlib.crc32(camera.name.encode()), *shape])
    response = 1.0 + camera.pixel_gain_rms * rng.standard_normal(shape, dtype=np.float32)
    hot = rng.random(shape, dtype=np.float32) < camera.hot_pixel_fraction
    dark = np.full(shape, camera.dark_e_per_s, dtype=np.float32)
    excess = 10 ** rng.uniform(math.log10(2.0), math.log10(300.0), int(hot.sum()))
    dark[hot] += excess
    for column in rng.integers(0, camera.width_px, camera.bad_columns):
        response[int(rng.integers(0, camera.height_px)) :, column] *= 0.94
    y_px, x_px = np.nonzero(hot)
    return response, dark, HotPixels(x_px, y_px, excess.astype(np.float32))


def add_cosmic_rays(electrons: Image, camera: Camera, exposure_s: float, rng: np.random.Generator) -> None:
    """Add the hits of one exposure to `electrons` (h, w) in place: dots and tracks of some pixels."""
    height, width = electrons.shape
    hits = rng.poisson(camera.cosmic_rays_per_mpix_per_s * exposure_s * height * width / 1e6)
    for _ in range(hits):
        x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * math.pi)
        length, charge = rng.exponential(4.0), rng.lognormal(math.log(2500.0), 0.7)
        along = np.arange(0.0, length + 0.25, 0.25)
        column = np.floor(x + along * math.cos(angle)).astype(np.intp)
        row = np.floor(y + along * math.sin(angle)).astype(np.intp)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        # A longer track leaves more in all, but not per pixel.
        per_step = charge * (1.0 + length / 4.0) / len(along)
        np.add.at(electrons, (row[inside], column[inside]), np.float32(per_step))


def read_out(
    expected_e: Image,
    camera: Camera,
    exposure_s: float,
    rng: np.random.Generator,
    quick: bool = False,
    passing_e: Image | None = None,
) -> npt.NDArray[np.uint16]:
    """Turn the electrons expected in each pixel (h, w) into what the camera's file holds, in ADU.

    Photons and dark current are Poisson; full wells may spill; the amplifier adds its noise; full well or
    converter cut off what is above `Camera.saturation_adu`, noise and all. `quick` draws the photons of brighter
    pixels from a normal distribution. `passing_e` (h, w) is what a camera that keeps the brightest of
    `Camera.video_frames` sees in one of them alone.
    """
    if camera.video_frames > 1:
        passing_e = np.zeros_like(expected_e) if passing_e is None else passing_e
        electrons = brightest_frame(expected_e, passing_e, camera.read_noise_e, camera.video_frames, rng)
    else:
        electrons = _quick_poisson(expected_e, rng) if quick else rng.poisson(expected_e).astype(np.float32)
    add_cosmic_rays(electrons, camera, exposure_s, rng)
    if camera.blooms:
        bloom(electrons, camera.full_well_e)
    # Its own stream: the noise is the same with and without.
    add_offsets(electrons, camera, rng.spawn(1)[0])
    if camera.video_frames == 1:
        electrons += np.float32(camera.read_noise_e) * rng.standard_normal(electrons.shape, dtype=np.float32)
    electrons /= np.float32(camera.gain_e_per_adu)
    electrons += np.float32(camera.bias_adu)
    np.rint(electrons, out=electrons)
    return np.clip(electrons, 0, camera.saturation_adu, out=electrons).astype(np.uint16)


def _quick_poisson(expected_e: Image, rng: np.random.Generator) -> Image:
    """Draw counts (h, w): Poisson where few are expected, else normal with the same mean and variance."""
    if np.median(expected_e[::8, ::8]) < NORMAL_FROM_E:
        return rng.poisson(expected_e).astype(np.float32)
    counts = rng.standard_normal(expected_e.shape, dtype=np.float32)
    counts *= np.sqrt(expected_e)
    counts += expected_e
    few = expected_e < NORMAL_FROM_E
    counts[few] = rng.poisson(expected_e[few])
    return counts


def _vignetting(shape: tuple[int, ...], loss: float) -> Image:
    """Light that reaches each pixel, 1 in the centre, 1 - loss in the corners."""
    y, x = (np.linspace(-1.0, 1.0, size, dtype=np.float32) * size for size in shape)
    corner2 = float(shape[0] ** 2 + shape[1] ** 2)
    return np.asarray(1.0 - loss * (y[:, None] ** 2 + x[None, :] ** 2) / corner2, dtype=np.float32)


def _mosaic(pattern: str, value_of: dict[str, float], shape: tuple[int, ...]) -> Image:
    """Spread the values of the colour filters over the frame."""
    tile = np.array([value_of[letter] for letter in pattern], dtype=np.float32).reshape(2, 2)
    repeats = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    return np.tile(tile, repeats)[: shape[0], : shape[1]].copy()
