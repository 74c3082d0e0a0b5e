"""Set-ups drawn at random from the parts of the development half: many cameras, telescopes and skies to learn from."""

import math
from dataclasses import fields, replace
from typing import TypeVar

from numpy.random import Generator

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.set_ups import SetUp, sky_glow
from nebulift.simulate.set_ups_for_development import DEVELOPMENT

_Part = TypeVar("_Part", Camera, Telescope)
_CAMERA_PARTS = (
    ("bits", "gain_e_per_adu", "read_noise_e", "bias_adu", "full_well_e"),
    ("bayer_pattern",),
    ("dark_e_per_s", "hot_pixel_fraction", "cosmic_rays_per_mpix_per_s"),
    ("bad_columns", "hot_columns", "blooms"),
    ("dust_shadows", "dead_areas", "pixel_gain_rms"),
    ("row_banding_e", "column_banding_e", "row_pattern_e", "column_pattern_e"),
    ("edge_rows", "edge_row_e"),
    ("amplifier_glow_e_per_s",),
)
"""What comes together from one camera of the development half."""
_STILL = tuple(set_up for set_up in DEVELOPMENT if set_up.camera.video_frames == 1)
"""Without the meteor camera, which is no telescope's."""
_SPREAD = 0.25
"""By which measured properties are varied, rms of their logarithm."""
_MOST_STARS = 2500
"""Brighter than magnitude 14 in a frame: more take long to draw and lie on each other."""
_SKY_OF_SATURATION = 0.3
"""Which the sky reaches at most: nobody exposes longer."""


def draw_set_up(rng: Generator, width_px: int, height_px: int) -> SetUp:
    """Draw a set-up with frames of this size in pixels; the same generator state gives the same one."""
    number = int(rng.integers(1 << 31))
    camera = _camera(rng, number, width_px, height_px)
    telescope = _telescope(rng)
    sky = _sky(rng, telescope, width_px * height_px)
    room_e = (camera.saturation_adu - camera.bias_adu) * camera.gain_e_per_adu
    longest_s = _SKY_OF_SATURATION * room_e / (sky.sky_e_per_s_per_px * sky.moon + camera.dark_e_per_s)
    exposure_s = max(1.0, min(_evenly(rng, 20.0, 300.0), longest_s))
    return SetUp(f"drawn {number}", "development", (), camera, telescope, sky, round(exposure_s, 1))


def _camera(rng: Generator, number: int, width_px: int, height_px: int) -> Camera:
    cameras = [set_up.camera for set_up in _STILL]
    parts: dict[str, object] = {}
    for names in _CAMERA_PARTS:
        donor = cameras[rng.integers(len(cameras))]
        parts |= {name: getattr(donor, name) for name in names}
    drawn = replace(Camera(), name=f"Drawn camera {number}", width_px=width_px, height_px=height_px, **parts)  # type: ignore[arg-type]
    return _varied(rng, drawn, but=("width_px", "height_px", "bits"))


def _telescope(rng: Generator) -> Telescope:
    telescopes = [set_up.telescope for set_up in _STILL]
    drawn: Telescope = _varied(rng, telescopes[rng.integers(len(telescopes))], but=("moffat_beta", "spike_angle_deg"))
    return replace(
        drawn,
        moffat_beta=round(rng.uniform(2.5, 4.6), 2),
        spike_angle_deg=round(rng.uniform(0.0, 90.0), 1),
        vignetting=min(drawn.vignetting, 0.5),
        obstruction=min(drawn.obstruction, 0.45),
        flips_at_meridian=bool(rng.random() < 0.3),
    )


def _sky(rng: Generator, telescope: Telescope, pixels: int) -> Sky:
    """Draw a sky; how sharp it is, is drawn in pixels, so that every telescope meets fine and coarse sampling."""
    skies = [set_up.sky for set_up in _STILL]
    like = skies[rng.integers(len(skies))]
    square_degrees = pixels * (telescope.pixel_scale_arcsec / 3600) ** 2
    return replace(
        like,
        star_density=min(_evenly(rng, 80.0, 3500.0), _MOST_STARS / square_degrees),
        sky_e_per_s_per_px=sky_glow(telescope, rng.uniform(19.2, 21.4)),
        gradient=round(rng.uniform(0.0, 0.35), 3),
        gradient_angle=round(rng.uniform(0.0, 360.0), 1),
        moon=like.moon if like.moon == 1 else round(rng.uniform(1.5, 8.0), 2),
        seeing_arcsec=round(_evenly(rng, 1.6, 6.0) * telescope.pixel_scale_arcsec, 2),
        transit_hours=round(rng.uniform(0.2, 3.0), 2),
        cloud_brightness=round(rng.uniform(0.7, 2.0), 2),
    )


def _varied(rng: Generator, part: _Part, but: tuple[str, ...]) -> _Part:
    """Scale every real number of a camera or telescope by a factor of its own near 1; nothing stays nothing."""
    scaled = {
        one.name: value * math.exp(rng.normal(0.0, _SPREAD))
        for one in fields(part)
        if isinstance(value := getattr(part, one.name), float) and one.name not in but
    }
    return replace(part, **scaled)  # type: ignore[arg-type]


def _evenly(rng: Generator, least: float, most: float) -> float:
    """Draw evenly in the logarithm."""
    return math.exp(rng.uniform(math.log(least), math.log(most)))
