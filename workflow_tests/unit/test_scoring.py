"""Scoring: what is measured on frames of known content."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.frames.frame import CaptureMetadata, Frame
from nebulift.frames.reading import read_frame
from nebulift.scoring.background import measure_background
from nebulift.scoring.hot_pixels import find_hot_pixels
from nebulift.scoring.saturation import find_saturated
from nebulift.scoring.score import FrameScore, score_frame
from nebulift.simulate.equipment import Camera
from nebulift.simulate.night import simulate_night
from nebulift.simulate.recipe import FrameRecipe, Trail

CAMERA = Camera(width_px=640, height_px=480)


def scored(folder: Path, *recipes: FrameRecipe, seed: int = 3, **night: object) -> list[FrameScore]:
    simulate_night(folder, frames=len(recipes), seed=seed, recipes=recipes, camera=CAMERA, **night)  # type: ignore[arg-type]
    return [score_frame(read_frame(path)) for path in sorted(folder.glob("*.fits"))]


def sky(shape: tuple[int, int] = (300, 400), level: float = 1000.0, noise: float = 10.0) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(level, noise, shape).astype(np.float32)


def add_star(pixels: NDArray[np.float32], x: float, y: float, fwhm_x: float, fwhm_y: float, peak: float) -> None:
    rows, columns = np.indices(pixels.shape)
    shape = ((columns - x) / fwhm_x) ** 2 + ((rows - y) / fwhm_y) ** 2
    pixels += (peak * np.exp(-4 * math.log(2) * shape)).astype(np.float32)


def frame_of(pixels: NDArray[np.float32], saturation_adu: float = 65535.0, bayer: str = "") -> Frame:
    return Frame(pixels, pixels.copy(), CaptureMetadata(bayer_pattern=bayer), saturation_adu, "header")


class TestBackground:
    def test_level_and_noise_are_the_skys(self) -> None:
        background = measure_background(sky())
        assert background.level_adu == pytest.approx(1000, abs=1)
        assert background.noise_adu == pytest.approx(10, rel=0.05)

    def test_a_gradient_is_followed_and_is_no_structure(self) -> None:
        slope = np.linspace(0, 60, 400, dtype=np.float32)
        background = measure_background(sky() + slope)
        assert background.gradient_sigma == pytest.approx(5, rel=0.2)
        assert background.structure_sigma < 0.5
        assert np.abs(background.level - (1000 + slope)).mean() < 5

    def test_patches_are_structure(self) -> None:
        pixels = sky((512, 512))
        pixels[:256, :256] += 60
        pixels[256:, 256:] += 60
        assert measure_background(pixels).structure_sigma > 1

    def test_pixels_without_a_value_do_not_count(self) -> None:
        pixels = sky()
        pixels[50:80] = np.nan
        background = measure_background(pixels)
        assert background.level_adu == pytest.approx(1000, abs=1)
        assert background.invalid.sum() == 30 * 400

    def test_a_rounded_sky_still_has_the_noise_of_rounding(self) -> None:
        pixels = np.full((100, 100), 10, dtype=np.float32)
        pixels[3, 3] = 11
        assert measure_background(pixels, 0.29).noise_adu == pytest.approx(0.29)


class TestStars:
    def test_shape_of_round_stars(self) -> None:
        pixels = sky()
        for x, y in [(60.3, 50.7), (150.5, 120.2), (250.1, 80.9), (330.8, 200.4), (100.2, 230.6)]:
            add_star(pixels, x, y, 4.0, 4.0, 3000)
        stars = score_frame(frame_of(pixels)).stars
        assert len(stars) == 5
        assert stars.fwhm_px == pytest.approx(4.0, rel=0.03)
        assert stars.hfr_px == pytest.approx(2.0, rel=0.08)
        assert stars.eccentricity < 0.15
        assert sorted(stars.x_px) == pytest.approx([60.3, 100.2, 150.5, 250.1, 330.8], abs=0.1)

    def test_elongation_and_its_direction(self) -> None:
        pixels = sky()
        for x, y in [(60, 50), (150, 120), (250, 80), (330, 200), (100, 230)]:
            add_star(pixels, x, y, 3.0, 6.0, 3000)
        stars = score_frame(frame_of(pixels)).stars
        assert stars.eccentricity == pytest.approx(math.sqrt(1 - 0.25), abs=0.03)
        assert stars.position_angle_deg == pytest.approx(90, abs=3)
        assert stars.elongation_order > 0.9

    def test_hot_pixels_are_no_stars(self) -> None:
        pixels = sky()
        generator = np.random.default_rng(1)
        pixels[generator.integers(5, 295, 200), generator.integers(5, 395, 200)] += 2000
        score = score_frame(frame_of(pixels))
        assert len(score.stars) == 0
        assert math.isnan(score.stars.fwhm_px)
        assert score.hot.sum() > 190

    def test_an_empty_sky_has_no_star_and_breaks_nothing(self) -> None:
        score = score_frame(frame_of(sky()))
        assert len(score.stars) == 0
        assert score.streaks == ()

    def test_half_a_field_without_stars_is_seen(self) -> None:
        pixels = sky((400, 400))
        generator = np.random.default_rng(2)
        for x, y in generator.uniform(10, 390, (500, 2)):
            if x < 200:
                add_star(pixels, x, y, 3.0, 3.0, 1500)
        assert score_frame(frame_of(pixels)).stars.empty_cells >= 0.4

    def test_measured_width_follows_the_truth_of_a_night(self, tmp_path: Path) -> None:
        truth = simulate_night(tmp_path, frames=4, seed=9, recipes=[FrameRecipe()] * 4, camera=CAMERA)
        measured = [score_frame(read_frame(path)).stars.fwhm_px for path in sorted(tmp_path.glob("*.fits"))]
        # A pixel's own width, that of a box, comes on top of the optics'.
        expected = [math.hypot(row.fwhm_px, math.sqrt(8 * math.log(2) / 12)) for row in truth]
        assert measured == pytest.approx(expected, rel=0.05)

    def test_a_veil_takes_its_share_of_the_light(self, tmp_path: Path) -> None:
        clear, veiled = scored(tmp_path, FrameRecipe(), FrameRecipe(transparency=0.6))
        assert veiled.stars.flux_50th_adu / clear.stars.flux_50th_adu == pytest.approx(0.6, abs=0.06)

    def test_moonlight_leaves_the_light_of_the_stars(self, tmp_path: Path) -> None:
        dark, moonlit = scored(tmp_path, FrameRecipe(), FrameRecipe(moon=4.0))
        assert moonlit.background.level_adu > 1.1 * dark.background.level_adu
        assert moonlit.stars.flux_50th_adu / dark.stars.flux_50th_adu == pytest.approx(1, abs=0.08)


class TestHotPixels:
    def test_all_are_found_and_nothing_else(self) -> None:
        pixels = sky()
        for x, y in [(60, 50), (150, 120), (250, 80)]:
            add_star(pixels, x + 0.0, y + 0.0, 1.8, 1.8, 20000)
        places = [(10, 10), (100, 200), (299, 399), (0, 0)]
        for row, column in places:
            pixels[row, column] += 500
        hot = find_hot_pixels(pixels, "", measure_background(pixels), 10)
        assert sorted(zip(*(axis.tolist() for axis in np.nonzero(hot)), strict=True)) == sorted(places)

    def test_the_colours_of_a_mosaic_are_not_hot(self) -> None:
        mosaic = sky()
        mosaic[0::2, 0::2] += 700
        mosaic[1::2, 1::2] -= 500
        mosaic[100, 100] += 400
        hot = find_hot_pixels(mosaic, "RGGB", measure_background(mosaic), 10)
        assert [axis.tolist() for axis in np.nonzero(hot)] == [[100], [100]]


class TestSaturation:
    def test_pixels_at_the_level_count_in_any_channel(self) -> None:
        raw = np.zeros((4, 4, 3), dtype=np.uint16)
        raw[1, 2, 0] = 4095
        raw[3, 3, 2] = 4096
        raw[0, 0, 1] = 4094
        assert np.argwhere(find_saturated(raw, 4095)).tolist() == [[1, 2], [3, 3]]

    def test_the_share_is_of_the_frame(self) -> None:
        pixels = sky()
        pixels[:30, :40] = 60000
        assert score_frame(frame_of(pixels, saturation_adu=60000)).saturated_fraction == pytest.approx(0.01)


class TestStreaks:
    @pytest.mark.parametrize("angle_deg", [12.0, 50.0, 78.0, 101.0, 140.0, 171.0])
    def test_a_plain_trail_is_found_where_it_is(self, tmp_path: Path, angle_deg: float) -> None:
        size = (CAMERA.width_px, CAMERA.height_px)
        trail = Trail.across(angle_deg, 40.0, size, peak_sigma=4.0)
        (score,) = scored(tmp_path, FrameRecipe(trails=(trail,)))
        streak = score.streaks[0]
        assert streak.significance > 15
        found = math.degrees(math.atan2(streak.y2_px - streak.y1_px, streak.x2_px - streak.x1_px)) % 180
        assert abs(found - angle_deg) < 0.6
        # Both ends lie on the line of the trail.
        dx, dy = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        for x, y in ((streak.x1_px, streak.y1_px), (streak.x2_px, streak.y2_px)):
            assert abs(-(x - trail.x0) * dy + (y - trail.y0) * dx) < 4
        assert streak.length_px > 300

    def test_two_trails_are_two(self, tmp_path: Path) -> None:
        size = (CAMERA.width_px, CAMERA.height_px)
        trails = (Trail.across(30.0, -60.0, size, 5.0), Trail.across(115.0, 80.0, size, 5.0))
        (score,) = scored(tmp_path, FrameRecipe(trails=trails))
        assert sum(streak.significance > 15 for streak in score.streaks) == 2

    def test_a_trail_inside_the_frame_has_its_length(self, tmp_path: Path) -> None:
        (score,) = scored(tmp_path, FrameRecipe(trails=(Trail(200, 150, 380, 290, peak_sigma=8.0),)))
        assert score.streaks[0].significance > 15
        assert score.streaks[0].length_px == pytest.approx(math.hypot(180, 140), rel=0.2)

    def test_clean_frames_have_none_to_speak_of(self, tmp_path: Path) -> None:
        scores = scored(tmp_path, *[FrameRecipe()] * 6)
        assert max((s.significance for score in scores for s in score.streaks), default=0) < 11

    def test_nothing_of_the_camera_is_a_trail(self) -> None:
        pixels = sky((400, 500))
        pixels[120] += 30  # a noisy row
        pixels[:, 200:202] += 60  # bad columns
        pixels[:, 330] += 500  # a bleeding one
        pixels[:3] += 100  # the border
        assert not [s for s in score_frame(frame_of(pixels)).streaks if s.significance > 11]

    def test_a_trail_moves_neither_width_nor_shape_of_the_stars(self, tmp_path: Path) -> None:
        trail = Trail.across(50.0, 20.0, (CAMERA.width_px, CAMERA.height_px), 6.0)
        plain, crossed = (
            scored(tmp_path / name, FrameRecipe(trails=trails))[0].stars
            for name, trails in (("plain", ()), ("crossed", (trail,)))
        )
        assert crossed.fwhm_px == pytest.approx(plain.fwhm_px, rel=0.03)
        assert crossed.eccentricity == pytest.approx(plain.eccentricity, abs=0.05)


class TestOddFrames:
    @pytest.mark.parametrize("shape", [(16, 16), (20, 300), (40, 41), (64, 2000)])
    def test_any_size_is_measured(self, shape: tuple[int, int]) -> None:
        score_frame(frame_of(sky(shape)))

    def test_frames_from_0_to_1(self, tmp_path: Path) -> None:
        (plain,) = scored(tmp_path, FrameRecipe())
        frame = read_frame(next(tmp_path.glob("*.fits")))
        small = Frame(
            (frame.pixels / 65535).astype(np.float32),
            (frame.pixels / 65535).astype(np.float32),
            frame.metadata,
            1.0,
            "data type",
        )
        score = score_frame(small)
        assert len(score.stars) == pytest.approx(len(plain.stars), rel=0.02)
        assert score.stars.fwhm_px == pytest.approx(plain.stars.fwhm_px, rel=0.01)

    def test_missing_pixels(self) -> None:
        pixels = sky()
        pixels[100:140, 100:200] = np.nan
        pixels[0, 0] = np.inf
        score = score_frame(frame_of(pixels))
        assert np.isfinite(score.residual).all()
        assert len(score.stars) == 0


class TestRealFrames:
    def test_visible_trails_stand_out(self, shared_data: Path) -> None:
        for name in ("cutout_HSCA21787010.fits", "cutout_bi327715.fits", "cutout_m20211212UT_image0110.new.fits"):
            score = score_frame(read_frame(shared_data / "trailblazer" / name))
            assert score.streaks[0].significance > 30, name

    def test_clean_frames_of_a_night_have_no_trail(self, shared_data: Path) -> None:
        with (shared_data / "TRUTH.tsv").open(newline="") as file:
            clean = [
                row["path"]
                for row in csv.DictReader(file, delimiter="\t")
                if row["path"].startswith("exotic_hatp32/") and row["verdict"] == "clean"
            ]
        scores = [score_frame(read_frame(shared_data / path)) for path in clean[::12]]
        assert all(streak.significance < 15 for score in scores for streak in score.streaks)
        assert all(len(score.stars) > 400 for score in scores)
