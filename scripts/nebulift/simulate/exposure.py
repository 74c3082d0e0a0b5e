"""One exposure: sky, clouds, stars and trails through telescope and camera."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nebulift.simulate.detector import detector, read_out
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.field import Conditions, Field, star_places
from nebulift.simulate.glow import Glow, seen_glow
from nebulift.simulate.lines import LineProfile, add_spikes, add_trail
from nebulift.simulate.psf import PointSpread, add_stars, pixel_kernel, point_spread, width_px
from nebulift.simulate.recipe import FieldTurn, FrameRecipe
from nebulift.simulate.sky import cloud_thickness, shadow, sky_level, sky_map
from nebulift.simulate.video import lift_and_scatter

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

STAR_FLOOR_SIGMA = 0.03
"""A star is drawn out to where it is this far below the sky's noise."""
FAINTEST_SPIKE = 800.0
"""Light in a star's spikes, over that of the faintest drawn line of 1 px, from which they show beside its core."""


ARC_STEP_PX = 0.7
"""Stars on arcs are drawn so densely where they move fastest."""

GLOW_COLOUR = 0.5
"""Colour of galaxies and nebulae."""


class Stars(NamedTuple):
    """The stars inside a frame; arrays of shape (n,)."""

    x_px: FloatArray
    """Pixel centres lie at whole numbers."""
    y_px: FloatArray
    electrons: FloatArray
    """Collected in the exposure, behind air, veil, clouds and obstacles, before vignetting."""


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
    stars: Stars
    star_fwhm_px: float
    """Of a star as the pixels see it: diameter of a disc with the area above half of its peak."""


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
    *,
    quick: bool = False,
) -> Exposure:
    """Expose one frame: all light is summed in electrons first, then come noise, clipping, gain and bias.

    `quick` draws the photon noise in about a third of the time; the frame has other bytes, the same statistics.
    """
    pixels = detector(camera, telescope)
    shape = pixels.response.shape
    sky_e = sky_level(sky, recipe, conditions) * exposure_s
    frames = camera.video_frames
    lift, scatter = lift_and_scatter(frames)
    frame_sigma_e = math.sqrt((sky_e + camera.dark_e_per_s * exposure_s) / frames + camera.read_noise_e**2)
    sigma_e = scatter * frame_sigma_e
    cloud = cloud_thickness(recipe.cloud_bank, shape, rng)
    hidden = shadow(recipe.occlusion, shape)
    light = sky_map(sky_e, sky, recipe.cloud_bank, cloud, conditions, shape)
    psf = _point_spread(telescope, recipe, conditions)
    glow_e: Image | None = None
    if field.glow is not None:
        glow_e = _glow_light(field.glow, (camera.height_px, camera.width_px), psf, recipe, conditions)
        glow_e *= np.float32(exposure_s * _clear_share(sky, recipe, conditions))
        if cloud is not None and recipe.cloud_bank is not None:
            glow_e *= 1.0 - np.float32(recipe.cloud_bank.opacity) * cloud
        light += glow_e
    few = np.s_[::3, ::3]
    open_light = _behind(light[few], None if hidden is None else hidden[few], recipe, sky_e)
    background_e = np.median(open_light * pixels.response[few] + pixels.dark_e_per_s[few] * exposure_s) / frames
    # Each pixel of a trail is lit in one video frame, which must outshine the brightest of the others.
    passing = light if frames == 1 else np.zeros_like(light)
    for trail in recipe.trails:
        profile = LineProfile(conditions.fwhm_px, telescope.moffat_beta, trail.width_px, recipe.defocus_px)
        peak_e = trail.peak_sigma * sigma_e + (lift * frame_sigma_e if trail.peak_sigma > 0 else 0.0)
        add_trail(passing, trail, peak_e, profile)
    x_px, y_px = star_places(field, camera, conditions)
    electrons = field.electrons_per_s * exposure_s * _clear_share(sky, recipe, conditions)
    column = np.clip(np.rint(x_px), 0, camera.width_px - 1).astype(np.intp)
    row = np.clip(np.rint(y_px), 0, camera.height_px - 1).astype(np.intp)
    if cloud is not None and recipe.cloud_bank is not None:
        electrons = electrons * (1.0 - recipe.cloud_bank.opacity * cloud[row, column])
    floor_e = STAR_FLOOR_SIGMA * frame_sigma_e * frames
    _add_star_light(light, x_px, y_px, electrons, psf, telescope, recipe, conditions, floor_e)
    if pixels.colour_response is not None:
        tint = np.zeros_like(light)
        _add_star_light(tint, x_px, y_px, electrons * field.colour, psf, telescope, recipe, conditions, floor_e)
        if glow_e is not None:
            tint += np.float32(GLOW_COLOUR) * glow_e
        light += pixels.colour_response * tint
        np.maximum(light, 0.0, out=light)
    light = _behind(light, hidden, recipe, sky_e)
    if frames > 1:
        passing *= pixels.response * np.float32(1.0 if hidden is None else 1.0 - hidden)
    light *= pixels.response
    light += pixels.dark_e_per_s * np.float32(exposure_s)
    seen = electrons if hidden is None else electrons * (1.0 - hidden[row, column])
    inside = (np.abs(x_px - (camera.width_px - 1) / 2) < camera.width_px / 2) & (
        np.abs(y_px - (camera.height_px - 1) / 2) < camera.height_px / 2
    )
    return Exposure(
        pixels=read_out(light, camera, exposure_s, rng, quick, passing if frames > 1 else None),
        background_adu=(float(background_e) + lift * frame_sigma_e) / camera.gain_e_per_adu + camera.bias_adu,
        sky_sigma_adu=sigma_e / camera.gain_e_per_adu,
        hot_pixels=pixels.hot_pixels,
        stars=Stars(x_px[inside], y_px[inside], seen[inside]),
        star_fwhm_px=width_px(psf),
    )


def _clear_share(sky: Sky, recipe: FrameRecipe, conditions: Conditions) -> float:
    """Share of the light above the air that the air and an even veil let through."""
    return float(recipe.transparency * 10 ** (-0.4 * sky.extinction_mag * conditions.airmass))


def _behind(light: Image, hidden: Image | None, recipe: FrameRecipe, sky_e: float) -> Image:
    """Put an obstacle, which glows a little itself, before the light (h, w)."""
    if hidden is None or recipe.occlusion is None:
        return light
    return np.asarray(light + hidden * (recipe.occlusion.glow * sky_e - light), dtype=np.float32)


def _point_spread(telescope: Telescope, recipe: FrameRecipe, conditions: Conditions) -> PointSpread:
    return point_spread(
        conditions.fwhm_px,
        telescope.moffat_beta,
        recipe.defocus_px,
        telescope.obstruction,
        recipe.tracking_px,
        recipe.tracking_angle_deg,
    )


def _glow_light(
    glow: Glow, shape: tuple[int, int], psf: PointSpread, recipe: FrameRecipe, conditions: Conditions
) -> Image:
    """Electrons per second (h, w) above the air, blurred as the stars are."""
    blur: Image | float = conditions.fwhm_px / math.sqrt(8 * math.log(2))
    if recipe.defocus_px > 1 or recipe.tracking_px > 1:
        blur = pixel_kernel(psf, math.ceil(2 * conditions.fwhm_px + recipe.defocus_px + recipe.tracking_px / 2))
    offset = (conditions.dx_px, conditions.dy_px)
    return seen_glow(glow, shape, conditions.rotation_deg, offset, blur)


def _add_star_light(
    light: Image,
    x_px: FloatArray,
    y_px: FloatArray,
    electrons: FloatArray,
    psf: PointSpread,
    telescope: Telescope,
    recipe: FrameRecipe,
    conditions: Conditions,
    floor_e: float,
) -> None:
    """Add stars and their spikes to `light` (h, w) in place."""
    if recipe.turn is not None:
        _add_arcs(light, x_px, y_px, electrons, psf, recipe.turn, floor_e)
        return
    add_stars(light, x_px, y_px, electrons * (1.0 - telescope.spike_fraction), psf, floor_e)
    in_spikes = electrons * telescope.spike_fraction
    profile = LineProfile(conditions.fwhm_px + recipe.tracking_px / 2, telescope.moffat_beta, 0.0, recipe.defocus_px)
    seen = in_spikes > FAINTEST_SPIKE * floor_e * profile.area_px
    for star in np.flatnonzero(seen):
        centre = (float(x_px[star]), float(y_px[star]))
        add_spikes(light, centre, float(in_spikes[star]), telescope.spike_angle_deg, profile, 2 * floor_e)


def _add_arcs(
    light: Image,
    x_px: FloatArray,
    y_px: FloatArray,
    electrons: FloatArray,
    psf: PointSpread,
    turn: FieldTurn,
    floor_e: float,
) -> None:
    """Add stars that draw arcs to `light` (h, w) in place; their places are those in the middle of the exposure."""
    height, width = light.shape
    centre_x, centre_y = turn.x * (width - 1), turn.y * (height - 1)
    from_x, from_y = x_px - centre_x, y_px - centre_y
    farthest = math.hypot(max(centre_x, width - centre_x), max(centre_y, height - centre_y))
    steps = max(1, math.ceil(math.radians(abs(turn.angle_deg)) * farthest / ARC_STEP_PX))
    for step in range(steps):
        angle = math.radians(turn.angle_deg) * ((step + 0.5) / steps - 0.5)
        x = centre_x + from_x * math.cos(angle) - from_y * math.sin(angle)
        y = centre_y + from_x * math.sin(angle) + from_y * math.cos(angle)
        add_stars(light, x, y, electrons / steps, psf, floor_e / math.sqrt(steps))
