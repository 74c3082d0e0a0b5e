"""Stars: which are found, where, how bright and of what shape."""

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.scoring.stars import Stars, find_stars, star_image
from nebulift.simulate.recipe import Trail
from unit.skies import Places, add_stars, add_trails, noise, scattered, scored

SHAPE = (360, 480)
BRIGHT = (8_000.0, 40_000.0)


def matched(stars: Stars, places: Places, within_px: float = 2.0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of stars found and of the places that they belong to."""
    distance = np.hypot(stars.x_px[:, None] - places.x, stars.y_px[:, None] - places.y)
    found = np.flatnonzero(distance.min(axis=1) < within_px)
    return found, distance[found].argmin(axis=1)


class TestFinding:
    @pytest.mark.parametrize("number", [1, 40, 250])
    def test_all_stars_are_found_and_nothing_else(self, number: int) -> None:
        places = scattered(SHAPE, number, (1_500.0, 60_000.0))
        stars = scored(add_stars(noise(SHAPE), places)).stars
        found, truth = matched(stars, places)
        assert len(found) == len(stars) == number
        assert len(set(truth.tolist())) == number

    def test_places_are_those_of_the_stars_brightest_first(self) -> None:
        places = scattered(SHAPE, 60, BRIGHT)
        stars = scored(add_stars(noise(SHAPE), places)).stars
        found, truth = matched(stars, places)
        assert len(found) == 60
        assert np.abs(stars.x_px[found] - places.x[truth]).max() < 0.15
        assert np.abs(stars.y_px[found] - places.y[truth]).max() < 0.15
        assert (np.diff(stars.flux_adu) <= 0).all()

    @pytest.mark.parametrize("fwhm_px", [2.0, 3.0, 5.0])
    def test_flux_is_the_stars_whole_light(self, fwhm_px: float) -> None:
        places = scattered(SHAPE, 60, BRIGHT, distance_px=40)
        stars = scored(add_stars(noise(SHAPE), places, fwhm_px)).stars
        found, truth = matched(stars, places)
        assert len(found) == 60
        ratio = stars.flux_adu[found] / places.flux[truth]
        assert np.median(ratio) == pytest.approx(1, abs=0.02)
        assert np.abs(ratio - 1).max() < 0.08

    def test_the_peak_is_that_above_the_sky(self) -> None:
        places = scattered(SHAPE, 30, BRIGHT)
        stars = scored(add_stars(noise(SHAPE), places, 5.0)).stars
        found, truth = matched(stars, places)
        top = places.flux[truth] / (2 * math.pi * 5.0**2 / (8 * math.log(2)))
        assert np.median(stars.peak_adu[found] / top) == pytest.approx(1, abs=0.1)

    def test_fluxes_of_given_rank(self) -> None:
        places = scattered(SHAPE, 60, BRIGHT)
        stars = scored(add_stars(noise(SHAPE), places)).stars
        ranked = np.sort(places.flux)[::-1]
        assert stars.flux_15th_adu == pytest.approx(ranked[14], rel=0.05)
        assert stars.flux_50th_adu == pytest.approx(ranked[49], rel=0.05)
        few = scored(add_stars(noise(SHAPE), Places(*(axis[:20] for axis in places)))).stars
        assert math.isnan(few.flux_50th_adu)
        assert math.isfinite(few.flux_15th_adu)

    def test_hot_pixels_are_no_stars(self) -> None:
        pixels = noise()
        generator = np.random.default_rng(1)
        pixels[generator.integers(5, 295, 200), generator.integers(5, 395, 200)] += 2000
        stars = scored(pixels).stars
        assert len(stars) == 0
        assert math.isnan(stars.fwhm_px)

    def test_bright_rows_at_the_border_are_no_stars(self) -> None:
        places = scattered(SHAPE, 50, BRIGHT)
        pixels = add_stars(noise(SHAPE), places)
        # Not quite evenly, so that it falls to pieces.
        pixels[-3:] += np.random.default_rng(2).uniform(15, 60, SHAPE[1]).astype(np.float32)
        pixels[:2] += np.random.default_rng(3).uniform(15, 60, SHAPE[1]).astype(np.float32)
        stars = scored(pixels).stars
        found, _ = matched(stars, places)
        assert len(found) == 50
        assert not stars.is_cut[found].any()
        assert np.count_nonzero(~stars.is_cut) - len(found) <= 2

    def test_tracks_of_cosmic_rays_are_no_stars(self) -> None:
        places = scattered(SHAPE, 50, BRIGHT)
        pixels = add_stars(noise(SHAPE), places)
        generator = np.random.default_rng(4)
        # One bright pixel with a dimmer neighbour or two: no optics are that sharp.
        tracks = scattered((SHAPE[0], SHAPE[1]), 40, (1.0, 2.0), seed=8)
        distance = np.hypot(tracks.x[:, None] - places.x, tracks.y[:, None] - places.y).min(axis=1)
        for x, y in zip(tracks.x[distance > 10], tracks.y[distance > 10], strict=True):
            row, column = round(y), round(x)
            pixels[row, column] += generator.uniform(1500, 5000)
            pixels[row, column + 1] += 700
            pixels[row + 1, column + 1] += 500
        stars = scored(pixels).stars
        found, _ = matched(stars, places)
        assert np.count_nonzero(distance > 10) > 20
        assert len(found) == 50
        assert len(stars) - len(found) <= 2

    def test_a_trail_is_no_star_and_moves_no_shape(self) -> None:
        places = scattered(SHAPE, 80, BRIGHT)
        plain = add_stars(noise(SHAPE), places, elongation=0.4)
        trail = Trail.across(35.0, 30.0, SHAPE[::-1], 25.0)
        crossed = scored(add_trails(plain, trail, Trail(60, 310, 160, 210, 40.0, dash_px=20.0))).stars
        stars = scored(plain).stars
        assert len(matched(crossed, places)[0]) > 70
        assert len(crossed) - len(matched(crossed, places)[0]) <= 1
        assert crossed.fwhm_px == pytest.approx(stars.fwhm_px, rel=0.02)
        assert crossed.eccentricity == pytest.approx(stars.eccentricity, abs=0.05)

    @pytest.mark.parametrize("galaxies", [2, 3, 4])
    def test_galaxies_brighter_than_most_of_few_stars_move_no_width(self, galaxies: int) -> None:
        places = scattered(SHAPE, 60, (3_000.0, 30_000.0), distance_px=40)
        places.flux[:3] = 1_500_000.0, 220_000.0, 160_000.0
        pixels = add_stars(noise(SHAPE), places, 6.0)
        middle = Places(np.array([60.0, 330.0, 200.0, 90.0]), np.array([60.0, 80.0, 240.0, 230.0]), np.full(4, 2e6))
        large = Places(*(axis[:galaxies] for axis in middle))
        crowned = add_stars(pixels, large, np.array([38.0, 32.0, 26.0, 36.0])[:galaxies], elongation=0.8)
        assert scored(crowned).stars.fwhm_px == pytest.approx(scored(pixels).stars.fwhm_px, rel=0.03)

    def test_galaxies_are_extended_and_stars_are_not(self) -> None:
        places = scattered(SHAPE, 40, BRIGHT, distance_px=40)
        galaxies = Places(np.array([60.0, 330.0]), np.array([60.0, 80.0]), np.full(2, 1e6))
        pixels = add_stars(noise(SHAPE), places, 4.0)
        stars = scored(add_stars(pixels, galaxies, 26.0, elongation=0.8)).stars
        for x, y in zip(galaxies.x, galaxies.y, strict=True):
            nearest = int(np.argmin(np.hypot(stars.x_px - x, stars.y_px - y)))
            assert stars.is_extended[nearest]
        assert np.count_nonzero(stars.is_extended) == 2
        for alike in (pixels, add_stars(noise(SHAPE), places, 25.0), add_stars(noise(SHAPE), places, 8.0, 0.95)):
            assert not scored(alike).stars.is_extended.any()

    def test_saturated_stars_are_flagged_and_shape_nothing(self) -> None:
        places = scattered(SHAPE, 60, BRIGHT)
        places.flux[:5] = 2_000_000.0
        pixels = np.minimum(add_stars(noise(SHAPE), places), 20_000)
        score = scored(pixels, saturation_adu=20_000)
        found, truth = matched(score.stars, places)
        assert score.stars.is_saturated[found].tolist() == (truth < 5).tolist()
        assert score.stars.fwhm_px == pytest.approx(3.0, rel=0.03)

    def test_half_a_field_without_stars_is_seen(self) -> None:
        places = scattered(SHAPE, 400, BRIGHT)
        assert scored(add_stars(noise(SHAPE), places)).stars.empty_cells < 0.1
        left = places.x < SHAPE[1] / 2
        half = scored(add_stars(noise(SHAPE), Places(*(axis[left] for axis in places)))).stars
        assert half.empty_cells == pytest.approx(0.5, abs=0.1)

    def test_a_noisier_part_of_the_frame_gives_no_stars(self) -> None:
        # A pixel of noise is five sigma where the sky is thrice as noisy as elsewhere.
        pixels = noise((512, 512))
        pixels[:, 256:] += np.random.default_rng(8).normal(0, 30, (512, 256)).astype(np.float32)
        assert len(scored(pixels).stars) <= 2


class TestShapes:
    @pytest.mark.parametrize("fwhm_px", [2.0, 2.5, 3.0, 4.5, 8.0])
    def test_width_within_three_per_cent(self, fwhm_px: float) -> None:
        places = scattered(SHAPE, 40, (20_000.0, 60_000.0), distance_px=40)
        stars = scored(add_stars(noise(SHAPE), places, fwhm_px)).stars
        assert stars.fwhm_px == pytest.approx(fwhm_px, rel=0.03)
        # A Gaussian holds half of its light within half of its FWHM.
        assert stars.hfr_px == pytest.approx(fwhm_px / 2, rel=0.08)

    @pytest.mark.parametrize("elongation", [0.0, 0.2, 0.4, 0.6, 0.8])
    def test_eccentricity_of_noisy_stars(self, elongation: float) -> None:
        places = scattered(SHAPE, 60, (2_500.0, 40_000.0))
        stars = scored(add_stars(noise(SHAPE), places, 3.5, elongation, 30.0)).stars
        assert stars.eccentricity == pytest.approx(elongation, abs=0.03)
        assert stars.fwhm_px == pytest.approx(3.5, rel=0.01)

    @pytest.mark.parametrize("angle_deg", [0.0, 30.0, 90.0, 145.0])
    def test_position_angle_from_x_towards_y(self, angle_deg: float) -> None:
        places = scattered(SHAPE, 40, BRIGHT)
        stars = scored(add_stars(noise(SHAPE), places, 3.5, 0.6, angle_deg)).stars
        assert abs((stars.position_angle_deg - angle_deg + 90) % 180 - 90) < 3
        assert stars.elongation_order > 0.9

    def test_elongation_without_a_common_direction_is_told_apart(self) -> None:
        places = scattered(SHAPE, 60, BRIGHT)
        pixels = noise(SHAPE)
        generator = np.random.default_rng(2)
        for star in range(60):
            one = Places(*(axis[star : star + 1] for axis in places))
            pixels = add_stars(pixels, one, 3.5, 0.6, generator.uniform(0, 180))
        assert scored(pixels).stars.elongation_order < 0.5

    def test_tilt_is_the_growth_of_the_width_over_the_field(self) -> None:
        places = scattered(SHAPE, 80, BRIGHT, distance_px=30)
        widths = 3.5 + 1.4 * (places.x / SHAPE[1] - 0.5)
        tilted = scored(add_stars(noise(SHAPE), places, widths)).stars
        assert tilted.fwhm_tilt == pytest.approx(0.4, abs=0.08)
        assert tilted.fwhm_px == pytest.approx(3.5, rel=0.01)
        assert scored(add_stars(noise(SHAPE), places, 3.5)).stars.fwhm_tilt < 0.08

    def test_a_neighbour_is_not_part_of_a_star(self) -> None:
        places = scattered(SHAPE, 40, (20_000.0, 60_000.0), distance_px=40)
        close = Places(
            np.concatenate([places.x, places.x + 7]), np.tile(places.y, 2), np.concatenate([places.flux] * 2)
        )
        assert scored(add_stars(noise(SHAPE), close, 3.0)).stars.fwhm_px == pytest.approx(3.0, rel=0.05)

    def test_stars_drawn_long_by_the_mount_are_stars(self) -> None:
        places = scattered(SHAPE, 50, (40_000.0, 200_000.0), distance_px=50)
        pixels = add_stars(np.zeros(SHAPE, dtype=np.float32), places, 3.0)
        line = cv2.getRotationMatrix2D((20, 20), -25.0, 1.0)
        kernel = np.zeros((41, 41), dtype=np.float32)
        kernel[20, 8:33] = 1
        kernel = cv2.warpAffine(kernel, line, (41, 41))
        stars = scored(noise(SHAPE) + cv2.filter2D(pixels, -1, kernel / kernel.sum())).stars
        assert len(stars) == pytest.approx(50, abs=4)
        assert stars.eccentricity > 0.9
        assert abs(stars.position_angle_deg - 25) < 4


class TestLargeFrames:
    def test_large_and_small_frames_agree(self) -> None:
        # The same sky as a part of a frame large enough to be binned, and alone.
        places = scattered(SHAPE, 100, (8_000.0, 80_000.0))
        part = add_stars(noise(SHAPE), places)
        whole = noise((1800, 1700), seed=6)
        whole[600:960, 800:1280] = part
        small, large = scored(part).stars, scored(whole).stars
        assert len(small) == len(large) == 100
        distance = np.hypot(large.x_px[:, None] - 800 - small.x_px, large.y_px[:, None] - 600 - small.y_px)
        assert distance.min(axis=1).max() < 0.2
        ratio = large.flux_adu / small.flux_adu[distance.argmin(axis=1)]
        assert np.abs(ratio - 1).max() < 0.02
        assert large.fwhm_px == pytest.approx(small.fwhm_px, rel=0.01)
        assert large.eccentricity == pytest.approx(small.eccentricity, abs=0.03)

    def test_only_large_frames_are_binned_and_nothing_but_the_last_odd_row_and_column_is_lost(self) -> None:
        small = noise((300, 400))
        image, binning = star_image(small)
        assert binning == 1
        assert image is small
        large = noise((1801, 1703))
        image, binning = star_image(large)
        assert (binning, image.shape) == (2, (900, 851))
        assert image[3, 5] == pytest.approx(large[6:8, 10:12].mean(), rel=1e-5)

    def test_what_stands_out_is_in_units_of_the_noise(self) -> None:
        places = scattered(SHAPE, 60, (500.0, 3_000.0))
        score = scored(add_stars(noise(SHAPE), places))
        image, binning = star_image(score.residual)
        counts = [
            len(find_stars(score.residual, image, binning, score.background, score.saturated, sigma))
            for sigma in (4.0, 8.0, 16.0, 1e6)
        ]
        assert counts[0] > counts[1] > counts[2] > counts[3] == 0
