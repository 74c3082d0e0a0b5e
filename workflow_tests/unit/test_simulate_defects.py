"""Lasting defects, blooming and banding of the simulated camera."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from nebulift.simulate.detector import detector, hot_pixels
from nebulift.simulate.electronics import bloom
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import render_frame
from nebulift.simulate.field import Conditions, Field, generator
from nebulift.simulate.recipe import FrameRecipe

CAMERA = Camera(width_px=300, height_px=200, hot_pixel_fraction=0.0, pixel_gain_rms=0.0, cosmic_rays_per_mpix_per_s=0.0)
TELESCOPE = Telescope(vignetting=0.0, spike_fraction=0.0)
SKY = Sky(gradient=0.0)
BRIGHT = Sky(gradient=0.0, sky_e_per_s_per_px=400.0)
OVERHEAD = Conditions(hours=0.0, airmass=1.0, fwhm_px=3.0, dx_px=0.0, dy_px=0.0)
NO_STARS = Field(*(np.empty(0) for _ in range(4)))


def frame(
    camera: Camera,
    sky: Sky = SKY,
    seed: int = 1,
    exposure_s: float = 60.0,
    field: Field = NO_STARS,
    telescope: Telescope = TELESCOPE,
) -> npt.NDArray[np.float64]:
    rng = generator(seed, "frame")
    pixels = render_frame(field, camera, telescope, sky, FrameRecipe(), OVERHEAD, exposure_s, rng)
    return (pixels.astype(float) - camera.bias_adu) * camera.gain_e_per_adu


def test_hot_pixels_are_told_with_place_and_excess() -> None:
    camera = replace(CAMERA, hot_pixel_fraction=2e-3)
    hot = hot_pixels(camera)
    excess = frame(camera, exposure_s=20.0) - np.median(frame(CAMERA, exposure_s=20.0))
    seen = excess[hot.y_px, hot.x_px]
    assert 80 < len(hot.x_px) == detector(camera, TELESCOPE).hot_pixels < 160
    strong = hot.excess_e_per_s > 10
    assert seen[strong] / 20.0 == pytest.approx(hot.excess_e_per_s[strong], rel=0.5)
    assert np.median(seen[strong] / 20.0 / hot.excess_e_per_s[strong]) == pytest.approx(1.0, abs=0.03)
    excess[hot.y_px, hot.x_px] = 0.0
    assert excess.max() < 7 * excess.std()


def test_row_banding_is_new_in_each_frame_and_as_strong_as_asked() -> None:
    camera = replace(CAMERA, row_banding_e=6.0)
    offsets = [frame(camera, seed=seed).mean(axis=1) for seed in (1, 2)]
    assert offsets[0].std() == pytest.approx(6.0, rel=0.2)
    assert abs(np.corrcoef(*offsets)[0, 1]) < 0.25
    assert frame(camera).mean(axis=0).std() < 2.0


def test_column_banding_is_as_wide_as_asked() -> None:
    camera = replace(CAMERA, column_banding_e=20.0, banding_width_px=12.0)
    offsets = frame(camera).mean(axis=0)
    assert offsets.std() == pytest.approx(20.0, rel=0.35)
    assert np.corrcoef(offsets[1:], offsets[:-1])[0, 1] > 0.95
    assert abs(np.corrcoef(offsets[60:], offsets[:-60])[0, 1]) < 0.6


def test_the_fixed_pattern_stays_through_frames() -> None:
    camera = replace(CAMERA, row_pattern_e=5.0, column_pattern_e=8.0)
    first, second = (frame(camera, seed=seed) for seed in (1, 2))
    assert np.corrcoef(first.mean(axis=1), second.mean(axis=1))[0, 1] > 0.9
    assert np.corrcoef(first.mean(axis=0), second.mean(axis=0))[0, 1] > 0.9
    assert first.mean(axis=0).std() == pytest.approx(8.0, rel=0.15)
    assert first.mean(axis=1).std() == pytest.approx(5.0, rel=0.2)


def test_offsets_leave_the_noise_beneath_them_alone() -> None:
    plain, banded = frame(CAMERA), frame(replace(CAMERA, row_banding_e=6.0))
    offsets = banded - plain
    # Rounding to whole ADU is all that differs within a row.
    assert np.abs(offsets - np.median(offsets, axis=1, keepdims=True)).max() <= 1.01 * CAMERA.gain_e_per_adu


def test_the_first_and_last_rows_are_brighter() -> None:
    rows = frame(replace(CAMERA, edge_rows=4, edge_row_e=40.0)).mean(axis=1) - frame(CAMERA).mean()
    for edge in (rows[:6], rows[::-1][:6]):
        assert edge[0] == pytest.approx(40.0, rel=0.4)
        assert edge[:4] / edge[0] == pytest.approx([1.0, 0.75, 0.5, 0.25], abs=0.12)
        assert np.abs(edge[4:]).max() < 4
    assert np.abs(rows[6:-6]).max() < 4


def test_an_amplifier_glows_in_its_corner_and_with_time() -> None:
    camera = replace(CAMERA, amplifier_glow_e_per_s=30.0)
    corner_level = [
        max(
            glow[rows, columns].mean()
            for rows in (slice(5), slice(-5, None))
            for columns in (slice(5), slice(-5, None))
        )
        for glow in (frame(camera, exposure_s=seconds) - frame(CAMERA, exposure_s=seconds) for seconds in (20.0, 60.0))
    ]
    assert corner_level[1] == pytest.approx(60 * 30.0 * 0.82, rel=0.1)
    assert corner_level[0] == pytest.approx(corner_level[1] / 3, rel=0.1)
    middle = (frame(camera) - frame(CAMERA))[80:120, 130:170]
    assert abs(middle.mean()) < 3


def test_charge_above_the_full_well_spills_along_its_column_and_none_is_lost() -> None:
    electrons = np.full((101, 5), 100.0, dtype=np.float32)
    electrons[50, 2] = 20_100.0
    before = electrons.sum()
    bloom(electrons, 1100.0)
    assert electrons.sum() == pytest.approx(before)
    assert np.count_nonzero(electrons[:, 2] > 1000) in (19, 20, 21)
    assert np.flatnonzero(electrons[:, 2] > 1000).mean() == 50
    assert (electrons[:, [0, 1, 3, 4]] == 100).all()


def test_a_bleeding_column_grows_with_the_stars_light() -> None:
    camera = replace(CAMERA, full_well_e=20_000.0, height_px=201)
    lengths = []
    for light in (1e4, 1e5):
        star = Field(np.array([150.0]), np.array([100.0]), np.array([light]), np.array([0.0]))
        plain, bleeding = (frame(replace(camera, blooms=blooms), field=star) for blooms in (False, True))
        full = [image > 19_000 for image in (plain, bleeding)]
        lengths.append([np.count_nonzero(image[:, 150]) for image in full])
        assert np.count_nonzero(full[0][100]) == np.count_nonzero(full[1][100])
    assert lengths[0][1] > lengths[0][0]
    assert lengths[1][1] > 5 * lengths[1][0]
    assert lengths[1][1] > 3 * lengths[0][1]


def test_hot_columns_are_bright_from_a_row_on_and_stay() -> None:
    camera = replace(CAMERA, hot_columns=3)
    last_rows = [frame(camera, seed=seed)[-20:].mean(axis=0) for seed in (1, 2)]
    hot = [set(np.flatnonzero(row > np.median(row) + 18)) for row in last_rows]
    assert hot[0] == hot[1]
    assert len(hot[0]) == 3


def test_dust_throws_rings_and_dead_areas_take_light_for_good() -> None:
    dusty = frame(replace(CAMERA, dust_shadows=2), BRIGHT) / frame(CAMERA, BRIGHT)
    again = frame(replace(CAMERA, dust_shadows=2), BRIGHT, seed=2) / frame(CAMERA, BRIGHT)
    shadow = dusty < 0.97
    assert 200 < np.count_nonzero(shadow) < 12_000
    assert np.mean(again[shadow] < 0.985) > 0.9
    assert 0.8 < dusty[shadow].mean() < 0.97
    spotted = frame(replace(CAMERA, dead_areas=4), BRIGHT) / frame(CAMERA, BRIGHT)
    assert 30 < np.count_nonzero(spotted < 0.75) < 2000
    assert np.count_nonzero((spotted > 0.75) & (spotted < 0.95)) < 20


def test_a_refractor_makes_discs_of_dust_where_a_reflector_makes_rings() -> None:
    camera = replace(CAMERA, dust_shadows=1, name="one speck")
    taken = []
    for obstruction in (0.0, 0.4):
        telescope = replace(TELESCOPE, obstruction=obstruction)
        image = frame(camera, BRIGHT, telescope=telescope) / frame(CAMERA, BRIGHT)
        taken.append(1.0 - image)
    assert taken[1].sum() == pytest.approx((1 - 0.4**2) * taken[0].sum(), rel=0.1)
