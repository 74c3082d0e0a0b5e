"""What trails are searched with: sums along lines, strips beside them, spikes of bright stars, proposals."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nebulift.scoring.pieces import Piece
from nebulift.scoring.proposals import Line, propose_lines
from nebulift.scoring.radon import best_lines, line_sums
from nebulift.scoring.search_image import SearchImage
from nebulift.scoring.spikes import mask_spikes, spike_angles
from nebulift.scoring.strips import (
    CLIP_HIGH,
    CLIP_LOW,
    best_ends,
    contrast_of,
    extent,
    lanes_along,
    strip_means,
)
from unit.skies import Pixels

NONE = np.zeros((12, 20), dtype=bool)


def unit_noise(shape: tuple[int, int], seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def with_line(image: Pixels, x1: float, y1: float, x2: float, y2: float, peak: float, sigma_px: float = 0.8) -> Pixels:
    """Return the image with a line of Gaussian profile from one point to another."""
    y, x = np.indices(image.shape)
    length = math.hypot(x2 - x1, y2 - y1)
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length
    across = ((y - y1) * (x2 - x1) - (x - x1) * (y2 - y1)) / length
    light = peak * np.exp(-0.5 * (across / sigma_px) ** 2) * ((along >= 0) & (along <= length))
    return image + light.astype(np.float32)


def steps_right(block: int, shift: int) -> list[int]:
    """Return by how many columns a line of a total shift has moved in each row: halves of half the shift, joined."""
    if block == 1:
        return [0]
    half = steps_right(block // 2, shift // 2)
    return half + [(shift + 1) // 2 + step for step in half]


class TestRadon:
    @staticmethod
    def brute_force(image: Pixels, block: int) -> NDArray[np.float64]:
        rows, columns = image.shape
        sums = np.zeros((rows, columns + rows))
        for top in range(0, rows, block):
            for shift in range(block):
                for column in range(-shift, columns):
                    places = [column + step for step in steps_right(block, shift)]
                    sums[top + shift, rows + column] = sum(
                        image[top + row, place] for row, place in enumerate(places) if 0 <= place < columns
                    )
        return sums

    def test_sums_are_those_of_all_lines_of_all_shifts(self) -> None:
        image = unit_noise((16, 20))
        blocks = []
        for block, sums in line_sums(image, 2):
            blocks.append(block)
            expected = self.brute_force(image, block)
            for top in range(0, 16, block):
                for shift in range(block):
                    lines = np.s_[top + shift, 16 - shift :]
                    np.testing.assert_allclose(sums[lines], expected[lines], atol=1e-5)
        assert blocks == [2, 4, 8, 16]

    @pytest.mark.parametrize("block", [4, 16, 64])
    def test_lines_are_straight(self, block: int) -> None:
        for shift in range(block):
            straight = np.arange(block) * shift / (block - 1)
            steps = np.array(steps_right(block, shift))
            assert steps[0] == 0
            assert steps[-1] == shift
            assert np.abs(steps - straight).max() <= 1

    def test_the_smallest_block_is_obeyed_and_the_image_left_alone(self) -> None:
        image = unit_noise((32, 20))
        before = image.copy()
        assert [block for block, _ in line_sums(image, 8)] == [8, 16, 32]
        np.testing.assert_array_equal(image, before)

    @pytest.mark.parametrize("lanes", [1, 2])
    def test_the_best_of_each_tile_in_units_of_its_noise(self, lanes: int) -> None:
        random = np.random.default_rng(2)
        sums = random.normal(0, 3, (16, 24)).astype(np.float32)
        pixels = random.uniform(0, 9, (16, 24)).astype(np.float32)
        score, row_of, column_of = best_lines(sums, pixels, lanes, 5.0, 8)
        together = [sum(np.roll(array, -lane, axis=1) for lane in range(lanes)) for array in (sums, pixels)]
        usable = (together[1] >= 5.0) & (together[0] > 0)
        usable[:, 24 - lanes + 1 :] = False
        expected = np.where(usable, together[0] / np.sqrt(np.maximum(together[1], 1e-9)), 0.0)
        assert score.shape == (2, 3)
        for i, j in np.ndindex(2, 3):
            tile = expected[i * 8 : i * 8 + 8, j * 8 : j * 8 + 8]
            assert score[i, j] == pytest.approx(tile.max(), rel=1e-4)
            row, column = np.unravel_index(tile.argmax(), tile.shape)
            assert (row_of[i, j], column_of[i, j]) == (i * 8 + row, j * 8 + column)


class TestLanes:
    def test_pixels_along_a_row_and_beside_it(self) -> None:
        image = np.arange(240, dtype=np.float32).reshape(12, 20) / 100
        lanes = lanes_along(image, NONE, 2.5, 5.0, 12.5, 5.0, 2)
        np.testing.assert_array_equal(lanes, image[3:8, 3:13])

    def test_pixels_along_a_column_and_beside_it(self) -> None:
        image = np.arange(240, dtype=np.float32).reshape(12, 20) / 100
        lanes = lanes_along(image, NONE, 7.0, 1.5, 7.0, 9.5, 1)
        # On the way down the first lane lies on the side of larger x.
        np.testing.assert_array_equal(lanes, image[2:10, [8, 7, 6]].T)

    def test_there_and_back_are_the_same_turned(self) -> None:
        image = unit_noise((40, 50)).clip(CLIP_LOW, CLIP_HIGH)
        masked = np.zeros(image.shape, dtype=bool)
        there = lanes_along(image, masked, 5.2, 6.1, 41.3, 30.7, 3)
        back = lanes_along(image, masked, 41.3, 30.7, 5.2, 6.1, 3)
        assert there.shape == (7, round(math.hypot(36.1, 24.6)))
        np.testing.assert_array_equal(back, there[::-1, ::-1])

    def test_values_are_clipped_and_unknown_outside_and_where_masked(self) -> None:
        image = np.zeros((12, 20), dtype=np.float32)
        image[5, 3:6] = (1000, -1000, 1.5)
        masked = NONE.copy()
        masked[5, 7] = True
        lanes = lanes_along(image, masked, -2.5, 5.0, 21.5, 5.0, 0)[0]
        expected = np.zeros(24, dtype=np.float32)
        expected[[0, 1, 22, 23, 9]] = np.nan
        expected[5:8] = (CLIP_HIGH, CLIP_LOW, 1.5)
        np.testing.assert_array_equal(lanes, expected)

    def test_a_point_is_no_error(self) -> None:
        assert lanes_along(unit_noise((12, 20)), NONE, 5.0, 5.0, 5.0, 5.0, 1).shape == (3, 2)


class TestStrips:
    def test_means_of_three_lanes_whose_outer_ones_count_half(self) -> None:
        lanes = np.array([[0], [4], [8], [2], [6], [10], [4]], dtype=np.float32)
        means = strip_means(np.repeat(lanes, 5, axis=1), 1, 2)
        np.testing.assert_allclose(
            means[:, 0], [(0 / 2 + 4 + 8 / 2) / 2, (8 / 2 + 2 + 6 / 2) / 2, (6 / 2 + 10 + 4 / 2) / 2]
        )
        assert means.shape == (3, 5)

    def test_the_middle_strip_is_about_the_middle_lane(self) -> None:
        lanes = np.zeros((135, 4), dtype=np.float32)
        lanes[67] = 1
        for half, strips in ((1, 45), (3, 19), (7, 9)):
            means = strip_means(lanes, half, 2 * half + 1)
            assert means.shape == (strips, 4)
            assert means[strips // 2, 0] == pytest.approx(1 / (2 * half))
            assert not np.delete(means, strips // 2, axis=0).any()

    def test_unknown_lanes_are_left_out_while_half_is_known(self) -> None:
        lanes = np.array([[2, np.nan, np.nan], [4, 4, np.nan], [8, 8, 8]], dtype=np.float32)
        np.testing.assert_allclose(strip_means(lanes, 1, 3)[0], [4.5, (4 + 8 / 2) / 1.5, np.nan])

    def test_contrast_is_against_the_strips_beside_but_not_the_next(self) -> None:
        means = np.zeros((11, 3), dtype=np.float32)
        means[5] = 6.0
        contrast = contrast_of(means)
        assert contrast[5].tolist() == [6.0] * 3
        assert contrast[4].tolist() == contrast[6].tolist() == [0.0] * 3
        # Six strips tell the level, the middle one among them, but at the edges fewer.
        np.testing.assert_allclose(contrast[[2, 3, 7, 8], 0], [-6 / 4, -6 / 5, -6 / 5, -6 / 4])

    def test_contrast_ignores_what_is_unknown(self) -> None:
        means = np.full((11, 2), 2.0, dtype=np.float32)
        means[[1, 2, 3, 7], 0] = np.nan
        means[8, 0], means[9, 0], means[5, 0] = 4.0, 6.0, 9.0
        means[5, 1] = np.nan
        contrast = contrast_of(means)
        assert contrast[5, 0] == pytest.approx(9 - 5)
        assert math.isnan(contrast[5, 1])

    def test_a_level_common_to_all_strips_does_not_matter(self) -> None:
        means = unit_noise((11, 40))
        np.testing.assert_allclose(contrast_of(means + np.float32(3)), contrast_of(means), atol=1e-5)


class TestExtent:
    def test_the_run_that_shines(self) -> None:
        contrast = np.zeros(100)
        contrast[20:61] = 1.0
        assert extent(contrast) == (20, 61)

    @settings(max_examples=25, deadline=None)
    @given(start=st.integers(0, 300), length=st.integers(60, 300), seed=st.integers(0, 1000))
    def test_in_noise_to_some_samples(self, start: int, length: int, seed: int) -> None:
        contrast = np.random.default_rng(seed).normal(0, 0.7, 600)
        contrast[start : start + length] += 2.0
        first, last = extent(contrast)
        assert abs(first - start) <= 5
        assert abs(last - start - length) <= 5

    def test_gaps_of_masked_stars_and_of_dashes_belong_to_it(self) -> None:
        contrast = np.full(200, -0.2)
        contrast[50:150] = 2.0
        contrast[70:85] = np.nan
        contrast[100:106] = 0.0
        assert extent(contrast) == (50, 150)

    def test_one_bright_star_is_not_the_whole_of_it(self) -> None:
        contrast = np.zeros(200)
        contrast[50:150] = 1.0
        contrast[180] = 1000.0
        assert extent(contrast) == (50, 150)

    @pytest.mark.parametrize("contrast", [np.full(30, np.nan), np.full(30, -1.0), np.zeros(0)])
    def test_without_light_it_is_short(self, contrast: NDArray[np.float64]) -> None:
        start, stop = extent(contrast)
        assert 0 <= start <= stop <= start + 1


class TestBestEnds:
    @pytest.mark.parametrize("ends", [(10.0, 20.0, 180.0, 75.0), (150.0, 10.0, 30.0, 110.0), (60.0, 5.0, 62.0, 115.0)])
    def test_a_line_is_found_beside_where_it_was_thought(self, ends: tuple[float, float, float, float]) -> None:
        image = with_line(unit_noise((120, 200)), *ends, peak=3.0)
        masked = np.zeros(image.shape, dtype=bool)
        x1, y1, x2, y2 = ends
        length = math.hypot(x2 - x1, y2 - y1)
        normal = (-(y2 - y1) / length, (x2 - x1) / length)
        thought = (x1 + 4 * normal[0], y1 + 4 * normal[1], x2 - 3 * normal[0], y2 - 3 * normal[1])
        assert best_ends(image, masked, *thought, 5.0, 0.5, 800) == pytest.approx(ends, abs=0.8)

    def test_what_is_masked_draws_nothing(self) -> None:
        image = np.zeros((40, 100), dtype=np.float32)
        image[20] = 1.0
        image[24] = 5.0
        masked = image > 4
        assert best_ends(image, masked, 5.0, 21.0, 95.0, 21.0, 5.0, 1.0, 500) == pytest.approx((5, 20, 95, 20))

    def test_it_moves_no_further_than_told(self) -> None:
        image = np.zeros((40, 100), dtype=np.float32)
        image[20] = 1.0
        _, y1, _, y2 = best_ends(image, np.zeros(image.shape, dtype=bool), 5.0, 10.0, 95.0, 10.0, 3.0, 1.0, 500)
        assert max(y1, y2) <= 13


class TestSpikes:
    STARS = np.array([[150.0, 120.0], [320.0, 90.0], [100.0, 260.0], [270.0, 220.0]])

    def spiked(self, angle_deg: float, reach: float = 60.0) -> tuple[Pixels, NDArray[np.bool_]]:
        """Return an image with spikes at all stars and the mask of their cores."""
        image = unit_noise((400, 450))
        masked = np.zeros(image.shape, dtype=bool)
        y, x = np.indices(image.shape)
        for star_x, star_y in self.STARS:
            masked |= np.hypot(x - star_x, y - star_y) < 10
            for angle in np.radians(angle_deg + np.arange(0, 360, 90)):
                end = (star_x + reach * math.cos(angle), star_y + reach * math.sin(angle))
                image = with_line(image, star_x, star_y, *end, peak=4.0)
        return image, masked

    @staticmethod
    def masked_by_spikes(
        image: NDArray[np.float32], masked: NDArray[np.bool_], stars: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return the mask of the spikes in the directions that the stars show."""
        angles = spike_angles(image, stars)
        return np.zeros_like(masked) if angles is None else mask_spikes(image, masked, stars, angles)

    @staticmethod
    def along(mask: NDArray[np.bool_], star: NDArray[np.float64], angle: float, first: int, last: int) -> float:
        """Return the share of the pixels from one distance of a star to another that is masked."""
        radius = np.arange(first, last)
        column = np.rint(star[0] + radius * math.cos(angle)).astype(int)
        row = np.rint(star[1] + radius * math.sin(angle)).astype(int)
        inside = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
        return float(mask[row[inside], column[inside]].mean())

    @pytest.mark.parametrize("angle_deg", [0.0, 12.0, 45.0])
    def test_spikes_are_masked_as_far_as_they_reach(self, angle_deg: float) -> None:
        mask = self.masked_by_spikes(*self.spiked(angle_deg), self.STARS)
        for star in self.STARS:
            for angle in np.radians(angle_deg + np.arange(0, 360, 90)):
                assert self.along(mask, star, angle, 10, 56) > 0.95
                assert self.along(mask, star, angle, 90, 110) < 0.2
        assert mask.mean() < 0.12

    def test_without_spikes_nothing_is_masked(self) -> None:
        image, masked = self.spiked(12.0, reach=3.0)
        assert self.masked_by_spikes(image, masked, self.STARS).mean() < 0.01

    def test_a_trail_at_one_star_is_no_spike(self) -> None:
        image, masked = self.spiked(12.0, reach=3.0)
        x, y = self.STARS[0]
        image = with_line(image, x - 140, y - 100, x + 280, y + 200, peak=4.0)
        mask = self.masked_by_spikes(image, masked, self.STARS)
        assert self.along(mask, self.STARS[0], math.atan2(200, 280), 12, 150) < 0.3

    def test_a_trail_is_left_beside_the_spikes_of_the_stars(self) -> None:
        image, masked = self.spiked(12.0)
        clean = self.masked_by_spikes(image, masked, self.STARS)
        crossed = self.masked_by_spikes(with_line(image, 0, 300, 449, 20, peak=3.0), masked, self.STARS)
        assert np.count_nonzero(crossed & ~clean) < 0.02 * clean.size

    @pytest.mark.parametrize("number", [0, 1])
    def test_one_star_tells_no_common_direction(self, number: int) -> None:
        assert not self.masked_by_spikes(*self.spiked(12.0), self.STARS[:number]).any()


def search(values: Pixels, masked: NDArray[np.bool_] | None = None, *pieces: Piece) -> SearchImage:
    nothing = np.zeros(values.shape, dtype=bool)
    return SearchImage(
        values=values,
        masked=nothing if masked is None else masked,
        masked_faint=nothing if masked is None else masked,
        pieces=pieces,
        trails=np.zeros(values.shape, dtype=bool),
        winding_share=0.0,
        bright_stars=np.empty((0, 3)),
        spike_angles=None,
        star_fwhm=2.0,
        star_angle=np.nan,
        binning=1,
        noise_adu=1.0,
    )


def offsets(lines: list[Line], ends: tuple[float, float, float, float]) -> Iterator[tuple[float, float]]:
    """Yield how far the farther end of each line lies from the line between `ends`, and its length."""
    x1, y1, x2, y2 = ends
    length = math.hypot(x2 - x1, y2 - y1)
    for line in lines:
        places = ((line.x1, line.y1), (line.x2, line.y2))
        yield max(abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) / length for x, y in places), line.length


class TestProposals:
    @pytest.mark.parametrize(
        "ends",
        [
            (0.0, 30.0, 599.0, 110.0),
            (0.0, 420.0, 599.0, 60.0),
            (150.0, 0.0, 420.0, 449.0),
            (330.0, 449.0, 290.0, 0.0),
            (0.0, 300.0, 599.0, 285.0),
        ],
    )
    def test_a_line_fainter_than_the_noise_is_proposed(self, ends: tuple[float, float, float, float]) -> None:
        lines = propose_lines(search(with_line(unit_noise((450, 600)), *ends, peak=0.9)))
        assert any(offset <= 5 and length > 200 for offset, length in offsets(lines[:5], ends))

    def test_a_short_line_is_proposed_as_one(self) -> None:
        ends = (250.0, 180.0, 330.0, 230.0)
        lines = propose_lines(search(with_line(unit_noise((450, 600)), *ends, peak=2.5)))
        near = [
            line
            for line, (offset, _) in zip(lines, offsets(lines, ends), strict=True)
            if offset < 5
            and line.length < 220
            and math.hypot((line.x1 + line.x2) / 2 - 290, (line.y1 + line.y2) / 2 - 205) < 60
        ]
        assert near

    def test_a_wide_line_is_proposed(self) -> None:
        ends = (0.0, 60.0, 599.0, 380.0)
        lines = propose_lines(search(with_line(unit_noise((450, 600)), *ends, peak=0.45, sigma_px=4.0)))
        assert any(offset <= 8 and length > 200 for offset, length in offsets(lines[:5], ends))

    def test_what_is_masked_proposes_nothing(self) -> None:
        ends = (0.0, 60.0, 599.0, 380.0)
        image = with_line(unit_noise((450, 600)), *ends, peak=4.0)
        masked = with_line(np.zeros_like(image), *ends, peak=1.0, sigma_px=2.0) > 0.05
        lines = propose_lines(search(image, masked))
        assert not any(offset <= 5 and length > 200 for offset, length in offsets(lines, ends))

    def test_bright_pieces_come_first_the_longest_before_all(self) -> None:
        pieces = (Piece(100, 100, 130, 120), Piece(300, 50, 500, 200))
        lines = propose_lines(search(unit_noise((450, 600)), None, *pieces))
        assert [(line.x1, line.y1, line.x2, line.y2) for line in lines[:2]] == [
            (300, 50, 500, 200),
            (100, 100, 130, 120),
        ]

    def test_one_line_fills_few_proposals(self) -> None:
        lines = propose_lines(search(with_line(unit_noise((450, 600)), 0, 60, 599, 380, peak=4.0)))
        assert len(lines) <= 56
        ends = [(line.x1, line.y1, line.x2, line.y2) for line in lines]
        assert len(set(ends)) == len(ends)

    @pytest.mark.parametrize("shape", [(16, 16), (20, 300), (450, 600)])
    def test_noise_proposes_little_and_any_size_is_searched(self, shape: tuple[int, int]) -> None:
        lines = propose_lines(search(unit_noise(shape)))
        assert len(lines) <= 56
        assert all(line.score < 7 for line in lines)

    def test_a_masked_image_proposes_nothing(self) -> None:
        image = unit_noise((100, 120))
        assert propose_lines(search(image, np.ones(image.shape, dtype=bool))) == []
