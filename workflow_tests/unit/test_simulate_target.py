"""Galaxies, nebulae, filaments, clusters and rows of stars: what they look like and that they stay on the sky."""

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import Exposure, expose
from nebulift.simulate.field import Conditions, Field, generator, make_field
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Occlusion
from nebulift.simulate.target import Target

CAMERA = Camera(width_px=400, height_px=300, hot_pixel_fraction=0.0, cosmic_rays_per_mpix_per_s=0.0, pixel_gain_rms=0.0)
TELESCOPE = Telescope(vignetting=0.0, spike_fraction=0.0)
EMPTY = Sky(gradient=0.0, star_density=0.0, sky_e_per_s_per_px=20.0)
CONDITIONS = Conditions(hours=0.0, airmass=1.0, fwhm_px=3.0, dx_px=0.0, dy_px=0.0)
EXTENDED = [
    Target(galaxies=3),
    Target(edge_on_galaxies=1),
    Target(nebula=0.8),
    Target(filaments=3),
]


def field_of(target: Target, seed: int = 2, telescope: Telescope = TELESCOPE) -> Field:
    return make_field(seed, CAMERA, telescope, replace(EMPTY, target=target), 60.0)


def exposure(field: Field, conditions: Conditions = CONDITIONS, recipe: FrameRecipe | None = None) -> Exposure:
    rng = generator(1, "frame")
    return expose(field, CAMERA, TELESCOPE, EMPTY, recipe or FrameRecipe(), conditions, 60.0, rng)


def light(
    field: Field, conditions: Conditions = CONDITIONS, recipe: FrameRecipe | None = None
) -> npt.NDArray[np.float64]:
    """Object alone, in units of the dark sky, smoothed."""
    empty = replace(field, glow=None)
    both = [exposure(part, conditions, recipe).pixels.astype(float) for part in (field, empty)]
    return np.asarray(cv2.GaussianBlur(both[0] - both[1], (0, 0), 2.0) * CAMERA.gain_e_per_adu / 1200.0)


@pytest.mark.parametrize("target", EXTENDED)
def test_extended_light_moves_and_turns_with_the_sky(target: Target) -> None:
    field = field_of(target)
    first = light(field)
    turned = light(field, replace(CONDITIONS, rotation_deg=180.0, dx_px=12.0, dy_px=-7.0))
    expected = np.roll(first[::-1, ::-1], (-7, 12), axis=(0, 1))
    assert first.max() > 0.3
    inner = np.s_[20:-20, 20:-20]
    assert np.corrcoef(turned[inner].ravel(), expected[inner].ravel())[0, 1] > 0.97


@pytest.mark.parametrize("target", EXTENDED)
def test_extended_light_dims_with_air_veil_cloud_and_obstacle(target: Target) -> None:
    field = field_of(target)
    clear = light(field)
    bright = clear > 0.5 * clear.max()
    veiled = light(field, recipe=FrameRecipe(transparency=0.6))
    assert np.median(veiled[bright] / clear[bright]) == pytest.approx(0.6, abs=0.06)
    low = light(field, replace(CONDITIONS, airmass=3.0))
    assert np.median(low[bright] / clear[bright]) == pytest.approx(10 ** (-0.4 * 0.18 * 2), abs=0.06)
    clouded = light(field, recipe=FrameRecipe(cloud_bank=CloudBank(1.0, 0.8, 0.0)))
    assert np.median(clouded[bright] / clear[bright]) < 0.45
    hidden = light(field, recipe=FrameRecipe(occlusion=Occlusion(1.0, 0.0)))
    assert np.abs(hidden).max() < 0.1


def test_the_background_of_an_exposure_includes_a_nebula() -> None:
    seen = exposure(field_of(Target(nebula=1.0)))
    assert seen.background_adu == pytest.approx(float(np.median(seen.pixels)), rel=0.01)
    assert seen.background_adu > 1.05 * exposure(field_of(Target())).background_adu


def test_a_nebula_fills_the_frame_with_smooth_structure_of_its_strength() -> None:
    nebula = light(field_of(Target(nebula=0.8)))
    assert np.percentile(nebula, 99) > 0.4
    assert np.mean(nebula > 0.03) > 0.9
    coarse = cv2.GaussianBlur(nebula, (0, 0), 12.0)
    assert coarse.std() > 0.7 * nebula.std()


def test_an_edge_on_galaxy_is_long_and_thin_and_a_large_one_reaches_its_brightness() -> None:
    galaxy = light(field_of(Target(edge_on_galaxies=1, galaxy_radius_px=40.0)))
    rows, columns = np.nonzero(galaxy > 0.15)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(columns, rows)))
    assert spread[1] / spread[0] > 3.0
    assert 0.5 < galaxy.max() < 4.0


def test_filaments_are_thin_long_and_curved() -> None:
    ridges = light(field_of(Target(filaments=4, filament_brightness=2.0)))
    ridges -= cv2.GaussianBlur(ridges, (0, 0), 8.0)
    lit = ridges > 0.12 * ridges.max()
    share = np.mean(lit)
    assert 0.005 < share < 0.15
    thinned = cv2.erode(lit.astype(np.uint8), np.ones((11, 11), np.uint8))
    assert np.count_nonzero(thinned) < 0.1 * np.count_nonzero(lit)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(lit.astype(np.uint8))
    assert np.hypot(boxes[1:, cv2.CC_STAT_WIDTH], boxes[1:, cv2.CC_STAT_HEIGHT]).max() > 80


def test_defocus_blurs_galaxies_as_it_blurs_stars() -> None:
    field = field_of(Target(edge_on_galaxies=1, galaxy_radius_px=25.0))
    sharp, blurred = light(field), light(field, recipe=FrameRecipe(defocus_px=8.0))
    assert blurred.max() < 0.75 * sharp.max()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=0.1)


@pytest.mark.parametrize("globular", [False, True])
def test_half_of_a_clusters_stars_lie_within_its_radius(globular: bool) -> None:
    field = field_of(Target(cluster_stars=2000, cluster_radius_px=50.0, globular=globular))
    x, y = np.median(field.x_px), np.median(field.y_px)
    assert 100 < x < 300
    assert np.mean(np.hypot(field.x_px - x, field.y_px - y) < 50.0) == pytest.approx(0.5, abs=0.05)
    spread = np.percentile(np.log10(field.electrons_per_s), [1, 99])
    assert np.diff(spread)[0] == pytest.approx(2.0 if globular else 4.0, abs=0.6)


def test_a_row_of_stars_lies_on_a_line_and_is_much_brighter_than_the_faintest() -> None:
    field = field_of(Target(aligned_stars=9))
    points = np.stack((field.x_px, field.y_px))
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(points)))
    assert spread[0] < 1.5
    assert spread[1] > 50
    assert len(exposure(field).stars.x_px) == 9
    assert np.ptp(np.log10(field.electrons_per_s)) < 1.2


def test_bright_stars_have_long_spikes_where_the_telescope_makes_them() -> None:
    field = field_of(Target(bright_stars=1))
    strong = replace(TELESCOPE, spike_fraction=0.01, spike_angle_deg=0.0)
    images = [
        expose(field, CAMERA, telescope, EMPTY, FrameRecipe(), CONDITIONS, 60.0, generator(1, "frame")).pixels
        for telescope in (strong, TELESCOPE)
    ]
    row = int(np.clip(np.rint(field.y_px[0]), 2, 297))
    excess = np.median(images[0][row].astype(float) - images[1][row])
    assert excess > 20
    assert 10 - 2.5 * math.log10(field.electrons_per_s[0] / TELESCOPE.electrons_per_s) <= 7.5


def test_a_target_adds_to_the_field_and_leaves_the_stars_there_alone() -> None:
    sky = Sky(star_density=300.0)
    plain = make_field(3, CAMERA, TELESCOPE, sky, 60.0)
    full = make_field(3, CAMERA, TELESCOPE, replace(sky, target=Target(nebula=1.0, cluster_stars=50)), 60.0)
    count = len(plain.x_px)
    assert len(full.x_px) == count + 50
    np.testing.assert_array_equal(full.x_px[:count], plain.x_px)
    np.testing.assert_array_equal(full.electrons_per_s[:count], plain.electrons_per_s)
    assert plain.glow is None


@pytest.mark.parametrize(("density", "least", "most"), [(0.0, 0, 0), (2.0, 0, 40), (200_000.0, 20_000, 400_000)])
def test_fields_may_be_empty_sparse_or_crowded(density: float, least: int, most: int) -> None:
    field = make_field(3, CAMERA, TELESCOPE, replace(EMPTY, star_density=density, sky_e_per_s_per_px=2.0), 60.0)
    seen = exposure(field)
    assert least <= len(seen.stars.x_px) <= most
    assert seen.pixels.shape == (300, 400)
