"""One exposure: sky, clouds, stars and trails through telescope and camera."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from nebulift.simulate.detector import detector, read_out
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.field import Conditions, Field
from nebulift.simulate.lines import LineProfile, add_spikes, add_trail
from nebulift.simulate.psf import add_stars, point_spread
from nebulift.simulate.recipe import CloudBank, FrameRecipe

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

VEIL_GLOW = 0.8
"""What a veil adds to the sky, per light that it takes: it scatters the lights below and the moon above."""
STAR_FLOOR_SIGMA = 0.03
"""A star is drawn out to where it is this far below the sky's noise."""
FAINTEST_SPIKE = 800.0
"""Light in a star's spikes, over that of the faintest drawn line of 1 px, from which they show beside its core."""
CLOUD_EDGE = 0.45
"""Width of a cloud's edge, half the longer side = 1; soft, for clouds move far within an exposure."""


@dataclass(frozen=True)
class Exposure:
    """A raw frame and what is known of it."""

    pixels: npt.NDArray[np.uint16]
    """(h, w), ADU."""
    background_adu: float
    """Median level expected without stars and trails, bias and dark current included."""
    sky_sigma_adu: float
    """Noise of a sky pixel at the centre of the frame, clouds left out: the unit of a trail's brightness."""
    hot_pixels: int


def render_frame(
    field: Field,
    camera: Camera,
    telescope: Telescope,
    sky: Sky,
    recipe: FrameRecipe,
    conditions: Conditions,
    exposure_s: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint16]:
    """Give the raw frame (height_px, width_px) in ADU; see `expose`."""
    return expose(field, camera, telescope, sky, recipe, conditions, exposure_s, rng).pixels


def expose(
    field: Field,
    camera: Camera,
    telescope: Telescope,
    sky: Sky,
    recipe: FrameRecipe,
    conditions: Conditions,
    exposure_s: float,
    rng: np.random.Generator,
) -> Exposure:
    """Expose one frame: all light is summed in electrons first, then come noise, clipping, gain and bias."""
    pixels = detector(camera, telescope)
    sky_e = sky_level(sky, recipe, conditions) * exposure_s
    sigma_e = math.sqrt(sky_e + camera.dark_e_per_s * exposure_s + camera.read_noise_e**2)
    cloud = _cloud(recipe.cloud_bank, pixels.response.shape, rng)
    light = _sky_map(sky_e, sky, recipe, cloud, pixels.response.shape)
    background_e = np.median((light * pixels.response + pixels.dark_e_per_s * exposure_s)[::3, ::3])
    for trail in recipe.trails:
        profile = LineProfile(conditions.fwhm_px, telescope.moffat_beta, trail.width_px, recipe.defocus_px)
        add_trail(light, trail, trail.peak_sigma * sigma_e, profile)
    x_px, y_px = field.x_px + conditions.dx_px, field.y_px + conditions.dy_px
    dimming = recipe.transparency * 10 ** (-0.4 * sky.extinction_mag * conditions.airmass)
    electrons = field.electrons_per_s * exposure_s * dimming
    if cloud is not None and recipe.cloud_bank is not None:
        column = np.clip(np.rint(x_px), 0, camera.width_px - 1).astype(np.intp)
        row = np.clip(np.rint(y_px), 0, camera.height_px - 1).astype(np.intp)
        electrons = electrons * (1.0 - recipe.cloud_bank[1] * cloud[row, column])
    floor_e = STAR_FLOOR_SIGMA * sigma_e
    _add_star_light(light, x_px, y_px, electrons, telescope, recipe, conditions, floor_e)
    if pixels.colour_response is not None:
        tint = np.zeros_like(light)
        _add_star_light(tint, x_px, y_px, electrons * field.colour, telescope, recipe, conditions, floor_e)
        light += pixels.colour_response * tint
        np.maximum(light, 0.0, out=light)
    light *= pixels.response
    light += pixels.dark_e_per_s * np.float32(exposure_s)
    return Exposure(
        pixels=read_out(light, camera, exposure_s, rng),
        background_adu=float(background_e) / camera.gain_e_per_adu + camera.bias_adu,
        sky_sigma_adu=sigma_e / camera.gain_e_per_adu,
        hot_pixels=pixels.hot_pixels,
    )


def sky_level(sky: Sky, recipe: FrameRecipe, conditions: Conditions) -> float:
    """Give the sky's electrons per second and pixel at the frame's centre, cloud banks left out."""
    factor = 1.0 + 0.15 * (conditions.airmass - 1.0)
    factor += (recipe.moon - 1.0) + (recipe.twilight - 1.0)
    return sky.sky_e_per_s_per_px * factor * (1.0 + VEIL_GLOW * (1.0 - recipe.transparency))


def _sky_map(sky_e: float, sky: Sky, recipe: FrameRecipe, cloud: Image | None, shape: tuple[int, ...]) -> Image:
    """Electrons of sky light in each pixel (h, w): a tilted plane, and clouds lit from below or dark."""
    y, x = _along_edges(shape)
    angle = math.radians(sky.gradient_angle)
    tilt = x[None, :] * math.cos(angle) + y[:, None] * math.sin(angle)
    light = np.asarray(sky_e * (1.0 + sky.gradient * tilt / 2), dtype=np.float32)
    if cloud is not None and recipe.cloud_bank is not None:
        light *= 1.0 + np.float32(recipe.cloud_bank[1] * (sky.cloud_brightness - 1.0)) * cloud
    return light


def _cloud(bank: CloudBank | None, shape: tuple[int, ...], rng: np.random.Generator) -> Image | None:
    """Thickness of a cloud bank in each pixel (h, w), 0 to 1; above 1/2 over the asked share of the frame."""
    if bank is None:
        return None
    coverage, _, angle_deg = bank
    rows, columns = 48, 72
    y, x = _along_edges((rows, columns))
    angle = math.radians(angle_deg)
    ramp = x[None, :] * math.cos(angle) + y[:, None] * math.sin(angle)
    billows = np.zeros((rows, columns), dtype=np.float32)
    for cells, strength in ((4, 0.3), (9, 0.1)):
        coarse = rng.standard_normal((cells, cells), dtype=np.float32) * strength
        billows += cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    thickness = np.asarray(ramp + billows, dtype=np.float32)
    edge = np.quantile(thickness, 1.0 - min(max(coverage, 0.0), 1.0))
    # Full cover leaves no clear edge inside the frame.
    edge -= CLOUD_EDGE * max(0.0, coverage - 0.9) * 10
    thickness = np.clip((thickness - edge) / (2 * CLOUD_EDGE) + 0.5, 0.0, 1.0).astype(np.float32)
    thickness = thickness * thickness * (3.0 - 2.0 * thickness)
    return np.asarray(cv2.resize(thickness, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _add_star_light(
    light: Image,
    x_px: FloatArray,
    y_px: FloatArray,
    electrons: FloatArray,
    telescope: Telescope,
    recipe: FrameRecipe,
    conditions: Conditions,
    floor_e: float,
) -> None:
    """Add stars and their spikes to `light` (h, w) in place."""
    psf = point_spread(
        conditions.fwhm_px,
        telescope.moffat_beta,
        recipe.defocus_px,
        telescope.obstruction,
        recipe.tracking_px,
        recipe.tracking_angle_deg,
    )
    add_stars(light, x_px, y_px, electrons * (1.0 - telescope.spike_fraction), psf, floor_e)
    in_spikes = electrons * telescope.spike_fraction
    profile = LineProfile(conditions.fwhm_px + recipe.tracking_px / 2, telescope.moffat_beta, 0.0, recipe.defocus_px)
    seen = in_spikes > FAINTEST_SPIKE * floor_e * profile.area_px
    for star in np.flatnonzero(seen):
        centre = (float(x_px[star]), float(y_px[star]))
        add_spikes(light, centre, float(in_spikes[star]), telescope.spike_angle_deg, profile, 2 * floor_e)


def _along_edges(shape: tuple[int, ...]) -> tuple[Image, Image]:
    """Coordinates along y and x, -1 to 1 along the longer edge."""
    longest = max(shape[:2])
    y, x = (np.linspace(-1.0, 1.0, size, dtype=np.float32) * (size / longest) for size in shape[:2])
    return y, x
