"""Sums along lines of all directions: the fast Radon transform, and the best of its lines."""

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.scoring.radon import best_lines, line_sums
from unit.skies import Pixels, unit_noise


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
