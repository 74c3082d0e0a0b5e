"""Bright trails: meteors, saturated and broken ones, told from galaxies, rows of stars and bleeding columns."""

import math

import cv2
import numpy as np
import pytest

from nebulift.scoring.cross_section import cross_section, is_sharp, is_too_thin_for_a_galaxy
from nebulift.scoring.dashes import find_rows
from nebulift.scoring.pieces import find_pieces
from nebulift.scoring.search_image import make_search_image
from nebulift.scoring.stars import star_image
from nebulift.simulate.catalogue import clean_exposure, exposure_of, set_ups
from nebulift.simulate.recipe import FrameRecipe, Trail
from unit.skies import (
    NOISE_ADU,
    Pixels,
    Places,
    add_stars,
    add_trails,
    beside_px,
    noise,
    scattered,
    scored,
    seen,
    unit_noise,
    with_line,
)

SHAPE = (480, 640)
FULL_ADU = 9000.0
(METEORS,) = (entry for entry in set_ups("development", 900, 500) if entry.name == "meteor camera")


def field(seed: int = 3) -> Pixels:
    return add_stars(noise(SHAPE, seed), scattered(SHAPE, 120, (600.0, 30_000.0), seed))


def found(pixels: Pixels, trail: Trail) -> bool:
    """Tell whether a frame, full at FULL_ADU, shows one streak, on this trail."""
    streaks = seen(scored(np.minimum(pixels, FULL_ADU), saturation_adu=FULL_ADU).streaks)
    return len(streaks) == 1 and beside_px(streaks[0], trail) < 3


class TestMeteors:
    @pytest.mark.parametrize(
        "meteor",
        [
            Trail(300.0, 200.0, 460.0, 290.0, 25.0, taper=1.2, width_px=1.0),
            Trail(300.0, 200.0, 352.0, 281.0, 150.0, taper=0.6, width_px=2.0),
            Trail(200.0, 330.0, 620.0, 205.0, 60.0, taper=1.0, width_px=2.0),
            Trail(400.0, 100.0, 460.0, 130.0, 600.0, width_px=2.5),
        ],
        ids=["fading", "short", "long", "saturated"],
    )
    def test_a_meteor_camera_shows_them(self, meteor: Trail) -> None:
        exposure = exposure_of(METEORS, 5, 0, FrameRecipe(trails=(meteor,)))
        streaks = seen(scored(exposure.pixels, METEORS.camera.saturation_adu).streaks)
        assert len(streaks) == 1
        assert beside_px(streaks[0], meteor) < 3

    @pytest.mark.parametrize("seed", [5, 6])
    def test_a_clean_frame_of_it_shows_none(self, seed: int) -> None:
        exposure = clean_exposure(METEORS, seed, 0)
        assert not seen(scored(exposure.pixels, METEORS.camera.saturation_adu).streaks)

    def test_whole_numbers_hardly_above_the_noise_make_no_defective_columns(self) -> None:
        exposure = clean_exposure(METEORS, 5, 0)
        score = scored(exposure.pixels, METEORS.camera.saturation_adu)
        image, binning = star_image(score.residual)
        search = make_search_image(
            score.residual,
            score.background.invalid,
            score.saturated,
            image,
            binning,
            score.stars,
            score.background.noise_adu,
        )
        assert search.masked.mean() < 0.1

    def test_on_a_telescopes_frame_one_that_fades(self) -> None:
        meteor = Trail(250.0, 150.0, 370.0, 235.0, 30.0, taper=1.0)
        assert found(add_trails(field(), meteor), meteor)

    def test_one_that_flares(self) -> None:
        meteor = Trail(200.0, 100.0, 420.0, 260.0, 12.0, taper=0.8)
        flare = Trail(310.0, 180.0, 376.0, 228.0, 80.0, taper=0.3, width_px=2.0)
        assert found(add_trails(field(), meteor, flare), meteor)


class TestSaturated:
    @pytest.mark.parametrize("angle_deg", [8.0, 40.0])
    @pytest.mark.parametrize("length_px", [90.0, 240.0])
    def test_a_bright_one_inside_the_frame(self, angle_deg: float, length_px: float) -> None:
        step_x, step_y = (
            length_px * value for value in (math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)))
        )
        trail = Trail(300.0, 200.0, 300.0 + step_x, 200.0 + step_y, 1500.0, width_px=2.0)
        assert found(add_trails(field(), trail), trail)


class TestBroken:
    @pytest.mark.parametrize(("dash_px", "peak_sigma"), [(12.0, 60.0), (18.0, 40.0), (30.0, 60.0)])
    def test_bright_dashes_are_one_trail(self, dash_px: float, peak_sigma: float) -> None:
        trail = Trail.across(24.0, 35.0, SHAPE[::-1], peak_sigma, dash_px=dash_px)
        streaks = seen(scored(add_trails(field(), trail)).streaks)
        assert streaks
        assert beside_px(streaks[0], trail) < 3
        assert streaks[0].length_px > 0.6 * trail.length_px(SHAPE[1], SHAPE[0])

    @staticmethod
    def patches(places: list[tuple[float, float, float]], reach: float = 5.0) -> Pixels:
        """Return an image with a short line through each place (x, y, direction in degrees)."""
        image = np.zeros((400, 600), dtype=np.float32)
        for x, y, angle in places:
            dx, dy = reach * math.cos(math.radians(angle)), reach * math.sin(math.radians(angle))
            image = with_line(image, x - dx, y - dy, x + dx, y + dy, 30.0)
        return image

    @staticmethod
    def rows_of(image: Pixels) -> list[tuple[float, float, float, float]]:
        count, labels, boxes, _ = cv2.connectedComponentsWithStats((image > 4).view(np.uint8), connectivity=8)
        return [row.ends for row in find_rows(labels, boxes, np.ones(count, dtype=bool))]

    def test_dashes_in_line_make_a_row(self) -> None:
        image = self.patches([(100.0 + 24 * i, 80.0 + 12 * i, 26.6) for i in range(12)])
        (ends,) = self.rows_of(image)
        assert sorted(ends[::2]) == pytest.approx([96, 368], abs=4)
        assert sorted(ends[1::2]) == pytest.approx([78, 214], abs=4)

    def test_what_lies_across_or_beside_makes_none(self) -> None:
        across = self.patches([(100.0 + 24 * i, 80.0 + 12 * i, 116.6) for i in range(12)])
        assert not self.rows_of(across)
        generator = np.random.default_rng(4)
        beside = self.patches([(*generator.uniform((20, 20), (580, 380)), 26.6) for _ in range(40)])
        assert not self.rows_of(beside)

    def test_dashes_far_apart_make_none(self) -> None:
        image = self.patches([(20.0 + 80 * i, 40.0 + 40 * i, 26.6) for i in range(7)], reach=3.0)
        assert not self.rows_of(image)


class TestCrossSection:
    ENDS = (100.0, 100.0, 300.0, 180.0)

    def line(self, peak: float, sigma_px: float) -> Pixels:
        return with_line(unit_noise((300, 400)), *self.ENDS, peak, sigma_px)

    @property
    def ends(self) -> tuple[float, float, float, float]:
        return self.ENDS

    @pytest.mark.parametrize("sigma_px", [1.3, 2.6])
    def test_of_a_gaussian_width_and_edge_are_its_own(self, sigma_px: float) -> None:
        section = cross_section(self.line(80.0, sigma_px), self.ends)
        assert section.peak == pytest.approx(80, rel=0.1)
        assert section.width == pytest.approx(2.355 * sigma_px, rel=0.12)
        assert section.edge == pytest.approx(section.width, rel=0.15)
        assert section.lit > 0.95

    def test_what_is_saturated_is_wide_and_sharp(self) -> None:
        section = cross_section(np.minimum(self.line(4000.0, 1.3), 200.0), self.ends)
        assert section.width > 6
        assert is_sharp(section, 3.06)

    def test_what_is_soft_faint_or_sharper_than_stars_is_not_sharp(self) -> None:
        assert is_sharp(cross_section(self.line(80.0, 1.3), self.ends), 3.06)
        assert not is_sharp(cross_section(self.line(80.0, 2.6), self.ends), 3.06)
        assert not is_sharp(cross_section(self.line(4.0, 1.3), self.ends), 3.06)
        assert not is_sharp(cross_section(self.line(80.0, 1.3), self.ends), 9.0)

    def test_two_stars_are_no_line(self) -> None:
        stars = add_stars(
            unit_noise((300, 400)), Places(np.array([100.0, 300.0]), np.array([100.0, 180.0]), np.full(2, 5e4))
        )
        assert not is_sharp(cross_section(stars, self.ends), 3.0)

    def test_a_galaxy_of_its_width_is_shorter(self) -> None:
        thin, broad = (cross_section(self.line(80.0, sigma_px), self.ends) for sigma_px in (1.35, 2.6))
        assert is_too_thin_for_a_galaxy(thin, 200.0, 3.06)
        assert not is_too_thin_for_a_galaxy(thin, 12.0, 3.06)
        assert not is_too_thin_for_a_galaxy(broad, 200.0, 3.06)


class TestBrightPieces:
    def test_a_very_bright_one_with_stars_beside_it(self) -> None:
        image = with_line(unit_noise((300, 400)), 150.0, 100.0, 195.0, 140.0, 2000.0, 2.0)
        image = add_stars(image, Places(np.array([160.0, 195.0]), np.array([122.0, 125.0]), np.full(2, 3000.0)))
        (piece,), trails, _ = find_pieces(image)
        assert math.dist((piece.x1, piece.y1), (piece.x2, piece.y2)) == pytest.approx(60, abs=14)
        assert trails[120, 172]

    def test_bright_stars_in_a_row_are_none(self) -> None:
        share = np.arange(4)
        row = Places(150 + 9.0 * share, 100 + 8.0 * share, np.full(4, 60_000.0))
        assert not find_pieces(add_stars(unit_noise((300, 400)), row))[0]

    def test_stars_that_bleed_towards_each_other_are_none(self) -> None:
        pair = Places(np.array([200.0, 202.6]), np.array([140.0, 172.0]), np.full(2, 3e6))
        image = np.minimum(add_stars(unit_noise((300, 400)), pair), 3000.0).astype(np.float32)
        image[128:184, 200:203] = 3000
        assert not find_pieces(image)[0]

    def test_pieces_in_line_are_no_stars_drawn_long(self) -> None:
        image = unit_noise((600, 1300))
        for number in range(8):
            x, y, angle = 80.0 + 150 * number, 100.0 + 50 * number, math.radians(18.4 + (-1.5) ** (number % 2))
            dx, dy = 35 * math.cos(angle), 35 * math.sin(angle)
            image = with_line(image, x - dx, y - dy, x + dx, y + dy, 30.0)
        assert len(find_pieces(image)[0]) >= 8


def test_an_edge_on_galaxy_with_a_bright_core_is_no_trail() -> None:
    y, x = np.indices(SHAPE)
    along, across = (x - 320) * 0.8 + (y - 240) * 0.6, (y - 240) * 0.8 - (x - 320) * 0.6
    for length, width, peak in ((14, 2, 300), (25, 3.5, 100), (40, 5, 60)):
        galaxy = peak * NOISE_ADU * np.exp(-np.hypot(along / length, across / width))
        assert not seen(scored((field() + galaxy).astype(np.float32)).streaks)
