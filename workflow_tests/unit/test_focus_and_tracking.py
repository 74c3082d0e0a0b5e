"""Focus and tracking as frames are graded for them: on set-ups with stars of many widths."""

import math

import numpy as np
import pytest

from benchmarks.accuracy.exposures import scored, set_up_of
from benchmarks.accuracy.nights import simulated
from nebulift.simulate.catalogue import SetUp, exposure_of, set_ups
from nebulift.simulate.recipe import CloudBank, FieldTurn, FrameRecipe, Trail
from nebulift.tables import Row
from unit.skies import add_trails, noise
from unit.skies import scored as seen_in

SIZE = (800, 600)
SEEING_PX = {"wide-field lens": 1.7, "newtonian galaxies": 3.5, "long focal length": 7.5}
"""Of their stars, the pixel's own width in it."""


def graded(name: str, recipes: list[FrameRecipe], seed: int = 5) -> list[Row]:
    """Return the label rows of a night of these frames, seen with a set-up of the development half."""
    set_up = set_up_of("development", name, *SIZE)
    return [row for _, row in simulated(set_up, seed, recipes, len(recipes))]


class TestFocus:
    @pytest.mark.parametrize("name", ["planetary scale", "long focal length", "wide-field lens"])
    def test_wide_stars_alone_are_in_focus(self, name: str) -> None:
        rows = graded(name, [FrameRecipe(defocus_px=0.5)] * 3)
        assert [row["evidence"] for row in rows] == ["frame alone"] * 3
        assert not any("focus" in row["reasons"] for row in rows)
        assert max(row["fwhm_px"] for row in rows) > {"planetary scale": 10, "long focal length": 6}.get(name, 1)

    @pytest.mark.parametrize(
        ("name", "radius_px"), [("planetary scale", 15), ("long focal length", 8), ("newtonian galaxies", 6)]
    )
    def test_rings_of_light_are_not(self, name: str, radius_px: float) -> None:
        for row in graded(name, [FrameRecipe(defocus_px=radius_px)] * 3):
            assert row["label"] != "clean"
            assert "focus: flatness of the stars' tops" in row["reasons"]

    def test_what_the_air_cannot_have_made_as_wide_is_not_either(self) -> None:
        for row in graded("newtonian galaxies", [FrameRecipe(defocus_px=6)] * 3):
            assert "focus: FWHM in pixels beyond bad seeing" in row["reasons"]

    def test_what_a_moving_mount_draws_out_is_no_disc(self) -> None:
        for row in graded("newtonian galaxies", [FrameRecipe(tracking_px=14.0, tracking_angle_deg=30.0)] * 3):
            assert "flatness" not in row["reasons"]
            assert "tracking" in row["reasons"]

    @pytest.mark.parametrize("radius_px", [8, 12, 18])
    def test_the_width_of_stars_that_noise_breaks_to_pieces(self, radius_px: float) -> None:
        set_up = set_up_of("development", "planetary scale", 900, 675)
        exposure = exposure_of(set_up, 5, 0, FrameRecipe(defocus_px=radius_px))
        assert scored(exposure, set_up.camera).stars.fwhm_px == pytest.approx(exposure.star_fwhm_px, rel=0.03)


class TestTracking:
    @pytest.mark.parametrize("name", ["wide-field lens", "newtonian galaxies", "long focal length"])
    def test_a_periodic_error_of_half_a_width_is_usual_and_a_knock_of_two_is_not(self, name: str) -> None:
        width = max(SEEING_PX[name], 3.0)
        swing = [0.5 * width * abs(math.sin(1.4 * frame)) for frame in range(8)]
        *usual, small, knock = graded(
            name,
            [FrameRecipe(tracking_px=length, tracking_angle_deg=20.0) for length in (*swing, 1.2 * width, 2.0 * width)],
        )
        assert all((row["elongation_ratio"] or 9) < 1.1 for row in usual)
        assert not any("tracking" in row["reasons"] for row in usual)
        assert 1.25 < small["elongation_ratio"] < 1.5
        assert small["label"] != "clean"
        assert 1.7 < knock["elongation_ratio"] < 2.3
        assert knock["label"] == "contaminated"
        assert "tracking: length in one direction against the group's width" in knock["reasons"]

    def test_a_pixel_or_two_on_stars_that_the_pixels_do_not_sample_ruin_nothing(self) -> None:
        # Twice as long as wide, and less than what would be seen on stars of 3 px.
        lengths = (0.3, 0.6, 0.2, 0.5, 0.4, 0.1, 2.0, 2.3)
        rows = graded("wide-field lens", [FrameRecipe(tracking_px=px, tracking_angle_deg=70.0) for px in lengths])
        assert not any("tracking" in row["reasons"] for row in rows)


class TestArcs:
    @pytest.mark.parametrize("name", ["newtonian galaxies", "wide-field lens", "galactic pole"])
    @pytest.mark.parametrize("turn", [FieldTurn(12, 0.3, 0.6), FieldTurn(25, 0.5, 0.5), FieldTurn(4, -1.0, 0.2)])
    def test_a_field_that_turns_in_the_exposure_is_bad_tracking(self, name: str, turn: FieldTurn) -> None:
        (row,) = graded(name, [FrameRecipe(turn=turn)])
        assert row["label"] == "contaminated"
        assert "tracking: share of the stars drawn to arcs" in row["reasons"]

    @pytest.mark.parametrize("set_up", set_ups("development", *SIZE), ids=lambda entry: entry.name)
    def test_stars_clouds_nebulae_glow_and_trails_are_no_arcs(self, set_up: SetUp) -> None:
        trails = tuple(Trail.across(30.0 + 20 * number, 15.0 * number, SIZE, 150.0, 5.0) for number in range(2))
        for recipe in (FrameRecipe(trails=trails), FrameRecipe(cloud_bank=CloudBank(0.8, 0.9, 20.0))):
            exposure = exposure_of(set_up, 3, 0, recipe)
            assert not scored(exposure, set_up.camera).stars.arc_fraction > 0.3

    def test_one_bent_line_without_a_star_is_an_arc_and_a_straight_one_is_none(self) -> None:
        sky, (height, width) = noise((220, 260)), (220, 260)
        y, x = np.indices((height, width))
        ring = 300 * np.exp(-0.5 * ((np.hypot(x - 330, y + 120) - 310) / 2.5) ** 2)
        straight = add_trails(sky, Trail(20, 10, 240, 200, 30.0, 3.0))
        assert seen_in(sky + ring.astype(np.float32)).stars.arc_fraction == pytest.approx(1)
        assert seen_in(straight).stars.arc_fraction == 0
        assert math.isnan(seen_in(sky).stars.arc_fraction)
