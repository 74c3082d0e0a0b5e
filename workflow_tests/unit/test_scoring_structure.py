"""The structure of the sky, taken away where it stands above the noise, and trails found in it."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from nebulift.scoring.sky_structure import sky_structure
from nebulift.scoring.trail import Trail
from nebulift.scoring.verification import is_ridge
from nebulift.simulate.recipe import Trail as Drawn
from unit.skies import (
    NOISE_ADU,
    Pixels,
    add_stars,
    add_trails,
    beside_px,
    noise,
    scattered,
    scored,
    searched,
    unit_noise,
)
from unit.skies import with_line as line_in

SHAPE = (480, 640)
NOTHING = np.zeros(SHAPE, dtype=bool)


def nebula(shape: tuple[int, int], scatter: float, smallest_px: float = 6.0, seed: int = 8) -> Pixels:
    """Return clouds of all sizes from `smallest_px` (standard deviation of a Gaussian) to sixteen times that."""
    random = np.random.default_rng(seed)
    clouds = np.zeros(shape, dtype=np.float32)
    for octave in range(5):
        size_px = smallest_px * 2**octave
        layer = cv2.GaussianBlur(random.normal(0, 1, shape).astype(np.float32), (0, 0), size_px)
        clouds += np.float32(1 / math.sqrt(5)) * layer / layer.std()
    return np.asarray(scatter * clouds / clouds.std(), dtype=np.float32)


def test_an_empty_sky_has_none() -> None:
    structure = sky_structure(unit_noise(SHAPE), NOTHING)
    assert structure.dtype == np.float32
    assert structure.shape == SHAPE
    assert structure.std() < 0.06  # 4 x 4 pixels together scatter by 0.25


@pytest.mark.parametrize("shape", [(16, 16), (35, 103), (481, 642)])
def test_any_size_will_do(shape: tuple[int, int]) -> None:
    structure = sky_structure(unit_noise(shape), np.zeros(shape, dtype=bool))
    assert structure.shape == shape
    assert np.isfinite(structure).all()
    assert not sky_structure(unit_noise(shape), np.ones(shape, dtype=bool)).any()


def test_clouds_are_taken_and_noise_is_left() -> None:
    clouds, sky = nebula(SHAPE, 1.0), unit_noise(SHAPE)
    left = clouds + sky - sky_structure(clouds + sky, NOTHING)
    assert (left - sky).std() < 0.35
    assert left.std() == pytest.approx(1.0, abs=0.05)


def test_only_that_part_of_a_frame_is_touched_which_has_some() -> None:
    clouds = nebula(SHAPE, 1.0)
    clouds[:, :400] = 0
    structure = sky_structure(clouds + unit_noise(SHAPE), NOTHING)
    assert structure[:, :300].std() < 0.08
    assert structure[:, 450:].std() > 0.6


def test_most_of_a_faint_line_is_left() -> None:
    sky = unit_noise(SHAPE)
    ends = (20.0, 60.0, 610.0, 420.0)
    line = line_in(np.zeros(SHAPE, dtype=np.float32), *ends, 0.6)
    without, with_it = sky_structure(sky, NOTHING), sky_structure(sky + line, NOTHING)
    on_it = line > 0.5
    assert np.mean((with_it - without)[on_it]) < 0.25 * line[on_it].mean()


def test_masked_pixels_say_nothing() -> None:
    sky, masked = unit_noise(SHAPE), NOTHING.copy()
    masked[200:230, 300:330] = True
    bright = sky.copy()
    bright[masked] = 500
    np.testing.assert_array_equal(sky_structure(bright, masked), sky_structure(sky, masked))


@pytest.mark.parametrize("angle_deg", [20.0, 65.0, 140.0])
def test_a_faint_trail_across_a_nebula_is_found(angle_deg: float) -> None:
    shape = (1100, 1200)
    places = scattered(shape, 300, (600.0, 30_000.0))
    sky = add_stars(noise(shape), places) + nebula(shape, 1.6 * NOISE_ADU)
    trail = Drawn.across(angle_deg, 60.0, shape[::-1], 0.6)
    assert max((streak.significance for streak in scored(sky).streaks), default=0) < 8
    streak = scored(add_trails(sky, trail)).streaks[0]
    assert beside_px(streak, trail) < 3
    assert streak.significance > 10


@pytest.mark.parametrize(
    ("sigma_px", "significance", "ridge"), [(4.0, 12.0, True), (1.3, 12.0, False), (4.0, 25.0, False)]
)
def test_a_short_ridge_is_told_from_a_trail_by_its_light(sigma_px: float, significance: float, ridge: bool) -> None:
    ends = (250.0, 200.0, 395.0, 265.0)
    values = line_in(unit_noise(SHAPE), *ends, 2.0, sigma_px=sigma_px)
    search = replace(searched(values), structure=sky_structure(values, NOTHING))
    trail = Trail(significance, *ends, width=2.35 * sigma_px, brightness=2.0, is_spike=False)
    assert is_ridge(search, trail) is ridge


def test_a_long_line_is_no_ridge() -> None:
    ends = (20.0, 60.0, 610.0, 420.0)
    values = line_in(unit_noise(SHAPE), *ends, 2.0, sigma_px=4.0)
    search = replace(searched(values), structure=sky_structure(values, NOTHING))
    assert not is_ridge(search, Trail(12.0, *ends, width=9.4, brightness=2.0, is_spike=False))
