"""The catalogue of set-ups, its quick exposures, and nights planned with every kind of artefact."""

from collections import Counter
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import sep
from astropy.io import fits

from nebulift.simulate.catalogue import HALVES, clean_exposure, conditions_of, exposure_of, set_ups
from nebulift.simulate.detector import read_out
from nebulift.simulate.equipment import Camera, Sky
from nebulift.simulate.night import TruthRow, simulate_nights
from nebulift.simulate.plan import plan_night
from nebulift.simulate.recipe import FrameRecipe, Trail
from nebulift.simulate.set_ups import SetUp

SIZE = (300, 220)
ALL = [set_up for half in HALVES for set_up in set_ups(half, *SIZE)]


def test_the_halves_share_no_camera_and_both_have_every_nuisance() -> None:
    development, test = (set_ups(half) for half in ("development", "test"))
    assert min(len(development), len(test)) >= 10
    assert not {entry.camera.name for entry in development} & {entry.camera.name for entry in test}
    kinds = [{kind for entry in half for kind in entry.nuisances} for half in (development, test)]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) > 20
    names = [entry.camera.name for entry in development + test]
    assert len(set(names)) == len(names)
    assert {entry.half for entry in test} == {"test"}
    assert (test[0].camera.width_px, test[0].camera.height_px) == (1200, 900)
    with pytest.raises(ValueError, match="no half"):
        set_ups("both")


@pytest.mark.parametrize("set_up", ALL, ids=lambda entry: entry.camera.name)
def test_a_clean_frame_of_every_set_up_is_sound(set_up: SetUp) -> None:
    seen = clean_exposure(set_up, 4, 1)
    assert seen.pixels.shape == SIZE[::-1]
    assert seen.pixels.max() <= set_up.camera.saturation_adu
    assert np.mean(seen.pixels >= set_up.camera.saturation_adu) < 0.05
    assert np.mean(seen.pixels == 0) < 1e-3
    assert set_up.camera.bias_adu - 5 < seen.background_adu < 0.7 * set_up.camera.saturation_adu
    stars = seen.stars.electrons > 20 * seen.sky_sigma_adu * set_up.camera.gain_e_per_adu * seen.star_fwhm_px
    assert np.count_nonzero(stars) >= 2
    again = clean_exposure(set_up, 4, 1)
    np.testing.assert_array_equal(again.pixels, seen.pixels)
    assert not np.array_equal(clean_exposure(set_up, 4, 2).pixels, seen.pixels)
    assert not np.array_equal(clean_exposure(set_up, 5, 1).pixels, seen.pixels)


def test_the_set_ups_span_the_widths_of_stars_and_the_levels_of_sky() -> None:
    seen = [clean_exposure(set_up, 1, 0) for set_up in ALL]
    widths = [exposure.star_fwhm_px for exposure in seen]
    assert min(widths) < 1.9
    assert max(widths) > 6
    sky_e = [set_up.sky.sky_e_per_s_per_px * set_up.exposure_s for set_up in ALL]
    assert min(sky_e) < 10 < 300 < max(sky_e)


def test_a_recipe_changes_what_it_names_and_leaves_the_stars_of_the_frame() -> None:
    set_up = ALL[0]
    clear = exposure_of(set_up, 3, 2, FrameRecipe())
    trail = Trail.across(30.0, 0.0, SIZE, 30.0)
    crossed = exposure_of(set_up, 3, 2, FrameRecipe(trails=(trail,)))
    np.testing.assert_array_equal(crossed.stars.x_px, clear.stars.x_px)
    difference = cv2.blur(np.abs(crossed.pixels.astype(float) - clear.pixels), (5, 5)) / clear.sky_sigma_adu
    assert difference[110, 150] > 8
    assert np.median(difference) < 2
    turned = conditions_of(set_up, 3, 200).rotation_deg
    assert (conditions_of(set_up, 3, 0).rotation_deg, turned) == (0.0, 180.0)


@pytest.mark.parametrize("level", [3.0, 45.0, 900.0])
def test_quick_noise_has_the_mean_variance_and_tails_of_photons(level: float) -> None:
    camera = Camera(width_px=600, height_px=400, gain_e_per_adu=0.1, read_noise_e=0.0, cosmic_rays_per_mpix_per_s=0.0)
    expected = np.full((400, 600), level, dtype=np.float32)
    expected[:, :100] = 4.0
    pixels = read_out(expected, camera, 60.0, np.random.default_rng(1), quick=True)
    electrons = (pixels.astype(float) - camera.bias_adu) * 0.1
    for part, mean in ((electrons[:, 100:], level), (electrons[:, :100], 4.0)):
        assert part.mean() == pytest.approx(mean, rel=0.01)
        assert part.var() == pytest.approx(mean, rel=0.02)
    faint = electrons[:, :100].ravel() - 4.0
    assert np.mean(faint**3) / 8 == pytest.approx(0.5, abs=0.1)


def test_measured_stars_of_a_set_up_are_those_of_the_truth() -> None:
    set_up = next(entry for entry in set_ups("test", 700, 500) if entry.name == "empty field")
    seen = clean_exposure(set_up, 9, 3)
    image = seen.pixels.astype(np.float32)
    image -= sep.Background(image).back()
    found = sep.extract(image, 3.0, err=seen.sky_sigma_adu, minarea=4)
    noise_e = seen.sky_sigma_adu * set_up.camera.gain_e_per_adu * seen.star_fwhm_px
    bright = seen.stars.electrons > 40 * noise_e
    x_px, y_px = seen.stars.x_px[bright], seen.stars.y_px[bright]
    distance = np.hypot(found["x"][:, None] - x_px, found["y"][:, None] - y_px).min(axis=0)
    assert len(distance) > 8
    assert np.mean(distance < 0.4) > 0.9


def test_a_varied_plan_has_every_kind_and_its_share_and_the_default_none_of_the_new() -> None:
    camera = Camera(width_px=120, height_px=90)
    plans = [plan_night(100, seed, camera, Sky(), 0.4, varied=True) for seed in range(12)]
    assert all(sum(recipe.verdict == "contaminated" for recipe in plan) == 40 for plan in plans)
    spoilt = [recipe for plan in plans for recipe in plan if recipe.artifacts]
    kinds = Counter(name for recipe in spoilt for name in recipe.artifacts)
    assert set(kinds) == {"cloud", "streak", "tracking", "defocus", "occlusion"}
    trails = [trail for recipe in spoilt for trail in recipe.trails]
    for is_kind in (
        [trail.taper > 0 for trail in trails],
        [trail.flash_px > 0 for trail in trails],
        [trail.width_px >= 5 for trail in trails],
        [trail.dash_px > 0 for trail in trails],
    ):
        assert sum(is_kind) >= 3
    assert sum(len(recipe.trails) == 2 for recipe in spoilt) > 15
    assert all(0.05 < recipe.occlusion.share <= 0.6 for recipe in spoilt if recipe.occlusion)
    assert all(any(trail.inside(120, 90) for trail in recipe.trails) for recipe in spoilt if recipe.trails)
    plain = [recipe for seed in range(12) for recipe in plan_night(100, seed, camera, Sky(), 0.4)]
    assert not any(recipe.occlusion for recipe in plain)
    assert not any(trail.taper or trail.flash_px for recipe in plain for trail in recipe.trails)


def test_bad_tracking_and_focus_are_as_bad_on_wide_stars() -> None:
    camera = Camera(width_px=120, height_px=90)
    usual, narrow, wide = (plan_night(200, 3, camera, Sky(), 0.5, fwhm_px=fwhm_px) for fwhm_px in (3.0, 1.5, 9.0))
    assert narrow == usual
    for one, other in zip(usual, wide, strict=True):
        assert other.tracking_px == pytest.approx(one.tracking_px * (3 if "tracking" in one.artifacts else 1), abs=0.01)
        assert other.defocus_px == pytest.approx(one.defocus_px * (3 if "defocus" in one.artifacts else 1), abs=0.01)
        assert other.artifacts == one.artifacts
    assert {"tracking", "defocus"} <= {name for recipe in wide for name in recipe.artifacts}


def test_varied_nights_on_disk_flip_and_their_truth_reads_back(tmp_path: Path) -> None:
    path = simulate_nights(
        tmp_path, nights=1, frames=20, width_px=120, height_px=90, contaminated_fraction=0.8, varied=True
    )
    truth = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert list(truth.columns) == [column.name for column in fields(TruthRow)]
    assert list(truth["rotation_deg"]) == [0.0] * 11 + [180.0] * 9
    assert (truth["occlusion"] > 0).any()
    assert set(truth.loc[truth["artifacts"].str.contains("streak"), "trail_ends_px"]) - {"none"}
    assert fits.getdata(tmp_path / "2024-09-09" / "light_0020.fits").shape == (90, 120)
