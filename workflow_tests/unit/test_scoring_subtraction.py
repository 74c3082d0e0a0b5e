"""Taking stars away before trails are sought, and what is flattened, masked and told apart on the way."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.scoring.defective_columns import defective_columns
from nebulift.scoring.flatten import flatten
from nebulift.scoring.isolation import are_alone
from nebulift.scoring.pieces import find_pieces
from nebulift.scoring.score import FrameScore
from nebulift.scoring.spikes_on_lines import comes_from_outside, spiked_stars
from nebulift.scoring.star_subtraction import StarModel, subtract_stars
from nebulift.scoring.trail_shape import axis_offsets, goes_on_bent, is_spindle
from nebulift.simulate.recipe import Trail
from unit.skies import NOISE_ADU, Pixels, add_stars, add_trails, noise, scattered, scored, seen

SHAPE = (500, 640)


def field(elongation: float = 0.0, flux: tuple[float, float] = (3_000.0, 60_000.0)) -> Pixels:
    """Return a field of 120 stars."""
    return add_stars(noise(SHAPE), scattered(SHAPE, 120, flux, distance_px=28), 3.2, elongation, 30.0)


def cleared(score: FrameScore, trails: NDArray[np.bool_] | None = None) -> tuple[Pixels, StarModel | None]:
    """Return the residual of a frame without its stars, and what was taken."""
    image = score.residual.copy()
    nothing = np.zeros(image.shape, dtype=bool)
    return image, subtract_stars(image, 1, score.stars, nothing if trails is None else trails, NOISE_ADU)


def unit_noise(shape: tuple[int, int] = (300, 400), seed: int = 3) -> Pixels:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


class TestSubtraction:
    @pytest.mark.parametrize("elongation", [0.0, 0.6])
    def test_little_is_left_of_stars(self, elongation: float) -> None:
        score = scored(field(elongation))
        image, model = cleared(score)
        assert model is not None
        near = np.zeros(SHAPE, dtype=np.uint8)
        for x, y in zip(score.stars.x_px, score.stars.y_px, strict=True):
            cv2.circle(near, (round(x), round(y)), 8, color=(1,), thickness=-1)
        before, after = (np.abs(values[near > 0]).sum() for values in (score.residual, image))
        expected = NOISE_ADU * math.sqrt(2 / math.pi) * np.count_nonzero(near)
        assert after - expected < 0.06 * (before - expected)

    def test_nothing_is_taken_where_no_width_could_be_measured(self) -> None:
        score = scored(field())
        image, model = cleared(replace(score, stars=replace(score.stars, fwhm_px=math.nan)))
        assert model is None
        assert np.array_equal(image, score.residual)

    def test_what_is_taken_is_as_bright_as_what_was_drawn(self) -> None:
        score = scored(field())
        _, model = cleared(score)
        assert model is not None
        places = scattered(SHAPE, 120, (3_000.0, 60_000.0), distance_px=28)
        sigma = 3.2 / math.sqrt(8 * math.log(2))
        for x, y, flux in zip(*places, strict=True):
            star = int(np.argmin(np.hypot(model.x - x, model.y - y)))
            assert math.hypot(model.x[star] - x, model.y[star] - y) < 0.3
            assert model.height[star] == pytest.approx(flux / (2 * np.pi * sigma**2), rel=0.15)

    def test_two_that_overlap_are_both_taken(self) -> None:
        places = scattered(SHAPE, 100, (8_000.0, 60_000.0), distance_px=28)
        pair = type(places)(*(np.append(axis, value) for axis, value in zip(places, (320.0, 250.0, 4e4), strict=True)))
        pair = type(places)(*(np.append(axis, value) for axis, value in zip(pair, (329.0, 250.0, 3e4), strict=True)))
        score = scored(add_stars(noise(SHAPE), pair, 3.2))
        image, _ = cleared(score)
        peak = score.residual[244:257, 314:336].max()
        assert np.abs(image[244:257, 314:336]).max() < 0.12 * peak

    def test_what_lies_on_a_trail_stays(self) -> None:
        score = scored(field())
        kept = np.zeros(SHAPE, dtype=bool)
        kept[:, :320] = True
        image, _ = cleared(score, kept)
        left = score.stars.x_px < 310
        for x, y in zip(score.stars.x_px[left], score.stars.y_px[left], strict=True):
            assert image[round(y), round(x)] == pytest.approx(score.residual[round(y), round(x)], abs=3 * NOISE_ADU)

    def test_too_few_stars_tell_no_profile(self) -> None:
        score = scored(add_stars(noise(SHAPE), scattered(SHAPE, 8, (9_000.0, 60_000.0)), 3.2))
        image, model = cleared(score)
        assert model is None
        assert np.array_equal(image, score.residual)

    def test_radii_shrink_with_the_limit_and_grow_with_the_star(self) -> None:
        profile = np.exp(-np.arange(40) / 8)
        model = StarModel(np.zeros(2), np.zeros(2), np.array([10.0, 1000.0]), profile)
        faint, bright = model.radii(5.0)
        assert 0 < faint < bright
        assert (model.radii(0.5) >= model.radii(5.0)).all()
        assert (model.radii(5000.0) == 0).all()

    def test_a_trail_among_crowded_stars_is_surer_once_they_are_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shape = (900, 1200)
        crowd = add_stars(noise(shape), scattered(shape, 6000, (300.0, 60_000.0), distance_px=12), 3.2)
        crossed = add_trails(crowd, Trail.across(33.0, 40.0, (1200, 900), 0.5))
        assert not seen(scored(crowd).streaks)
        without_stars = scored(crossed).streaks[0].significance
        monkeypatch.setattr("nebulift.scoring.search_image.subtract_stars", lambda *_: None)
        assert without_stars > 1.15 * scored(crossed).streaks[0].significance


class TestIsolation:
    def test_a_faint_neighbour_and_a_far_one_do_not_count(self) -> None:
        x, y = np.array([0.0, 5.0, 50.0, 55.0, 90.0]), np.zeros(5)
        flux = np.array([100.0, 5.0, 100.0, 50.0, 100.0])
        alone = are_alone(x, y, flux, np.array([0, 2, 4]), 10.0, 0.1)
        assert alone.tolist() == [True, False, True]


class TestFlatten:
    def test_noise_is_of_one_unit_beside_a_crowd(self) -> None:
        image = 20 * unit_noise()
        image[100:200:4, 100:200:4] += 4000
        values, noise_of_a_pixel = flatten(image, 1.0)
        assert noise_of_a_pixel == pytest.approx(20, rel=0.1)
        assert values[210:, 210:].std() == pytest.approx(1, rel=0.1)

    def test_a_row_of_the_camera_goes_and_a_galaxy_lifts_none(self) -> None:
        image = 20 * unit_noise()
        image[150] += 15
        image[100:160, 200:204] += 60  # from its edge, along the columns
        values, _ = flatten(image, 1.0)
        assert abs(values[150].mean()) < 0.2
        assert abs(values[200:, 200:204].mean()) < 0.2


class TestDefectiveColumns:
    def test_one_that_shows_in_a_part_is_masked_all_along(self) -> None:
        image = unit_noise((600, 300))
        image[300:, 120] += 3
        nothing = np.zeros(image.shape, dtype=bool)
        masked = defective_columns(image, nothing, nothing)
        assert masked[:, 120].all()
        assert masked.mean() < 0.02

    def test_stars_in_columns_are_none(self) -> None:
        image = unit_noise((600, 300))
        image[::5, 120] += 30
        masked = image > 6
        assert not defective_columns(image, masked, np.zeros_like(masked)).any()

    @pytest.mark.parametrize(("width", "is_defect"), [(1, True), (8, False)])
    def test_what_may_be_a_trail_is_one_where_it_is_narrow(self, width: int, is_defect: bool) -> None:
        image = unit_noise((600, 300))
        image[:, 120 : 120 + width] += 5
        trails = np.zeros(image.shape, dtype=bool)
        trails[:, 115:135] = True
        masked = defective_columns(image, np.zeros_like(trails), trails)
        assert masked[:, 120].all() == is_defect
        assert masked.any() == is_defect


class TestPieces:
    def test_a_straight_line_is_a_piece_and_a_wave_winds(self) -> None:
        image = unit_noise((400, 500))
        cv2.line(image, (60, 40), (300, 150), color=(12,), thickness=3)
        x = np.arange(60, 440)
        y = 300 + 25 * np.sin(x / 18)
        for column, row in zip(x.tolist(), np.rint(y).astype(int).tolist(), strict=True):
            image[row - 2 : row + 3, column] += 12
        pieces, trails, winding = find_pieces(image)
        piece = max(pieces, key=lambda p: math.hypot(p.x2 - p.x1, p.y2 - p.y1))
        assert abs(math.atan2(piece.y2 - piece.y1, piece.x2 - piece.x1) % math.pi - math.atan2(110, 240)) < 0.05
        assert trails[95, 180]
        assert winding[np.rint(y).astype(int), x].mean() > 0.9
        assert not (trails & winding).any()

    def test_a_long_line_across_what_winds_is_a_piece(self) -> None:
        image = unit_noise((400, 500))
        for row in (100, 200, 300):
            x = np.arange(100, 400)
            for column, y in zip(x.tolist(), np.rint(row + 30 * np.sin(x / 25)).astype(int).tolist(), strict=True):
                image[y - 2 : y + 3, column] += 12
        cv2.line(image, (60, 40), (440, 360), color=(15,), thickness=3)
        pieces, _, _ = find_pieces(image)
        assert any(math.hypot(p.x2 - p.x1, p.y2 - p.y1) > 200 for p in pieces)

    def test_a_column_is_of_the_camera(self) -> None:
        image = unit_noise((400, 500))
        image[50:350, 200:202] += 15
        pieces, _, winding = find_pieces(image)
        assert not pieces
        assert not winding.any()


class TestShapes:
    @staticmethod
    def lanes(bend: float) -> Pixels:
        """Return lanes along a line of 4 lanes' width that leaves its axis by `bend` in the middle."""
        lanes = 0.3 * unit_noise((61, 240))
        place = np.arange(240)
        axis = 30 + bend * (1 - (2 * place / 239 - 1) ** 2)
        for lane in range(61):
            lanes[lane] += 3 * np.exp(-(((lane - axis) / 1.7) ** 2))
        return lanes

    @pytest.mark.parametrize("bend", [0.0, 3.0, -3.0])
    def test_a_bend_is_measured(self, bend: float) -> None:
        *_, sagitta = axis_offsets(self.lanes(bend), 0, 240, 8.0, 0.0)
        assert sagitta == pytest.approx(-bend, abs=0.4)

    def test_a_line_that_ends_does_not_go_on_and_a_filament_does(self) -> None:
        lanes = 0.3 * unit_noise((135, 300))
        lanes[66:69, 100:200] += 3
        assert not goes_on_bent(lanes, 100, 200, 3.0)
        for beyond in range(40):
            lane = 67 + beyond // 3
            lanes[lane - 1 : lane + 2, 200 + beyond] += 3
        assert goes_on_bent(lanes, 100, 200, 3.0)

    def test_a_spindle_fades_to_its_ends(self) -> None:
        y, x = np.indices((200, 300))
        galaxy = unit_noise((200, 300)) + 60 * np.exp(-np.hypot((x - 150) / 20, (y - 100) / 2))
        assert is_spindle(galaxy.astype(np.float32), (100.0, 100.0, 200.0, 100.0), 3.0, 3.0)
        line = unit_noise((200, 300))
        line[98:103, 100:200] += 20
        assert not is_spindle(line, (100.0, 100.0, 200.0, 100.0), 3.0, 3.0)

    @pytest.mark.parametrize(("width_px", "spindle"), [(12.0, True), (4.0, False)])
    def test_a_longer_spindle_is_a_galaxy_where_it_is_wider_than_stars(self, width_px: float, spindle: bool) -> None:
        row, column = np.indices((500, 640), dtype=np.float32)
        across = np.exp(-0.5 * ((row - 200) / (width_px / 2.35)) ** 2)
        light = 6 * across * np.exp(-0.5 * ((column - 300) / 45) ** 2)
        ends = (205.0, 200.0, 395.0, 200.0)
        assert is_spindle(light.astype(np.float32), ends, width_px, 4.0) is spindle
        evenly = (6 * across).astype(np.float32)
        assert not is_spindle(evenly, ends, width_px, 4.0)


class TestSpikesOnLines:
    STARS = np.array([[100.0, 100.0, 9.0], [300.0, 80.0, 5.0], [50.0, 250.0, 4.0], [200.0, 200.0, 0.0]])
    CROSS = np.radians([12.0, 102.0, 192.0, 282.0])

    def test_only_a_line_along_the_spikes_may_be_one_of_any_star(self) -> None:
        along = (0.0, 0.0, 100 * math.cos(self.CROSS[0]), 100 * math.sin(self.CROSS[0]))
        assert len(spiked_stars(along, self.STARS, self.CROSS)) == 4
        assert len(spiked_stars((0.0, 0.0, 70.0, 70.0), self.STARS, self.CROSS)) == 3
        assert len(spiked_stars((0.0, 0.0, 70.0, 70.0), self.STARS, None)) == 4

    def test_a_spike_from_beyond_the_border_fades_and_a_trail_does_not(self) -> None:
        line = (1.0, 100.0, 1 + 100 * math.cos(self.CROSS[0]), 100 + 100 * math.sin(self.CROSS[0]))
        fading, even = np.linspace(3, 0.1, 100), np.ones(100)
        assert comes_from_outside(line, fading, (400, 500), self.CROSS)
        assert not comes_from_outside(line, even, (400, 500), self.CROSS)
        assert not comes_from_outside(line, fading, (400, 500), np.empty(0))
        assert not comes_from_outside(line, fading, (120, 130), self.CROSS)
