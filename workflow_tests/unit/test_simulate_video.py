"""Meteor cameras, which keep the brightest of many video frames in each pixel."""

from dataclasses import replace

import numpy as np
import pytest

from nebulift.simulate.drawn_set_ups import draw_set_up
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import Exposure, expose
from nebulift.simulate.field import Conditions, Field, generator
from nebulift.simulate.recipe import FrameRecipe, Trail
from nebulift.simulate.video import brightest_frame, lift_and_scatter

CAMERA = Camera(
    bits=8,
    video_frames=256,
    width_px=300,
    height_px=200,
    gain_e_per_adu=0.25,
    read_noise_e=2.0,
    bias_adu=10.0,
    dark_e_per_s=0.0,
    hot_pixel_fraction=0.0,
    pixel_gain_rms=0.0,
    cosmic_rays_per_mpix_per_s=0.0,
)
SKY = Sky(gradient=0.0, sky_e_per_s_per_px=50.0)
OVERHEAD = Conditions(hours=0.0, airmass=1.0, fwhm_px=1.5, dx_px=0.0, dy_px=0.0)
NO_STARS = Field(*(np.empty(0) for _ in range(4)))


def exposed(*trails: Trail, camera: Camera = CAMERA) -> Exposure:
    recipe = FrameRecipe(trails=trails)
    return expose(NO_STARS, camera, Telescope(vignetting=0.0), SKY, recipe, OVERHEAD, 10.24, generator(1, "frame"))


@pytest.mark.parametrize("frames", [1, 16, 256])
def test_the_brightest_of_many_draws_is_drawn_at_once(frames: int) -> None:
    light, nothing = np.full((100, 120), 400.0 * frames, np.float32), np.zeros((100, 120), np.float32)
    quick = brightest_frame(light, nothing, 5.0, frames, np.random.default_rng(1))
    slow = np.random.default_rng(2).normal(400.0, np.sqrt(425.0), (frames, 100, 120)).max(axis=0)
    assert quick.mean() == pytest.approx(slow.mean(), abs=1.0)
    assert quick.std() == pytest.approx(slow.std(), rel=0.05)
    lift, scatter = lift_and_scatter(frames)
    assert np.median(slow) == pytest.approx(400 + lift * np.sqrt(425.0), abs=1.0)
    assert slow.std() == pytest.approx(scatter * np.sqrt(425.0), rel=0.1)


def test_background_and_noise_are_those_of_the_brightest_frame() -> None:
    exposure = exposed()
    assert exposure.background_adu == pytest.approx(float(exposure.pixels.mean()), abs=0.5)
    assert exposure.sky_sigma_adu == pytest.approx(float(exposure.pixels.std()), rel=0.12)
    single = exposed(camera=replace(CAMERA, video_frames=1, bits=16))
    assert exposure.background_adu < 0.2 * single.background_adu


def test_a_trail_shows_where_it_outshines_the_brightest_sky() -> None:
    trail = Trail(50.0, 60.0, 250.0, 140.0, 20.0)
    lit, dark = exposed(trail), exposed()
    added = (lit.pixels.astype(float) - dark.pixels) / dark.sky_sigma_adu
    assert added.min() >= 0
    assert np.median(added[:, 60:240].max(axis=0)) == pytest.approx(20, rel=0.35)
    assert not added[:40].any()
    assert exposed(replace(trail, peak_sigma=5000.0)).pixels.max() == CAMERA.saturation_adu == 255


def test_meteor_cameras_are_not_drawn_for_training() -> None:
    drawn = [draw_set_up(np.random.default_rng(seed), 640, 480) for seed in range(60)]
    assert not [set_up for set_up in drawn if "fixed camera" in set_up.telescope.name or set_up.camera.bits < 10]
