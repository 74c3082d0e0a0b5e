"""Stars of simulated frames, measured with sep: place, light, shape, and how the night changes them."""

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import sep
from hypothesis import given, settings
from hypothesis import strategies as st

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import render_frame
from nebulift.simulate.field import Conditions, Field, airmass, conditions_at, generator, make_field
from nebulift.simulate.psf import add_stars, point_spread
from nebulift.simulate.recipe import CloudBank, FrameRecipe

CAMERA = Camera(width_px=400, height_px=300, hot_pixel_fraction=0.0, cosmic_rays_per_mpix_per_s=0.0)
TELESCOPE = Telescope(spike_fraction=0.0)
SKY = Sky()
CONDITIONS = Conditions(hours=0.0, airmass=1.1, fwhm_px=3.2, dx_px=0.0, dy_px=0.0)
FIELD = make_field(3, CAMERA, TELESCOPE, replace(SKY, star_density=900.0), 60.0)


def single_stars(spacing: int = 40, electrons_per_s: float = 1500.0) -> Field:
    """Stars alone on a grid, each at another place within its pixel."""
    grid_x, grid_y = np.meshgrid(np.arange(30, 390, spacing), np.arange(30, 290, spacing))
    rng = np.random.default_rng(5)
    x, y = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size) for grid in (grid_x, grid_y))
    return Field(x, y, np.full(grid_x.size, electrons_per_s), np.zeros(grid_x.size))


def frame(
    field: Field = FIELD,
    recipe: FrameRecipe | None = None,
    conditions: Conditions = CONDITIONS,
    telescope: Telescope = TELESCOPE,
    seed: int = 1,
) -> npt.NDArray[np.float32]:
    rng = generator(seed, "frame")
    pixels = render_frame(field, CAMERA, telescope, SKY, recipe or FrameRecipe(), conditions, 60.0, rng)
    image = pixels.astype(np.float32)
    return image - sep.Background(image, bw=64, bh=64).back()


def photometry(image: npt.NDArray[np.float32], x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    flux, _, _ = sep.sum_circle(image, x, y, 7.0, bkgann=(10.0, 15.0), subpix=0)
    return np.asarray(flux)


def stars_of(image: npt.NDArray[np.float32], sigma: float = 8.0) -> npt.NDArray[np.void]:
    noise = 1.4826 * float(np.median(np.abs(image - np.median(image))))
    return np.asarray(sep.extract(image, sigma, err=noise, minarea=5))


def matched(first: npt.NDArray[np.void], second: npt.NDArray[np.void], dx: float, dy: float) -> npt.NDArray[np.intp]:
    """Pairs (n, 2) of stars that lie within 1 px of each other after the shift."""
    distance = np.hypot(
        second["x"][None, :] - first["x"][:, None] - dx, second["y"][None, :] - first["y"][:, None] - dy
    )
    return np.argwhere(distance < 1.0)


def test_stars_move_by_dither_and_drift_and_keep_their_light() -> None:
    moved = replace(CONDITIONS, dx_px=6.4, dy_px=-3.7)
    first, second = stars_of(frame()), stars_of(frame(conditions=moved, seed=2))
    pairs = matched(first, second, 6.4, -3.7)
    assert len(pairs) > 0.8 * len(first) > 40
    one, other = first[pairs[:, 0]], second[pairs[:, 1]]
    assert np.median(other["x"] - one["x"]) == pytest.approx(6.4, abs=0.03)
    assert np.median(other["y"] - one["y"]) == pytest.approx(-3.7, abs=0.03)
    assert np.median(other["flux"] / one["flux"]) == pytest.approx(1.0, abs=0.02)


def test_the_fields_margin_brings_in_other_stars() -> None:
    late = conditions_at(3, 500, 9.0, TELESCOPE, SKY)
    assert late.dx_px > 35.0
    entered = FIELD.x_px + late.dx_px
    strip = (entered > 0) & (entered < 36)
    inside = (FIELD.x_px > 0) & (FIELD.x_px < 360)
    # As many stars per pixel in what lay outside when the night began as in the frame.
    assert np.count_nonzero(strip) == pytest.approx(np.count_nonzero(inside) / 10, rel=0.25)
    seen = stars_of(frame(conditions=late), sigma=4.0)
    assert np.count_nonzero(seen["x"] < 36) == pytest.approx(len(seen) * 36 / 400, rel=0.5)


def test_a_veil_of_0_8_takes_a_fifth_of_every_stars_light() -> None:
    field = single_stars(electrons_per_s=1000.0)
    clear, veiled = frame(field), frame(field, FrameRecipe(transparency=0.8), seed=2)
    ratio = photometry(veiled, field.x_px, field.y_px) / photometry(clear, field.x_px, field.y_px)
    assert np.median(ratio) == pytest.approx(0.8, abs=0.008)
    assert np.percentile(ratio, [5, 95]) == pytest.approx([0.8, 0.8], abs=0.02)


def test_a_veil_brightens_the_sky() -> None:
    none = single_stars(electrons_per_s=0.0)
    levels = [
        np.median(render_frame(none, CAMERA, TELESCOPE, SKY, recipe, CONDITIONS, 60.0, generator(1, "frame")))
        for recipe in (FrameRecipe(), FrameRecipe(transparency=0.5))
    ]
    assert levels[1] - 500 == pytest.approx(1.4 * (levels[0] - 500), rel=0.03)


def test_stars_have_the_light_that_zero_point_gain_and_extinction_give() -> None:
    field = single_stars(electrons_per_s=1000.0)
    flux = photometry(frame(field, telescope=replace(TELESCOPE, vignetting=0.0)), field.x_px, field.y_px)
    expected = 1000.0 * 60.0 / CAMERA.gain_e_per_adu * 10 ** (-0.4 * SKY.extinction_mag * CONDITIONS.airmass)
    # An aperture of 7 px and a ring beyond it miss 1 to 3 % of a Moffat star's wings.
    assert np.median(flux) == pytest.approx(expected, rel=0.035)
    assert np.median(flux) < expected


@pytest.mark.parametrize("fwhm_px", [2.4, 3.2, 5.0])
def test_stars_are_as_wide_as_asked(fwhm_px: float) -> None:
    field = single_stars()
    image = frame(field, conditions=replace(CONDITIONS, fwhm_px=fwhm_px), telescope=replace(TELESCOPE, vignetting=0.0))
    flux = photometry(image, field.x_px, field.y_px)
    # The curve of growth of a Moffat star: light(r) = 1 - (1 + (r / scale)^2)^(1 - beta).
    inner = 0.5 * fwhm_px
    share = np.median(sep.sum_circle(image, field.x_px, field.y_px, inner, subpix=0)[0] / flux)
    beta = TELESCOPE.moffat_beta
    whole = np.median(flux) / (1500.0 * 60 / 0.8 * 10 ** (-0.4 * SKY.extinction_mag * 1.1))
    scale = inner / math.sqrt((1.0 - share * whole) ** (1.0 / (1.0 - beta)) - 1.0)
    measured = 2.0 * scale * math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    # The pixel's own width, in quadrature.
    assert math.sqrt(measured**2 - 8 * math.log(2) / 12) == pytest.approx(fwhm_px, rel=0.04)


@pytest.mark.parametrize("angle", [0.0, 35.0, 120.0])
def test_tracking_error_smears_all_stars_along_its_angle(angle: float) -> None:
    stars = stars_of(frame(single_stars(), FrameRecipe(tracking_px=9.0, tracking_angle_deg=angle)))
    round_stars = stars_of(frame(single_stars()))
    doubled = np.exp(2j * stars["theta"]).mean()
    assert np.rad2deg(np.angle(doubled)) / 2 % 180 == pytest.approx(angle, abs=2) or angle == 0.0
    assert abs(doubled * np.exp(-2j * math.radians(angle)) - 1) < 0.05
    assert np.median(stars["b"]) == pytest.approx(np.median(round_stars["b"]), rel=0.1)
    # A line of length L adds L^2 / 12 to the variance along it.
    added = np.median(stars["a"]) ** 2 - np.median(stars["b"]) ** 2
    assert added == pytest.approx(9.0**2 / 12, rel=0.12)
    assert np.median(round_stars["a"] / round_stars["b"]) < 1.06


def test_defocus_makes_a_ring_with_the_secondarys_hole_and_keeps_the_light() -> None:
    field = single_stars(electrons_per_s=4000.0)
    sharp = replace(CONDITIONS, fwhm_px=2.0)
    blurred = frame(field, FrameRecipe(defocus_px=8.0), sharp)
    at_star = blurred[np.rint(field.y_px).astype(int), np.rint(field.x_px).astype(int)]
    on_ring = blurred[np.rint(field.y_px).astype(int), np.rint(field.x_px + 5.5).astype(int)]
    beyond = blurred[np.rint(field.y_px).astype(int), np.rint(field.x_px + 12).astype(int)]
    assert np.median(at_star) < 0.5 * np.median(on_ring)
    assert np.median(beyond) < 0.05 * np.median(on_ring)
    wide = [sep.sum_circle(image, field.x_px, field.y_px, 14.0, subpix=0)[0] for image in (blurred, frame(field))]
    assert np.median(wide[0] / wide[1]) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("angle", [0.0, 90.0])
def test_a_cloud_bank_dims_the_stars_under_it_and_brightens_the_sky_there(angle: float) -> None:
    field = single_stars(spacing=25, electrons_per_s=1500.0)
    bank = FrameRecipe(cloud_bank=CloudBank(coverage=0.5, opacity=0.7, angle_deg=angle))
    ratio = photometry(frame(field, bank, seed=2), field.x_px, field.y_px)
    ratio /= photometry(frame(field), field.x_px, field.y_px)
    place, length = (field.x_px, 400) if angle == 0 else (field.y_px, 300)
    assert np.median(ratio[place < 0.15 * length]) > 0.85
    assert np.median(ratio[place > 0.85 * length]) == pytest.approx(0.3, abs=0.12)
    assert np.mean(ratio < 0.65) == pytest.approx(0.5, abs=0.12)
    rng = generator(1, "frame")
    sky = render_frame(field, CAMERA, replace(TELESCOPE, vignetting=0.0), SKY, bank, CONDITIONS, 60.0, rng)
    sky = sky if angle == 0 else sky.T
    levels = [np.median(sky[:, columns]) - 500 for columns in (slice(0, 40), slice(-40, None))]
    assert levels[1] / levels[0] > 1.25


def test_spikes_point_from_bright_stars_at_their_angle() -> None:
    star = Field(np.array([200.0]), np.array([150.0]), np.array([4e5]), np.array([0.0]))
    spiked = replace(TELESCOPE, spike_fraction=0.02, spike_angle_deg=30.0)
    image = cv2.GaussianBlur(frame(star, telescope=spiked), (5, 5), 1.0)

    def at(angle: float) -> float:
        return float(image[round(150 + 60 * math.sin(angle)), round(200 + 60 * math.cos(angle))])

    on = [at(math.radians(30 + 90 * arm)) for arm in range(4)]
    off = [at(math.radians(75 + 90 * arm)) for arm in range(4)]
    assert min(on) > max(off) + 10


def test_star_counts_follow_the_power_law_and_the_density() -> None:
    camera = replace(CAMERA, width_px=4000, height_px=3000)
    field = make_field(1, camera, TELESCOPE, SKY, 60.0)
    magnitude = 10 - 2.5 * np.log10(field.electrons_per_s / TELESCOPE.electrons_per_s)
    counts = [np.count_nonzero(magnitude < limit) for limit in (14.0, 16.0, 18.0)]
    assert np.diff(np.log10(counts)) == pytest.approx([0.6, 0.6], abs=0.05)
    margin = -field.x_px.min()
    area = (4000 + 2 * margin) * (3000 + 2 * margin) * (TELESCOPE.pixel_scale_arcsec / 3600) ** 2
    assert counts[0] / area == pytest.approx(SKY.star_density, rel=0.1)


def test_seeing_wanders_around_its_median_and_grows_with_airmass() -> None:
    night = [conditions_at(4, index, index / 20, TELESCOPE, replace(SKY, transit_hours=1.0)) for index in range(120)]
    zenith = np.array([frame.fwhm_px / frame.airmass**0.6 for frame in night])
    assert np.median(zenith) == pytest.approx(SKY.seeing_arcsec / TELESCOPE.pixel_scale_arcsec, rel=0.08)
    slow = np.array([part.mean() for part in np.split(zenith, 12)])
    assert 0.02 < slow.std() / slow.mean() < 0.12
    assert night[-1].airmass > 1.5 * night[20].airmass
    assert night[20].airmass == pytest.approx(1 / math.cos(math.radians(10)), abs=0.001)
    offsets = np.array([frame.dx_px - 5.0 * frame.hours for frame in night])
    assert 6 < np.abs(offsets).max() <= TELESCOPE.dither_px


def test_seeing_grows_as_airmass_to_the_0_6() -> None:
    steady = replace(SKY, seeing_drift=0.0, transit_hours=0.0)
    low, high = (
        np.median([conditions_at(seed, 0, hours, TELESCOPE, steady).fwhm_px for seed in range(60)]) for hours in (6, 0)
    )
    assert airmass(6.0, steady) > 2.0
    assert low / high == pytest.approx((airmass(6.0, steady) / airmass(0.0, steady)) ** 0.6, rel=0.02)


def test_airmass_stays_bounded_when_the_target_has_set() -> None:
    assert airmass(12.0, replace(SKY, declination_deg=-20.0)) == 8.0


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(20, 44),
    y=st.floats(20, 44),
    defocus=st.floats(0, 4),
    tracking=st.floats(0, 8),
    angle=st.floats(0, 360),
)
def test_a_stamp_keeps_light_and_place_wherever_the_star_lies(
    x: float, y: float, defocus: float, tracking: float, angle: float
) -> None:
    image = np.zeros((65, 65), dtype=np.float32)
    psf = point_spread(2.5, 4.5, defocus, 0.3, tracking, angle)
    add_stars(image, np.array([x]), np.array([y]), np.array([1e5]), psf, 1e-3)
    rows, columns = np.mgrid[:65, :65]
    assert image.sum() == pytest.approx(1e5, rel=0.01)
    core = np.where(np.hypot(columns - x, rows - y) < 18, image, 0)
    assert (core * columns).sum() / core.sum() == pytest.approx(x, abs=0.03)
    assert (core * rows).sum() / core.sum() == pytest.approx(y, abs=0.03)


@pytest.mark.parametrize(("x", "y"), [(-3.0, 20.0), (66.0, 20.0), (20.0, -3.0), (20.0, 45.0), (-2.0, -2.0)])
def test_a_star_outside_the_frame_reaches_into_it_and_no_further(x: float, y: float) -> None:
    image, wide = np.zeros((43, 64), dtype=np.float32), np.zeros((143, 164), dtype=np.float32)
    psf = point_spread(3.0, 3.0)
    add_stars(image, np.array([x]), np.array([y]), np.array([1e5]), psf, 0.1)
    add_stars(wide, np.array([x + 50]), np.array([y + 50]), np.array([1e5]), psf, 0.1)
    assert image.sum() > 0
    np.testing.assert_allclose(image, wide[50:93, 50:114], rtol=1e-5)
