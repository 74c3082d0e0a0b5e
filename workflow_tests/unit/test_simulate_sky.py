"""What hides part of the sky, how the field turns on the detector, and which stars a frame is said to hold."""

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import sep

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import Exposure, expose
from nebulift.simulate.field import Conditions, Field, conditions_at, generator, make_field
from nebulift.simulate.psf import moffat_radius
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Occlusion, Trail

CAMERA = Camera(width_px=400, height_px=300, hot_pixel_fraction=0.0, cosmic_rays_per_mpix_per_s=0.0)
TELESCOPE = Telescope(spike_fraction=0.0, vignetting=0.0)
SKY = Sky(gradient=0.0, star_density=900.0)
CONDITIONS = Conditions(hours=0.0, airmass=1.1, fwhm_px=3.2, dx_px=0.0, dy_px=0.0)
FIELD = make_field(3, CAMERA, TELESCOPE, SKY, 60.0)


def exposure(
    recipe: FrameRecipe | None = None,
    conditions: Conditions = CONDITIONS,
    field: Field = FIELD,
    sky: Sky = SKY,
) -> Exposure:
    return expose(field, CAMERA, TELESCOPE, sky, recipe or FrameRecipe(), conditions, 60.0, generator(1, "frame"))


def levels(exposure: Exposure) -> npt.NDArray[np.float64]:
    return np.asarray(exposure.pixels, dtype=float) - CAMERA.bias_adu


def measured(exposure: Exposure) -> npt.NDArray[np.void]:
    image = exposure.pixels.astype(np.float32)
    background = sep.Background(image, bw=64, bh=64)
    return np.asarray(sep.extract(image - background, 8.0, err=background.globalrms, minarea=5))


@pytest.mark.parametrize(
    ("angle", "hidden", "open_"),
    [
        (0.0, np.s_[:, -30:], np.s_[:, :200]),
        (90.0, np.s_[-25:], np.s_[:150]),
        (180.0, np.s_[:, :30], np.s_[:, 200:]),
    ],
)
def test_an_obstacle_hides_sky_and_stars_in_its_direction(
    angle: float, hidden: tuple[slice, ...], open_: tuple[slice, ...]
) -> None:
    clear, blocked = levels(exposure()), levels(exposure(FrameRecipe(occlusion=Occlusion(0.25, angle))))
    assert np.median(blocked[hidden]) == pytest.approx(0.3 * np.median(clear[hidden]), rel=0.06)
    assert np.median(blocked[open_]) == pytest.approx(np.median(clear[open_]), rel=0.01)
    assert blocked[hidden].max() < 0.5 * clear[hidden].max()
    sky = np.median(clear)
    assert np.mean(blocked < 0.65 * sky) == pytest.approx(0.25, abs=0.03)


def test_an_obstacle_hides_trails_and_its_edge_is_as_soft_as_asked() -> None:
    trail = Trail.across(0.0, 0.0, (400, 300), 60.0)
    widths = []
    for softness in (0.05, 0.4):
        recipe = FrameRecipe(occlusion=Occlusion(0.5, 0.0, softness), trails=(trail,))
        seen = levels(exposure(recipe, field=replace(FIELD, electrons_per_s=0 * FIELD.electrons_per_s)))
        columns = np.median(seen[:120], axis=0)
        widths.append(int(np.count_nonzero((columns < 0.9 * columns[0]) & (columns > 1.1 * columns[-1]))))
        assert seen[149:152, -20:].mean() < 1.2 * columns[-1]
        assert seen[149:151, :20].mean() > 1.5 * columns[0]
    assert 2 <= widths[0] <= 10
    assert 40 < widths[1] < 80


def test_an_obstacle_may_hide_everything() -> None:
    seen = exposure(FrameRecipe(occlusion=Occlusion(1.0, 45.0)))
    assert np.median(levels(seen)) == pytest.approx(0.3 * np.median(levels(exposure())), rel=0.05)
    assert seen.stars.electrons.max() == 0.0
    assert seen.background_adu == pytest.approx(float(np.median(seen.pixels)), rel=0.02)


def test_a_flip_turns_stars_and_gradient_by_half_a_circle() -> None:
    first, flipped = exposure(), exposure(conditions=replace(CONDITIONS, rotation_deg=180.0, dx_px=2.5, dy_px=-1.5))
    one, other = measured(first), measured(flipped)
    expected_x, expected_y = 399 - one["x"] + 2.5, 299 - one["y"] - 1.5
    distance = np.hypot(other["x"][None] - expected_x[:, None], other["y"][None] - expected_y[:, None]).min(axis=1)
    assert len(one) > 30
    assert np.mean(distance < 0.3) > 0.8
    tilted = Sky(gradient=0.4, gradient_angle=0.0)
    ends = [
        np.median(levels(exposure(conditions=conditions, sky=tilted))[:, :30])
        for conditions in (CONDITIONS, replace(CONDITIONS, rotation_deg=180.0))
    ]
    assert ends[1] / ends[0] == pytest.approx(1.2 / 0.8, rel=0.06)


@pytest.mark.parametrize("angle", [7.0, 90.0])
def test_rotation_turns_the_field_about_the_frames_centre(angle: float) -> None:
    star = Field(np.array([299.5]), np.array([149.5]), np.array([3e3]), np.array([0.0]))
    found = measured(exposure(conditions=replace(CONDITIONS, rotation_deg=angle, dx_px=4.0), field=star))
    turn = math.radians(angle)
    assert found["x"] == pytest.approx([203.5 + 100 * math.cos(turn)], abs=0.05)
    assert found["y"] == pytest.approx([149.5 + 100 * math.sin(turn)], abs=0.05)


def test_a_mount_turns_slowly_and_flips_once_the_target_has_culminated() -> None:
    telescope = replace(TELESCOPE, rotation_deg_per_hour=2.0, flips_at_meridian=True)
    sky = replace(SKY, transit_hours=1.5)
    turns = [conditions_at(1, index, hours, telescope, sky).rotation_deg for index, hours in enumerate((0, 1, 1.6, 3))]
    assert turns == pytest.approx([0.0, 2.0, 183.2, 186.0])
    assert conditions_at(1, 3, 3.0, TELESCOPE, sky).rotation_deg == 0.0


def test_the_field_reaches_as_far_as_a_night_of_rotation_turns_it() -> None:
    telescope = replace(TELESCOPE, rotation_deg_per_hour=10.0)
    field = make_field(3, CAMERA, telescope, SKY, 60.0)
    seen = exposure(conditions=replace(CONDITIONS, rotation_deg=90.0), field=field).stars
    quarters = [np.count_nonzero((seen.y_px < 150) == low) for low in (True, False)]
    outer = np.count_nonzero(seen.y_px < 30)
    assert outer == pytest.approx(sum(quarters) / 10, rel=0.35)


def test_the_stars_of_an_exposure_are_where_and_as_bright_as_they_are_measured() -> None:
    grid_x, grid_y = (grid.ravel() for grid in np.meshgrid(np.arange(30.3, 380, 45), np.arange(30.7, 280, 45)))
    field = Field(grid_x, grid_y, np.full(grid_x.size, 1500.0), np.zeros(grid_x.size))
    recipe = FrameRecipe(
        transparency=0.7, cloud_bank=CloudBank(0.5, 0.6, 20.0), occlusion=Occlusion(0.2, 200.0, softness=0.3)
    )
    seen = exposure(recipe, replace(CONDITIONS, dx_px=3.0, rotation_deg=180.0), field)
    image = seen.pixels.astype(np.float32)
    image -= sep.Background(image, bw=32, bh=32).back()
    flux, _, _ = sep.sum_circle(image, seen.stars.x_px, seen.stars.y_px, 7.0, bkgann=(10.0, 14.0), subpix=0)
    bright = seen.stars.electrons > 10_000
    assert np.count_nonzero(bright) > 20
    assert seen.stars.electrons[bright].max() > 1.8 * seen.stars.electrons[bright].min()
    light = flux[bright] * CAMERA.gain_e_per_adu / seen.stars.electrons[bright]
    assert np.median(light) == pytest.approx(0.975, abs=0.02)
    assert np.percentile(light, [5, 95]) == pytest.approx([0.975, 0.975], abs=0.06)


@pytest.mark.parametrize("fwhm_px", [1.2, 3.0, 7.0])
def test_the_true_width_of_a_star_includes_the_pixel(fwhm_px: float) -> None:
    seen = exposure(conditions=replace(CONDITIONS, fwhm_px=fwhm_px))
    axis = np.arange(-3 * fwhm_px - 1, 3 * fwhm_px + 1, 0.05)
    scale = moffat_radius(fwhm_px, TELESCOPE.moffat_beta)
    star = (1 + (axis[:, None] ** 2 + axis[None, :] ** 2) / scale**2) ** -TELESCOPE.moffat_beta
    star = cv2.blur(star, (21, 21))
    area = np.count_nonzero(star > star.max() / 2) * 0.05**2
    assert seen.star_fwhm_px == pytest.approx(2 * math.sqrt(area / math.pi), rel=0.02)
    assert seen.star_fwhm_px > fwhm_px
    blurred = exposure(FrameRecipe(defocus_px=6.0), replace(CONDITIONS, fwhm_px=fwhm_px))
    assert blurred.star_fwhm_px > seen.star_fwhm_px + 3
