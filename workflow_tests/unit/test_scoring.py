"""Scoring: background, hot pixels, saturation, and what holds for frames of any kind."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nebulift.frames.reading import read_frame
from nebulift.scoring.background import enlarged, measure_background
from nebulift.scoring.hot_pixels import find_hot_pixels
from nebulift.scoring.robust import median, standard_deviation_from_mad
from nebulift.scoring.saturation import find_saturated
from nebulift.scoring.score import FrameScore, ScoringSettings, score_frame
from nebulift.simulate.equipment import Camera
from nebulift.simulate.night import simulate_night
from nebulift.simulate.recipe import FrameRecipe, Trail
from unit.skies import Pixels, Places, add_stars, add_trails, frame_of, noise, scattered, scored, seen

CAMERA = Camera(width_px=640, height_px=480)
LARGE = (1800, 1700)
"""More than three million pixels: measured on every other one."""


def simulated(folder: Path, *recipes: FrameRecipe, seed: int = 3) -> list[FrameScore]:
    simulate_night(folder, frames=len(recipes), seed=seed, recipes=recipes, camera=CAMERA)
    return [score_frame(read_frame(path)) for path in sorted(folder.glob("*.fits"))]


def hot_in(raw: NDArray[np.float32], bayer: str = "", sigma: float = 10.0) -> list[tuple[int, int]]:
    """Return the rows and columns of the hot pixels found."""
    frame = frame_of(raw, bayer=bayer)
    background = measure_background(frame.pixels)
    hot = find_hot_pixels(frame.raw, background.residual(frame.pixels), bayer, background, sigma)
    return [divmod(place, raw.shape[1]) for place in hot.tolist()]


class TestBackground:
    def test_level_and_noise_are_the_skys(self) -> None:
        background = measure_background(noise())
        assert background.level_adu == pytest.approx(1000, abs=1)
        assert background.noise_adu == pytest.approx(10, rel=0.05)
        assert np.abs(background.noise_map - 10).max() < 2

    def test_stars_and_a_trail_raise_neither(self) -> None:
        pixels = add_stars(noise(), scattered((300, 400), 120, (2_000.0, 80_000.0)))
        background = measure_background(add_trails(pixels, Trail.across(30, 0, (400, 300), 20.0)))
        assert background.level_adu == pytest.approx(1000, abs=2)
        assert background.noise_adu == pytest.approx(10, rel=0.1)

    def test_a_gradient_is_followed_and_is_no_structure(self) -> None:
        slope = np.linspace(0, 60, 400, dtype=np.float32)
        pixels = noise() + slope
        background = measure_background(pixels)
        assert background.gradient_sigma == pytest.approx(5, rel=0.2)
        assert background.structure_sigma < 0.5
        assert np.abs(enlarged(background.level_map, pixels.shape) - (1000 + slope)).mean() < 3
        assert np.abs(background.residual(pixels)[:, 20:-20].mean(axis=0)).max() < 4

    def test_a_steep_gradient_is_no_noise(self) -> None:
        # The slope within one cell of the mesh is as large as the noise.
        slope = np.linspace(0, 400, 640, dtype=np.float32)
        assert measure_background(noise((480, 640)) + slope).noise_adu == pytest.approx(10, rel=0.15)

    def test_an_even_sky_has_neither_gradient_nor_structure(self) -> None:
        background = measure_background(noise((512, 512)))
        assert background.gradient_sigma < 0.5
        assert background.structure_sigma < 0.2

    def test_patches_are_structure(self) -> None:
        pixels = noise((512, 512))
        pixels[:256, :256] += 60
        pixels[256:, 256:] += 60
        assert measure_background(pixels).structure_sigma > 1

    def test_the_noise_of_a_brighter_part_is_its_own(self) -> None:
        pixels = noise((512, 512))
        pixels[:, 256:] += np.random.default_rng(8).normal(500, 30, (512, 256)).astype(np.float32)
        background = measure_background(pixels)
        noise_map = enlarged(background.noise_map, pixels.shape)
        assert np.median(noise_map[:, :150]) == pytest.approx(10, rel=0.1)
        assert np.median(noise_map[:, -150:]) == pytest.approx(math.hypot(10, 30), rel=0.1)

    def test_pixels_without_a_value_do_not_count(self) -> None:
        pixels = noise()
        pixels[50:80] = np.nan
        background = measure_background(pixels)
        assert background.level_adu == pytest.approx(1000, abs=1)
        assert background.noise_adu == pytest.approx(10, rel=0.05)
        assert background.invalid.sum() == 30 * 400
        residual = background.residual(pixels)
        assert not residual[50:80].any()
        assert np.isfinite(residual).all()

    def test_a_rounded_sky_still_has_the_noise_of_rounding(self) -> None:
        pixels = np.full((100, 100), 10, dtype=np.float32)
        pixels[3, 3] = 11
        background = measure_background(pixels, 0.29)
        assert background.noise_adu == pytest.approx(0.29)
        assert background.noise_map.min() >= np.float32(0.29)
        whole = frame_of(np.full((100, 100), 10, dtype=np.uint16))
        assert score_frame(whole).background.noise_adu == pytest.approx(0.29)

    def test_a_frame_without_any_scatter_divides_by_nothing(self) -> None:
        background = measure_background(np.full((100, 100), 10, dtype=np.float32))
        assert 0 < background.noise_adu < 0.001
        assert (background.noise_map > 0).all()

    def test_large_frames_are_measured_as_small_ones(self) -> None:
        slope = np.linspace(-50, 50, LARGE[1], dtype=np.float32)
        whole = add_stars(noise(LARGE), scattered(LARGE, 1500, (2_000.0, 80_000.0))) + slope
        whole[400:440, 300:700] = np.nan
        large = measure_background(whole)
        part = (slice(0, 1024), slice(0, 1024))
        small = measure_background(whole[part])
        assert whole.size > 3_000_000 > whole[part].size
        assert large.noise_adu == pytest.approx(small.noise_adu, rel=0.03)
        level, noise_map = (enlarged(coarse, whole.shape)[part] for coarse in (large.level_map, large.noise_map))
        assert np.abs(level - enlarged(small.level_map, (1024, 1024)))[64:-64, 64:-64].max() < 3
        assert np.abs(noise_map - enlarged(small.noise_map, (1024, 1024)))[64:-64, 64:-64].max() < 1
        assert large.gradient_sigma == pytest.approx(10, rel=0.1)
        assert large.invalid.sum() == 40 * 400


class TestHotPixels:
    def test_all_are_found_also_at_the_border_and_nothing_else(self) -> None:
        pixels = add_stars(noise(), scattered((300, 400), 60, (2_000.0, 300_000.0)), 1.8)
        places = [(0, 0), (10, 10), (155, 33), (299, 399)]
        for row, column in places:
            pixels[row, column] += 500
        assert hot_in(pixels) == places

    @pytest.mark.parametrize("flux", [3_000.0, 30_000.0, 300_000.0])
    def test_stars_are_never_hot_wherever_their_centre_lies(self, flux: float) -> None:
        places = scattered((600, 600), 400, (flux, 1.0001 * flux))
        assert hot_in(add_stars(noise((600, 600)), places, 1.5)) == []

    def test_noise_is_never_hot(self) -> None:
        assert hot_in(noise((600, 600))) == []

    def test_a_hot_pixel_on_a_gradient_is_one(self) -> None:
        slope = np.linspace(0, 400, 400, dtype=np.float32)
        pixels = noise() + slope
        pixels[[20, 150, 270], [30, 200, 380]] += 300
        assert hot_in(pixels) == [(20, 30), (150, 200), (270, 380)]

    def test_sigma_is_in_units_of_the_sky(self) -> None:
        pixels = np.full((100, 100), 1000, dtype=np.float32) + noise((100, 100)) * 0.1
        pixels[50, 50] += 20
        assert hot_in(pixels, sigma=10.0) == [(50, 50)]
        assert hot_in(pixels, sigma=40.0) == []

    def test_pixels_without_a_value_are_not_hot_and_hide_none(self) -> None:
        pixels = noise()
        pixels[100:110] = np.nan
        pixels[200, 200] = np.inf
        pixels[[50, 99], [60, 70]] += 500
        assert hot_in(pixels) == [(50, 60), (99, 70)]

    @pytest.mark.parametrize("bayer", ["RGGB", "GBRG"])
    def test_the_colours_of_a_mosaic_are_not_hot(self, bayer: str) -> None:
        mosaic = noise()
        mosaic[0::2, 0::2] += 700
        mosaic[1::2, 1::2] -= 500
        mosaic[[100, 201], [100, 301]] += 400
        assert hot_in(mosaic, bayer) == [(100, 100), (201, 301)]

    def test_a_mosaic_under_a_gradient_and_without_some_values(self) -> None:
        mosaic = noise() + np.linspace(0, 1000, 400, dtype=np.float32)
        mosaic[1::2, 1::2] += 600
        mosaic[10:12, 10:20] = np.nan
        mosaic[[30, 251], [371, 40]] += 500
        assert hot_in(mosaic, "RGGB") == [(30, 371), (251, 40)]

    def test_there_may_be_very_many(self) -> None:
        pixels = noise((300, 400))
        places = [(row, column) for row in range(1, 300, 4) for column in range(row // 4 % 3, 400, 3)]
        pixels[tuple(np.array(places).T)] += 500
        assert hot_in(pixels) == places

    def test_whole_numbers_of_any_width_are_told_as_well(self) -> None:
        mosaic = noise().astype(np.int32)
        mosaic[0::2, 0::2] += 700
        mosaic[[100, 201], [100, 301]] += 400
        assert hot_in(mosaic, "RGGB") == hot_in(mosaic.astype(np.uint16), "RGGB") == [(100, 100), (201, 301)]

    def test_a_hot_pixel_of_one_channel_counts(self) -> None:
        colour = np.stack([noise(seed=seed) for seed in (1, 2, 3)], axis=-1)
        colour[40, 50, 2] += 500
        assert hot_in(colour) == [(40, 50)]

    @pytest.mark.parametrize("bayer", ["", "RGGB"])
    def test_hot_pixels_are_taken_out_of_the_residual(self, bayer: str) -> None:
        pixels = noise()
        pixels[[40, 101], [50, 151]] += 3000
        score = scored(pixels, bayer=bayer)
        assert np.argwhere(score.hot).tolist() == [[40, 50], [101, 151]]
        assert score.hot_pixel_fraction == pytest.approx(2 / pixels.size)
        assert score.residual.max() < 80
        for row, column in ((40, 50), (101, 151)):
            assert np.hypot(score.stars.x_px - column, score.stars.y_px - row).min(initial=99) > 10

    def test_dead_pixels_are_counted(self) -> None:
        pixels = noise()
        pixels[[3, 40, 299], [399, 50, 0]] -= 500
        assert scored(pixels).dead_fraction == 3 / pixels.size


class TestSaturation:
    def test_pixels_at_the_level_count_in_any_channel(self) -> None:
        raw = np.zeros((4, 4, 3), dtype=np.uint16)
        raw[1, 2, 0] = 4095
        raw[3, 3, 2] = 4096
        raw[0, 0, 1] = 4094
        assert np.argwhere(find_saturated(raw, 4095)).tolist() == [[1, 2], [3, 3]]

    def test_the_share_is_of_the_frame(self) -> None:
        pixels = noise()
        pixels[:30, :40] = 60000
        assert scored(pixels, saturation_adu=60000).saturated_fraction == pytest.approx(0.01)


class TestSimulatedNights:
    def test_measured_width_follows_the_truth_of_a_night(self, tmp_path: Path) -> None:
        truth = simulate_night(tmp_path, frames=3, seed=9, recipes=[FrameRecipe()] * 3, camera=CAMERA)
        measured = [score_frame(read_frame(path)).stars.fwhm_px for path in sorted(tmp_path.glob("*.fits"))]
        assert measured == pytest.approx([row.star_fwhm_px for row in truth], rel=0.03)

    def test_a_veil_takes_its_share_of_the_light_and_the_moon_none(self, tmp_path: Path) -> None:
        recipes = (FrameRecipe(), FrameRecipe(transparency=0.6), FrameRecipe(moon=4.0))
        clear, veiled, moonlit = (score for score in simulated(tmp_path, *recipes, seed=5))
        flux = clear.stars.flux_15th_adu
        assert veiled.stars.flux_15th_adu / flux == pytest.approx(0.6, abs=0.06)
        assert moonlit.background.level_adu > 1.1 * clear.background.level_adu
        assert moonlit.stars.flux_15th_adu / flux == pytest.approx(1, abs=0.08)


def crossed_field(shape: tuple[int, int]) -> Pixels:
    """Return stars and, where there is room, a trail."""
    number = max(1, min(30, (shape[0] // 20) * (shape[1] // 20)))
    places = scattered(shape, number, (5_000.0, 40_000.0)) if min(shape) >= 20 else Places(*[np.empty(0)] * 3)
    pixels = add_stars(noise(shape), places)
    return add_trails(pixels, Trail.across(37.0, 3.0, shape[::-1], 5.0)) if min(shape) > 120 else pixels


class TestAnyFrame:
    @settings(max_examples=10, deadline=None)
    # Lines of several directions that differ by a sample.
    @example(height=35, width=103)
    @given(height=st.integers(16, 200), width=st.integers(16, 200))
    def test_any_size_is_measured(self, height: int, width: int) -> None:
        score = scored(crossed_field((height, width)))
        assert score.residual.shape == (height, width)
        assert np.isfinite([score.background.level_adu, score.background.noise_adu]).all()
        for streak in score.streaks:
            assert -2 < min(streak.x1_px, streak.x2_px) <= max(streak.x1_px, streak.x2_px) < width + 2
            assert -2 < min(streak.y1_px, streak.y2_px) <= max(streak.y1_px, streak.y2_px) < height + 2

    @settings(max_examples=6, deadline=None)
    @given(offset=st.floats(-2000, 50_000), factor=st.floats(0.01, 100))
    def test_neither_level_nor_gain_of_the_camera_is_seen(self, offset: float, factor: float) -> None:
        pixels = crossed_field((200, 240))
        plain = scored(pixels, saturation_adu=1e9)
        other = scored((pixels.astype(np.float64) * factor + offset * factor).astype(np.float32), saturation_adu=1e9)
        assert len(other.stars) == len(plain.stars) > 20
        assert other.stars.fwhm_px == pytest.approx(plain.stars.fwhm_px, rel=0.01)
        assert other.stars.flux_15th_adu == pytest.approx(factor * plain.stars.flux_15th_adu, rel=0.01)
        assert len(other.streaks) == len(plain.streaks) > 0
        for one, two in zip(plain.streaks, other.streaks, strict=True):
            assert two.significance == pytest.approx(one.significance, rel=0.05)
            assert (two.x1_px, two.y1_px, two.x2_px, two.y2_px) == pytest.approx(
                (one.x1_px, one.y1_px, one.x2_px, one.y2_px), abs=3
            )
            assert two.brightness_adu == pytest.approx(factor * one.brightness_adu, rel=0.1)

    def test_the_same_frame_is_measured_the_same(self) -> None:
        one, two = (scored(crossed_field((200, 240))) for _ in range(2))
        assert one.streaks == two.streaks
        np.testing.assert_array_equal(one.stars.flux_adu, two.stars.flux_adu)

    def test_neither_the_frames_values_nor_its_raw_ones_are_changed(self) -> None:
        frame = frame_of(crossed_field((200, 240)))
        frame.pixels[5, 5] = np.nan
        raw, pixels = frame.raw.copy(), frame.pixels.copy()
        score_frame(frame)
        np.testing.assert_array_equal(frame.raw, raw)
        np.testing.assert_array_equal(frame.pixels, pixels)

    def test_settings_are_obeyed(self) -> None:
        frame = frame_of(crossed_field((200, 240)))
        frame.raw[50, 50] += 500
        frame.pixels[50, 50] += 500
        plain = score_frame(frame)
        strict = score_frame(frame, ScoringSettings(star_sigma=300.0, hot_pixel_sigma=100.0, streak_sigma=200.0))
        assert len(strict.stars) < len(plain.stars)
        assert (plain.hot.sum(), strict.hot.sum()) == (1, 0)
        assert plain.streaks
        assert not strict.streaks


class TestOddFrames:
    @pytest.mark.parametrize("shape", [(16, 16), (20, 300), (300, 20), (40, 41), (64, 2000), (17, 1000)])
    def test_narrow_frames_are_measured_and_hold_nothing(self, shape: tuple[int, int]) -> None:
        score = scored(noise(shape))
        assert len(score.stars) == 0
        assert not seen(score.streaks)

    @pytest.mark.parametrize("level", [0.0, 1000.0, -5.0, 65535.0])
    @pytest.mark.parametrize("bayer", ["", "RGGB"])
    def test_a_frame_of_one_value_holds_nothing(self, level: float, bayer: str) -> None:
        score = scored(np.full((120, 160), level, dtype=np.float32), saturation_adu=70_000, bayer=bayer)
        assert len(score.stars) == 0
        assert not score.streaks
        assert not score.hot.any()

    def test_a_sky_of_whole_numbers_without_noise_holds_nothing_but_its_stars(self) -> None:
        places = scattered((200, 240), 20, (5_000.0, 40_000.0))
        drawn = add_stars(np.full((200, 240), 100, dtype=np.float32), places)
        score = scored(np.rint(drawn).astype(np.uint16))
        assert len(score.stars) == 20
        assert not seen(score.streaks)

    @pytest.mark.parametrize("left", [1, 50, 2000])
    def test_next_to_nothing_but_missing_pixels(self, left: int) -> None:
        pixels = np.full((120, 160), np.nan, dtype=np.float32)
        values = noise((120, 160)).ravel()
        places = np.random.default_rng(3).choice(values.size, left, replace=False)
        pixels.ravel()[places] = values[places]
        score = scored(pixels)
        assert score.background.level_adu == pytest.approx(1000, abs=30)
        assert not seen(score.streaks)
        assert np.isfinite(score.residual).all()

    def test_missing_pixels(self) -> None:
        pixels = noise()
        pixels[100:140, 100:200] = np.nan
        pixels[0, 0] = np.inf
        pixels[200:] = np.nan
        score = scored(pixels)
        assert np.isfinite(score.residual).all()
        assert len(score.stars) == 0
        assert not seen(score.streaks)

    def test_colour_frames_and_mosaics_are_measured(self) -> None:
        pixels = crossed_field((240, 300))
        plain = scored(pixels)
        colour = scored(np.stack([pixels] * 3, axis=-1))
        assert len(colour.stars) == len(plain.stars)
        mosaic = scored(pixels, bayer="RGGB")
        assert len(mosaic.stars) == pytest.approx(len(plain.stars), abs=2)
        assert len(seen(mosaic.streaks)) == len(seen(colour.streaks)) == 1

    @pytest.mark.parametrize("bayer", ["", "RGGB"])
    def test_noise_holds_no_star_also_where_neighbours_share_it(self, bayer: str) -> None:
        assert len(scored(noise((700, 800)), bayer=bayer).stars) <= 1

    def test_frames_from_0_to_1(self) -> None:
        pixels = crossed_field((200, 240))
        plain, small = scored(pixels), scored((pixels / 65535).astype(np.float32), saturation_adu=1.0)
        assert len(small.stars) == len(plain.stars)
        assert small.stars.fwhm_px == pytest.approx(plain.stars.fwhm_px, rel=0.01)
        assert len(small.streaks) == len(plain.streaks)


def test_the_spread_of_a_normal_distribution_is_not_moved_by_wild_values() -> None:
    values = np.random.default_rng(1).normal(5, 2, 10_000)
    values[:500] = 1e6
    assert standard_deviation_from_mad(values) == pytest.approx(2, rel=0.1)


class TestRealFrames:
    def test_visible_trails_stand_out(self, shared_data: Path) -> None:
        for name in ("cutout_HSCA21787010.fits", "cutout_bi327715.fits", "cutout_m20211212UT_image0110.new.fits"):
            score = score_frame(read_frame(shared_data / "trailblazer" / name))
            assert score.streaks[0].significance > 20, name

    def test_frames_of_the_whole_sky_without_a_measurable_star_are_measured(self, shared_data: Path) -> None:
        for path in sorted((shared_data / "dasc").glob("*.FITS")):
            assert np.isfinite(score_frame(read_frame(path)).background.level_adu), path

    def test_clean_frames_of_a_night_have_no_trail(self, shared_data: Path) -> None:
        with (shared_data / "TRUTH.tsv").open(newline="") as file:
            clean = [
                row["path"]
                for row in csv.DictReader(file, delimiter="\t")
                if row["path"].startswith("exotic_hatp32/") and row["verdict"] == "clean"
            ]
        scores = [score_frame(read_frame(shared_data / path)) for path in clean[::24]]
        assert all(not seen(score.streaks) for score in scores)
        assert all(len(score.stars) > 400 for score in scores)


@pytest.mark.parametrize("size", [0, 1, 2, 9_000, 100_001])
@pytest.mark.parametrize("kind", ["noise", "few values", "a slope", "waves", "one without a value"])
def test_the_median_is_numpys(kind: str, size: int) -> None:
    values = np.random.default_rng(size).normal(1000, 10, size).astype(np.float32)
    if kind == "few values":
        values = np.round(values, -1)
    elif kind == "a slope":
        values.sort()
    elif kind == "waves":  # a sample of them may tell nothing
        values = np.where(np.arange(size) % 25 == 0, np.float32(0), values)
    elif size:
        values[size // 2] = np.nan if kind.startswith("one") else values[size // 2]
    expected = float(np.median(values)) if size else math.nan
    assert median(values) == pytest.approx(expected, rel=1e-7, nan_ok=True)
    assert median(values.reshape(1, -1)[:, ::2]) == pytest.approx(
        float(np.median(values[::2])) if size else math.nan, rel=1e-7, nan_ok=True
    )
