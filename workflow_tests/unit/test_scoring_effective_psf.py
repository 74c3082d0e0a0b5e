"""The effective point spread function: the width and elongation that all stars of a frame have in common."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.accuracy.stars import eccentricity
from nebulift.scoring.banded import add_stiffness, factorise, solve, times
from nebulift.scoring.effective_psf import CommonShape, common_shape
from nebulift.scoring.stars import Stars
from nebulift.simulate import psf as simulated
from nebulift.simulate.recipe import Trail
from unit.skies import NOISE_ADU, SKY_ADU, Pixels, Places, add_trails, noise, scattered, scored

SHAPE = (420, 560)
PLACES = scattered(SHAPE, 120, (8_000.0, 80_000.0), distance_px=36)


def seen(optics: simulated.PointSpread, places: Places = PLACES, sky: Pixels | None = None) -> Stars:
    """Return what is measured on stars of these optics, each falling onto the pixels in its own way."""
    return scored(drawn(optics, places) + (noise(SHAPE) if sky is None else sky)).stars


def drawn(optics: simulated.PointSpread, places: Places = PLACES) -> Pixels:
    image = np.zeros(SHAPE, dtype=np.float32)
    simulated.add_stars(image, *places, optics, 0.02 * NOISE_ADU)
    return image


@pytest.mark.parametrize(
    ("fwhm_px", "defocus_px", "tracking_px"),
    [(1.3, 0, 0), (1.3, 0, 1), (1.6, 1.5, 0), (3, 0, 0), (3, 0, 2.5), (3, 3, 0), (3, 0, 9), (7, 0, 0), (7, 0, 5)],
)
def test_width_and_elongation_are_those_of_the_optics(fwhm_px: float, defocus_px: float, tracking_px: float) -> None:
    optics = simulated.point_spread(fwhm_px, 3.2, defocus_px, 0.35, tracking_px, 25.0)
    stars = seen(optics)
    assert stars.fwhm_px == pytest.approx(simulated.width_px(optics), rel=0.02)
    # Round stars are round: what chance makes of them is known for that.
    assert stars.eccentricity == pytest.approx(eccentricity(optics), abs=0.03)


@pytest.mark.parametrize(("fwhm_px", "tracking_px"), [(1.6, 8.0), (3.0, 8.0), (5.0, 0.0), (9.0, 0.0), (9.0, 8.0)])
@pytest.mark.parametrize("beta", [2.5, 4.5])
def test_a_star_in_focus_has_a_pointed_top_however_wide_it_is(fwhm_px: float, beta: float, tracking_px: float) -> None:
    optics = simulated.point_spread(fwhm_px, beta, 0.3, 0.35, tracking_px, 25.0)
    assert 0.48 < seen(optics).flatness < 0.6


def test_the_tops_of_narrow_stars_are_the_pixels() -> None:
    assert math.isnan(seen(simulated.point_spread(2.5, 3.2)).flatness)


@pytest.mark.parametrize(("obstruction", "least"), [(0.0, 0.65), (0.4, 0.75)])
@pytest.mark.parametrize("fwhm_px", [1.6, 3.0, 4.5])
def test_a_disc_or_ring_of_light_has_a_flat_one(fwhm_px: float, obstruction: float, least: float) -> None:
    optics = simulated.point_spread(fwhm_px, 3.2, 1.6 * fwhm_px, obstruction)
    stars = [seen(optics, Places(*(axis[:few] for axis in PLACES))) for few in (6, 120)]
    assert all(least < one.flatness < 0.9 for one in stars)
    # Farther out of focus it is flatter.
    assert seen(simulated.point_spread(fwhm_px, 3.2, 2.4 * fwhm_px, obstruction)).flatness > stars[1].flatness


def test_a_trail_neighbours_and_glow_around_each_star_are_no_part_of_it() -> None:
    optics = simulated.point_spread(3.0, 3.2, 0.0, 0.0, 1.5, 70.0)
    plain = seen(optics)
    trail = Trail.across(20.0, 15.0, SHAPE[::-1], 25.0)
    assert_same(seen(optics, sky=add_trails(noise(SHAPE), trail)), plain)
    turns = np.random.default_rng(2).uniform(0, 2 * math.pi, len(PLACES.x))
    beside = Places(PLACES.x + 8 * np.cos(turns), PLACES.y + 8 * np.sin(turns), 0.08 * PLACES.flux)
    assert_same(seen(optics, Places(*map(np.concatenate, zip(PLACES, beside, strict=True)))), plain)
    glow = drawn(simulated.point_spread(45.0, 3.0), Places(PLACES.x, PLACES.y, 8 * PLACES.flux))
    assert_same(seen(optics, sky=noise(SHAPE) + glow), plain)


def assert_same(stars: Stars, plain: Stars) -> None:
    assert stars.fwhm_px == pytest.approx(plain.fwhm_px, rel=0.015)
    assert stars.eccentricity == pytest.approx(plain.eccentricity, abs=0.03)


def common(places: Places, pixels: Pixels, size_px: float, pulled: float) -> CommonShape:
    """Return the shape that round stars have in common, their places first pulled to the pixels' centres."""
    x, y = (axis + pulled * (np.rint(axis) - axis) for axis in places[:2])
    moments = np.stack([x, y, *(np.full(len(x), moment) for moment in (size_px**2, size_px**2, 0.0))], axis=1)
    shape = common_shape(pixels + noise(SHAPE) - SKY_ADU, moments, np.ones(len(x)), NOISE_ADU)
    assert shape is not None
    return shape


def test_doubles_among_the_stars_are_left_out() -> None:
    optics = simulated.point_spread(3.0, 3.2)
    doubles = Places(PLACES.x[::3] + 3.0, PLACES.y[::3], 0.5 * PLACES.flux[::3])
    shape = common(PLACES, drawn(optics) + drawn(optics, doubles), 1.4, 0.0)
    assert shape.fwhm_px == pytest.approx(simulated.width_px(optics), rel=0.01)
    assert np.hypot(*shape.ellipticity) < 0.01


@pytest.mark.parametrize("fwhm_px", [1.3, 3.0])
def test_places_too_near_to_the_middle_of_pixels_are_put_right(fwhm_px: float) -> None:
    optics = simulated.point_spread(fwhm_px, 3.2)
    shape = common(PLACES, drawn(optics), 0.45 * fwhm_px, 0.4)
    assert shape.fwhm_px == pytest.approx(simulated.width_px(optics), rel=0.02)


def test_few_and_no_stars_are_measured_as_far_as_they_go() -> None:
    optics = simulated.point_spread(3.0, 3.2)
    for number in (2, 5, 8):
        stars = seen(optics, Places(*(axis[:number] for axis in PLACES)))
        assert stars.fwhm_px == pytest.approx(simulated.width_px(optics), rel=0.05)
    assert math.isnan(seen(optics, Places(*(axis[:0] for axis in PLACES))).fwhm_px)


@pytest.mark.parametrize(("elongation", "angle_deg"), [(0.15, 11.0), (0.25, 38.0), (0.6, 70.0), (0.95, 100.0)])
def test_the_benchmark_knows_the_elongation_of_an_ellipse(elongation: float, angle_deg: float) -> None:
    axis = np.arange(-60, 61) / simulated.OVERSAMPLING
    x, y = np.meshgrid(axis, axis)
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    square = ((x * cosine + y * sine) ** 2 * (1 - elongation**2) + (y * cosine - x * sine) ** 2) / 2.0
    optics = simulated.PointSpread(np.exp(-square).astype(np.float32), 12, np.zeros(13, dtype=np.float32))
    assert eccentricity(optics) == pytest.approx(elongation, abs=0.02)


def test_equations_of_near_unknowns_are_solved_as_any_others_are() -> None:
    side, width = 5, 18
    size = side**2
    random = np.random.default_rng(3)
    rows = random.normal(size=(60, size)) * near(size, width, random)
    matrix = rows.T @ rows + np.eye(size)
    matrix[np.abs(np.subtract.outer(np.arange(size), np.arange(size))) > width] = 0
    matrix += size * np.eye(size)
    band = np.zeros((size, width + 1))
    for row in range(size):
        for column in range(max(0, row - width), row + 1):
            band[row, width + column - row] = matrix[row, column]
    vector = random.normal(size=size)
    assert times(band, vector) == pytest.approx(matrix @ vector)
    stiff = np.zeros_like(band)
    add_stiffness(stiff, side, 2.0)
    surface = random.normal(size=(side, side))
    bends = sum(float((np.diff(surface, 2, axis=axis) ** 2).sum()) for axis in (0, 1))
    assert surface.ravel() @ times(stiff, surface.ravel()) == pytest.approx(2.0 * bends)
    factorise(band)
    assert solve(band, vector) == pytest.approx(np.linalg.solve(matrix, vector))


def near(size: int, width: int, random: np.random.Generator) -> NDArray[np.bool_]:
    first = random.integers(0, size, (60, 1))
    return np.asarray(np.abs(np.arange(size) - first) <= width // 2)
