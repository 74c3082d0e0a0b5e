"""What an image shows along a line: lanes and strips, how far a trail shines, and where its ends are best."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.scoring.strips import (
    CLIP_HIGH,
    CLIP_LOW,
    best_ends,
    contrast_of,
    extent,
    lanes_along,
    strip_means,
)
from unit.skies import unit_noise, with_line

NONE = np.zeros((12, 20), dtype=bool)


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

    def test_in_noise_to_some_samples(self) -> None:
        generator = np.random.default_rng(1)
        errors = []
        for _ in range(1000):
            start, length = int(generator.integers(0, 301)), int(generator.integers(60, 301))
            contrast = generator.normal(0, 0.7, 600)
            contrast[start : start + length] += 2.0
            first, last = extent(contrast)
            errors += [abs(first - start), abs(last - start - length)]
        assert np.quantile(errors, 0.99) <= 2
        assert max(errors) <= 10  # chance goes on for some samples once in thousands

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
