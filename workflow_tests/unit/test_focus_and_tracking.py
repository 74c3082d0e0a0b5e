"""Focus and tracking as frames are graded for them: on set-ups with stars of many widths."""

import pytest

from benchmarks.accuracy.exposures import scored, set_up_of
from benchmarks.accuracy.nights import simulated
from nebulift.simulate.catalogue import exposure_of
from nebulift.simulate.recipe import FrameRecipe
from nebulift.tables import Row

SIZE = (800, 600)


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
