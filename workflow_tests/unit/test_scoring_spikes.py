"""Spikes of bright stars: their directions, and what is masked of them."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.scoring.spikes import angles_of_each, mask_spikes, spike_angles
from unit.skies import Pixels, unit_noise, with_line


class TestSpikes:
    # x, y, radius, flux.
    STARS = np.array(
        [[150.0, 120.0, 10.0, 4e4], [320.0, 90.0, 10.0, 3.5e4], [100.0, 260.0, 10.0, 3e4], [270.0, 220.0, 10.0, 2.5e4]]
    )

    def spiked(self, angle_deg: float, reach: float = 60.0) -> tuple[Pixels, NDArray[np.bool_]]:
        """Return an image with spikes at all stars and the mask of their cores."""
        image = unit_noise((400, 450))
        masked = np.zeros(image.shape, dtype=bool)
        y, x = np.indices(image.shape)
        for star_x, star_y in self.STARS[:, :2]:
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
        x, y = self.STARS[0, :2]
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

    def test_each_of_the_brightest_stars_tells_its_own_directions(self) -> None:
        image, _ = self.spiked(12.0)
        found = angles_of_each(image, self.STARS[:1, :2])
        assert np.degrees(found) == pytest.approx([12, 102, 192, 282], abs=2)
        assert not len(angles_of_each(unit_noise((400, 450)), self.STARS[:, :2]))
        assert not len(angles_of_each(image, self.STARS[:0, :2]))
