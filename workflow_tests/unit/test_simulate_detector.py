"""What the simulated camera does to light: noise, gain, bias, clipping, defects, colour filters."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from nebulift.simulate.detector import detector
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import expose, render_frame
from nebulift.simulate.field import Conditions, Field, generator
from nebulift.simulate.recipe import FrameRecipe

CAMERA = Camera(width_px=300, height_px=200, hot_pixel_fraction=0.0, pixel_gain_rms=0.0, cosmic_rays_per_mpix_per_s=0.0)
TELESCOPE = Telescope(vignetting=0.0)
SKY = Sky(gradient=0.0)
OVERHEAD = Conditions(hours=0.0, airmass=1.0, fwhm_px=3.0, dx_px=0.0, dy_px=0.0)
NO_STARS = Field(*(np.empty(0) for _ in range(4)))


def sky_frame(
    camera: Camera,
    telescope: Telescope = TELESCOPE,
    sky: Sky = SKY,
    recipe: FrameRecipe | None = None,
    exposure_s: float = 60.0,
    seed: int = 1,
    field: Field = NO_STARS,
) -> npt.NDArray[np.uint16]:
    rng = generator(seed, "frame")
    return render_frame(field, camera, telescope, sky, recipe or FrameRecipe(), OVERHEAD, exposure_s, rng)


@pytest.mark.parametrize("gain", [0.5, 2.0])
@pytest.mark.parametrize("sky_e", [0.5, 40.0])
def test_sky_level_and_variance_follow_gain_poisson_and_read_noise(gain: float, sky_e: float) -> None:
    camera = replace(CAMERA, gain_e_per_adu=gain, read_noise_e=6.0, dark_e_per_s=0.1)
    pixels = sky_frame(camera, sky=replace(SKY, sky_e_per_s_per_px=sky_e)).astype(float)
    electrons = (sky_e + 0.1) * 60.0
    rounding = 1.0 / 12.0
    assert pixels.mean() == pytest.approx(500.0 + electrons / gain, abs=6 * pixels.std() / 245)
    assert pixels.var() == pytest.approx((electrons + 6.0**2) / gain**2 + rounding, rel=0.03)


def test_a_dark_and_starless_second_shows_bias_and_read_noise() -> None:
    camera = replace(CAMERA, bias_adu=123.0, read_noise_e=8.0, gain_e_per_adu=1.0, dark_e_per_s=0.0)
    pixels = sky_frame(camera, sky=replace(SKY, sky_e_per_s_per_px=0.0)).astype(float)
    assert pixels.mean() == pytest.approx(123.0, abs=0.2)
    assert pixels.std() == pytest.approx(8.0, rel=0.02)


def test_background_and_sigma_of_the_exposure_are_those_of_the_pixels() -> None:
    camera = replace(CAMERA, dark_e_per_s=0.3)
    recipe = FrameRecipe(moon=3.0, transparency=0.7)
    exposure = expose(NO_STARS, camera, TELESCOPE, SKY, recipe, OVERHEAD, 90.0, generator(1, "frame"))
    error = float(exposure.pixels.std()) / 245
    assert exposure.background_adu == pytest.approx(float(exposure.pixels.mean()), abs=4 * error)
    assert exposure.sky_sigma_adu == pytest.approx(float(exposure.pixels.std()), rel=0.02)


@pytest.mark.parametrize(
    ("bits", "full_well_e", "top"), [(12, 1e6, 4095), (16, 1e6, 65535), (16, 20_000.0, 20_000 // 2 + 500)]
)
def test_a_saturated_star_sits_exactly_at_the_converters_top_or_the_full_well(
    bits: int, full_well_e: float, top: int
) -> None:
    camera = replace(CAMERA, bits=bits, full_well_e=full_well_e, gain_e_per_adu=2.0)
    star = Field(np.array([150.0]), np.array([100.0]), np.array([5e6]), np.array([0.0]))
    pixels = sky_frame(camera, field=star)
    assert pixels.max() == top == camera.saturation_adu
    assert np.count_nonzero(pixels == top) > 9
    assert pixels[100, 150] == top


def test_hot_pixels_stay_where_they_are_through_frames_nights_and_skies() -> None:
    camera = replace(CAMERA, hot_pixel_fraction=2e-3)
    hot = [
        set(zip(*np.nonzero(frame > np.median(frame) + 10 * 16), strict=True))
        for frame in (sky_frame(camera, seed=1), sky_frame(camera, seed=2, sky=replace(SKY, gradient=0.1)))
    ]
    expected = detector(camera, TELESCOPE).hot_pixels
    detector.cache_clear()
    assert detector(camera, TELESCOPE).hot_pixels == expected
    hot.append(set(zip(*np.nonzero(detector(camera, TELESCOPE).dark_e_per_s > 5.0), strict=True)))
    assert len(hot[2] & hot[0]) > 0.7 * expected
    assert 80 < expected < 160
    assert len(hot[0] & hot[1]) > 0.6 * expected
    assert len(hot[0] ^ hot[1]) < 0.15 * expected
    other_camera = sky_frame(replace(camera, name="another"))
    elsewhere = set(zip(*np.nonzero(other_camera > np.median(other_camera) + 160), strict=True))
    assert len(elsewhere & hot[0]) <= 3


def test_hot_pixels_brighten_with_the_exposure() -> None:
    camera = replace(CAMERA, hot_pixel_fraction=2e-3)
    hot = detector(camera, TELESCOPE).dark_e_per_s > 100.0
    short, long = (sky_frame(camera, exposure_s=seconds).astype(float) for seconds in (10.0, 40.0))
    sky = SKY.sky_e_per_s_per_px / camera.gain_e_per_adu
    assert np.mean(long[hot] - 500 - 40 * sky) == pytest.approx(4 * np.mean(short[hot] - 500 - 10 * sky), rel=0.03)


def test_cosmic_rays_are_new_in_each_frame_and_as_many_as_asked() -> None:
    camera = replace(CAMERA, cosmic_rays_per_mpix_per_s=20.0)
    first, second = (sky_frame(camera, seed=seed) for seed in (1, 2))
    struck = [frame > np.median(frame) + 160 for frame in (first, second)]
    # 72 hits of 5 pixels or so in 60,000 pixels; two frames share next to none.
    assert all(150 < np.count_nonzero(frame) < 700 for frame in struck)
    assert np.count_nonzero(struck[0] & struck[1]) < 20
    assert not np.any(sky_frame(CAMERA) > np.median(first) + 160)


def test_vignetting_darkens_the_corners_by_its_fraction() -> None:
    telescope = Telescope(vignetting=0.4)
    pixels = sky_frame(CAMERA, telescope, replace(SKY, sky_e_per_s_per_px=200.0)).astype(float) - CAMERA.bias_adu
    centre = pixels[95:105, 145:155].mean()
    corners = [pixels[:4, :4].mean(), pixels[:4, -4:].mean(), pixels[-4:, :4].mean(), pixels[-4:, -4:].mean()]
    assert np.array(corners) / centre == pytest.approx(0.6, abs=0.02)


def test_the_gradient_rises_by_its_fraction_in_its_direction() -> None:
    sky = Sky(sky_e_per_s_per_px=200.0, gradient=0.3, gradient_angle=90.0)
    rows = (sky_frame(replace(CAMERA, height_px=300), sky=sky).astype(float) - CAMERA.bias_adu).mean(axis=1)
    assert rows[-1] / rows[0] == pytest.approx(1.15 / 0.85, rel=0.01)


def test_pixel_gains_scatter_as_asked_and_stay() -> None:
    camera = replace(CAMERA, pixel_gain_rms=0.02)
    bright = replace(SKY, sky_e_per_s_per_px=400.0)
    first, second = (sky_frame(camera, sky=bright, seed=seed).astype(float) - 500.0 for seed in (1, 2))
    shared = np.cov(first.ravel(), second.ravel())[0, 1]
    assert np.sqrt(shared) / first.mean() == pytest.approx(0.02, rel=0.05)


def test_bad_columns_are_narrow_dark_and_stay() -> None:
    camera = replace(CAMERA, bad_columns=1)
    bright = replace(SKY, sky_e_per_s_per_px=400.0)
    last_rows = [sky_frame(camera, sky=bright, seed=seed)[-3:].astype(float).mean(axis=0) for seed in (1, 2)]
    dark = [np.flatnonzero(row < 0.97 * np.median(row)) for row in last_rows]
    assert len(dark[0]) == 1
    assert dark[0] == dark[1]


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_a_bayer_frame_carries_its_pattern(pattern: str) -> None:
    camera = replace(CAMERA, bayer_pattern=pattern, width_px=301)
    pixels = sky_frame(camera, sky=replace(SKY, sky_e_per_s_per_px=50.0)).astype(float) - camera.bias_adu
    levels = [pixels[row::2, column::2].mean() for row in (0, 1) for column in (0, 1)]
    greens = [level for level, letter in zip(levels, pattern, strict=True) if letter == "G"]
    for level, letter in zip(levels, pattern, strict=True):
        assert level / greens[0] == pytest.approx({"R": 0.65, "G": 1.0, "B": 0.6}[letter], rel=0.02)


def test_a_red_star_is_redder_than_a_white_one() -> None:
    camera = replace(CAMERA, bayer_pattern="RGGB")
    places = np.array([75.0, 225.0]), np.array([100.0, 100.0])
    stars = Field(*places, np.array([2e3, 2e3]), np.array([0.0, 1.0]))
    light = sky_frame(camera, field=stars).astype(float) - sky_frame(camera).astype(float)
    white, red = light[80:120, 50:100], light[80:120, 200:250]
    red_over_blue = [star[::2, ::2].sum() / star[1::2, 1::2].sum() for star in (white, red)]
    assert red_over_blue[1] / red_over_blue[0] == pytest.approx(1.3 / 0.6, rel=0.05)


@pytest.mark.parametrize("wrong", [{"bits": 32}, {"bayer_pattern": "RGB"}, {"bayer_pattern": "rggb"}])
def test_a_camera_that_cannot_be_is_refused_by_the_fields_name(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(CAMERA, **wrong)  # type: ignore[arg-type]
