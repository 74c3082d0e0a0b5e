"""Trails of simulated frames: as bright, as wide, as long and where they were asked for."""

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import expose
from nebulift.simulate.field import Conditions, Field, generator
from nebulift.simulate.lines import LineProfile, add_trail
from nebulift.simulate.psf import add_stars, point_spread
from nebulift.simulate.recipe import FrameRecipe, Trail

WIDTH, HEIGHT = 500, 400
CAMERA = Camera(width_px=WIDTH, height_px=HEIGHT, hot_pixel_fraction=0.0, cosmic_rays_per_mpix_per_s=0.0)
TELESCOPE = Telescope(vignetting=0.0)
SKY = Sky(gradient=0.0)
CONDITIONS = Conditions(hours=0.0, airmass=1.0, fwhm_px=3.0, dx_px=0.0, dy_px=0.0)
NO_STARS = Field(*(np.empty(0) for _ in range(4)))


def rectified(trail: Trail, **recipe: float) -> npt.NDArray[np.float64]:
    """Give a frame without stars in units of its sky noise, turned so that the trail runs along the middle row."""
    exposure = expose(
        NO_STARS,
        CAMERA,
        TELESCOPE,
        SKY,
        FrameRecipe(trails=(trail,), **recipe),  # type: ignore[arg-type]
        CONDITIONS,
        60.0,
        generator(1, "frame"),
    )
    sigmas = (exposure.pixels.astype(np.float32) - exposure.background_adu) / exposure.sky_sigma_adu
    angle = math.degrees(math.atan2(trail.y1 - trail.y0, trail.x1 - trail.x0))
    middle = ((trail.x0 + trail.x1) / 2, (trail.y0 + trail.y1) / 2)
    turn = cv2.getRotationMatrix2D(middle, angle, 1.0)
    turn[:, 2] += (250 - middle[0], 100 - middle[1])
    return np.asarray(cv2.warpAffine(sigmas, turn, (501, 201), flags=cv2.INTER_CUBIC), dtype=float)


def across(angle: float, peak: float, offset: float = 0.0, width: float = 0.0) -> Trail:
    return Trail.across(angle, offset, (WIDTH, HEIGHT), peak, width)


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 70.0, 90.0, 135.0])
@pytest.mark.parametrize("peak", [1.0, 20.0])
def test_the_mean_profile_peaks_at_the_asked_sigma(angle: float, peak: float) -> None:
    profile = rectified(across(angle, peak))[:, 120:380].mean(axis=1)
    assert profile[100] == pytest.approx(peak, rel=0.03, abs=0.2)
    assert np.abs(profile[[70, 130]]).max() < 0.3


@pytest.mark.parametrize(("width", "expected"), [(0.0, 3.0), (12.0, 12.0)])
def test_a_trail_is_as_wide_as_seeing_or_object(width: float, expected: float) -> None:
    profile = rectified(across(30.0, 50.0, width=width))[:, 120:380].mean(axis=1)
    fine = np.interp(np.linspace(0, 200, 20001), np.arange(201), profile)
    fwhm = np.count_nonzero(fine > fine.max() / 2) / 100
    # Seeing alone: a Moffat profile seen edge-on is a little wider, as is the pixel.
    assert fwhm == pytest.approx(expected, rel=0.16)


@pytest.mark.parametrize(("beta", "defocus"), [(2.5, 0.0), (4.0, 0.0), (3.5, 5.0)])
def test_a_trail_across_is_a_star_summed_along(beta: float, defocus: float) -> None:
    star, trail = np.zeros((201, 201), dtype=np.float32), np.zeros((201, 201), dtype=np.float32)
    add_stars(star, np.array([100.0]), np.array([100.0]), np.array([1e6]), point_spread(3.0, beta, defocus), 1e-3)
    line = Trail.across(0.0, 0.0, (201, 201), 1.0)
    add_trail(trail, line, 1.0, LineProfile(3.0, beta, 0.0, defocus))
    across_star, across_trail = star.sum(axis=1), trail[:, 100]
    np.testing.assert_allclose(across_trail[88:113], (across_star / across_star.max())[88:113], atol=0.015)


def test_defocus_widens_a_trail() -> None:
    profiles = [rectified(across(30.0, 50.0), defocus_px=radius)[:, 120:380].mean(axis=1) for radius in (0.0, 6.0)]
    widths = [np.count_nonzero(profile > 25.0) for profile in profiles]
    assert widths[1] == pytest.approx(2 * 6 * math.sqrt(3) / 2, abs=2)
    assert widths[0] <= 5


def test_a_trail_ends_where_it_was_told_to() -> None:
    trail = Trail(150.0, 120.0, 330.0, 255.0, 30.0)
    along = rectified(trail)[99:102].mean(axis=0)
    half = 225 / 2
    lit = np.flatnonzero(along > 13)
    assert (lit.min(), lit.max()) == (pytest.approx(250 - half, abs=1.5), pytest.approx(250 + half, abs=1.5))
    assert np.abs(along[: round(250 - half - 15)]).max() < 5


def test_dashes_are_lit_half_of_the_way() -> None:
    trail = replace(across(15.0, 30.0), dash_px=20.0)
    along = rectified(trail)[99:102, 80:420].mean(axis=0)
    lit = along > 13
    assert np.mean(lit) == pytest.approx(0.5, abs=0.06)
    assert np.count_nonzero(np.diff(lit.astype(int))) == pytest.approx(340 / 20, abs=1.5)


def test_a_meteor_rises_and_fades_along_its_path() -> None:
    meteor = Trail(100.0, 90.0, 400.0, 300.0, 40.0, taper=1.0)
    along = cv2.blur(rectified(meteor)[98:103].mean(axis=0)[None], (15, 1))[0]
    start, length = 250 - math.hypot(300, 210) / 2, math.hypot(300, 210)
    way = {share: along[round(start + share * length)] for share in (0.05, 0.3, 2 / 3, 0.95)}
    assert way[0.05] < 0.1 * way[2 / 3]
    assert way[0.95] < 0.4 * way[2 / 3]
    assert way[0.3] == pytest.approx(6.75 * 0.3**2 * 0.7 * way[2 / 3], rel=0.1)
    assert along.max() == pytest.approx(way[2 / 3], rel=0.06)


@pytest.mark.parametrize("depth", [0.5, 1.0])
def test_a_tumbler_flashes_with_its_period_and_depth(depth: float) -> None:
    trail = replace(across(15.0, 60.0), flash_px=40.0, flash_depth=depth)
    along = rectified(trail)[100, 90:410]
    strength = np.abs(np.fft.rfft(along - along.mean()))
    assert np.argmax(strength) == 320 / 40
    assert along.mean() == pytest.approx(60.0 * (1 - depth / 2), rel=0.05)
    assert np.percentile(along, 5) == pytest.approx(60.0 * (1 - depth), abs=6.0)


def test_the_ends_inside_the_frame_are_those_of_a_short_trail_or_the_edges() -> None:
    assert Trail(150.0, 120.0, 330.0, 255.0, 1.0).inside(WIDTH, HEIGHT) == ((150, 120), (330, 255))
    assert across(0.0, 1.0, offset=10.5).inside(WIDTH, HEIGHT) == ((0, 210), (WIDTH - 1, 210))
    assert across(0.0, 1.0, offset=3000.0).inside(WIDTH, HEIGHT) is None


def test_offset_places_the_trail_beside_the_centre() -> None:
    image = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    add_trail(image, across(0.0, 1.0, offset=60.0), 10.0, LineProfile(3.0, 3.5))
    assert np.argmax(image[:, 250]) in (259, 260)
    assert np.count_nonzero(image.max(axis=0) > 9) == WIDTH


@settings(max_examples=40, deadline=None)
@given(
    angle=st.floats(0, 360),
    offset=st.floats(-150, 150),
    fwhm=st.floats(2.0, 6.0),
)
def test_a_trails_light_is_its_length_times_its_profile_at_any_angle(angle: float, offset: float, fwhm: float) -> None:
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = 300 - offset * sine, 300 + offset * cosine
    trail = Trail(x - 60 * cosine, y - 60 * sine, x + 60 * cosine, y + 60 * sine, 1.0)
    profile = LineProfile(fwhm, 3.5)
    image = np.zeros((600, 600), dtype=np.float32)
    add_trail(image, trail, 100.0, profile)
    assert float(image.sum(dtype=float)) == pytest.approx(100.0 * 120.0 * profile.area_px, rel=0.01)
    # The axis may pass between pixel centres, never farther than half a diagonal from one.
    assert 100.0 * float(profile(np.array(0.71))) <= image.max() <= 100.5


@given(angle=st.floats(0, 360), offset=st.floats(-900, 900), width=st.integers(20, 300), height=st.integers(20, 300))
@settings(max_examples=60, deadline=None)
def test_a_trail_never_leaves_the_frame_and_its_length_is_what_is_lit(
    angle: float, offset: float, width: int, height: int
) -> None:
    trail = Trail.across(angle, offset, (width, height), 1.0)
    image = np.zeros((height, width), dtype=np.float32)
    add_trail(image, trail, 1.0, profile := LineProfile(2.0, 4.5))
    assert image.min() >= 0.0
    lit = float(image.sum(dtype=float)) / profile.area_px
    # Trails that graze an edge or a corner are lit in part only.
    assert lit == pytest.approx(trail.length_px(width, height), abs=0.03 * max(width, height) + 12) or (
        abs(_room(trail, width, height)) < 6
    )


def _room(trail: Trail, width: int, height: int) -> float:
    """How far the nearest corner lies from the axis."""
    length = math.hypot(trail.x1 - trail.x0, trail.y1 - trail.y0)
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    return min(
        abs((x - trail.x0) * (trail.y1 - trail.y0) - (y - trail.y0) * (trail.x1 - trail.x0)) / length
        for x, y in corners
    )


def test_a_line_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="two different ends"):
        add_trail(np.zeros((9, 9), dtype=np.float32), Trail(3, 3, 3, 3, 1.0), 1.0, LineProfile(3.0, 3.5))
