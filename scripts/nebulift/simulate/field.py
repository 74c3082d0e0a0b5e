"""The star field of one night, and how it moves, sharpens and sinks while the night goes on."""

import math
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.glow import Glow, make_glow
from nebulift.simulate.groups import star_groups

FloatArray = npt.NDArray[np.float64]

COUNT_SLOPE = 0.3
"""d log10 N / d magnitude of star counts around magnitude 14; 0.6 would be stars spread evenly for ever."""
BRIGHTEST_MAGNITUDE = 5.0
LONGEST_NIGHT_HOURS = 12.0


def generator(seed: int, stream: str, index: int = 0) -> np.random.Generator:
    """Give the random stream of one purpose (`stream`) and frame (`index`): no other's draws change it."""
    return np.random.default_rng([seed, zlib.crc32(stream.encode()), index])


@dataclass(frozen=True)
class Field:
    """Stars around the frame, in pixels of the night's first pointing; arrays of shape (n,)."""

    x_px: FloatArray
    y_px: FloatArray
    electrons_per_s: FloatArray
    """Above the air, in the middle of the frame."""
    colour: FloatArray
    """0 = white, 1 = about as red as a K5 star, -0.3 = about as blue as a B star."""
    glow: Glow | None = None
    """Galaxies and nebulae."""


@dataclass(frozen=True)
class Conditions:
    """Where the telescope points and what the air does in one frame."""

    hours: float
    """Since the night's first frame."""
    airmass: float
    fwhm_px: float
    """FWHM of the seeing at this airmass, without defocus, tracking error and the pixel's own width."""
    dx_px: float
    """Offset of every star from its place in the `Field`: dither and drift."""
    dy_px: float
    rotation_deg: float = 0.0
    """Turn of the field about the frame's centre, counter-clockwise; 180 behind a meridian flip."""


def make_field(seed: int, camera: Camera, telescope: Telescope, sky: Sky, exposure_s: float) -> Field:
    """Draw the stars of a night, from magnitude 5 down to those that add a signal-to-noise ratio of 1.

    The field reaches as far beyond the frame as dithers and a night of drift may bring into it.
    """
    rng = generator(seed, "field")
    drift_px = LONGEST_NIGHT_HOURS * max(abs(speed) for speed in telescope.drift_px_per_hour)
    margin = 50.0 + telescope.dither_px + drift_px + _rotation_margin(camera, telescope)
    width, height = camera.width_px + 2 * margin, camera.height_px + 2 * margin
    # The brightest of many video frames shows no fainter stars than one does.
    faintest = _faintest_magnitude(camera, telescope, sky, exposure_s / camera.video_frames)
    per_square_degree = sky.star_density * 10 ** (COUNT_SLOPE * (faintest - 14.0))
    expected = per_square_degree * width * height * (telescope.pixel_scale_arcsec / 3600.0) ** 2
    count = int(rng.poisson(expected))
    magnitude = np.maximum(faintest + np.log10(1.0 - rng.random(count)) / COUNT_SLOPE, BRIGHTEST_MAGNITUDE)
    x_px = rng.uniform(-margin, camera.width_px + margin, count)
    y_px = rng.uniform(-margin, camera.height_px + margin, count)
    colour = np.clip(rng.normal(0.35, 0.35, count), -0.4, 1.3)
    group_rng = generator(seed, "groups")
    group = star_groups(sky.target, camera, faintest, group_rng)
    magnitude = np.concatenate((magnitude, group.magnitude))
    shape = (camera.height_px, camera.width_px)
    return Field(
        x_px=np.concatenate((x_px, group.x_px)),
        y_px=np.concatenate((y_px, group.y_px)),
        electrons_per_s=telescope.electrons_per_s * 10 ** (-0.4 * (magnitude - 10.0)),
        colour=np.concatenate((colour, np.clip(group_rng.normal(0.35, 0.35, len(group.x_px)), -0.4, 1.3))),
        glow=make_glow(sky.target, shape, margin, sky.sky_e_per_s_per_px, generator(seed, "glow")),
    )


def conditions_at(seed: int, index: int, hours: float, telescope: Telescope, sky: Sky) -> Conditions:
    """Give the conditions of frame `index`, taken `hours` after the night began; the seed fixes them."""
    night = generator(seed, "seeing")
    frame = generator(seed, "pointing", index)
    wander = sum(
        weight * math.sin(2 * math.pi * (hours / night.uniform(low, high) + night.random()))
        for weight, low, high in ((0.75, 3.0, 6.0), (0.25, 0.7, 1.5))
    )
    air = airmass(hours, sky)
    # Seeing grows as airmass^0.6 (Kolmogorov turbulence).
    fwhm_arcsec = sky.seeing_arcsec * air**0.6 * math.exp(sky.seeing_drift * wander + frame.normal(0.0, 0.02))
    dither = frame.uniform(-telescope.dither_px, telescope.dither_px, 2)
    drift_x, drift_y = telescope.drift_px_per_hour
    return Conditions(
        hours=hours,
        airmass=air,
        fwhm_px=fwhm_arcsec / telescope.pixel_scale_arcsec,
        dx_px=float(dither[0]) + drift_x * hours,
        dy_px=float(dither[1]) + drift_y * hours,
        rotation_deg=telescope.rotation_deg_per_hour * hours
        + (180.0 if telescope.flips_at_meridian and hours > sky.transit_hours else 0.0),
    )


def star_places(field: Field, camera: Camera, conditions: Conditions) -> tuple[FloatArray, FloatArray]:
    """Give x and y in px of all stars of the field in one frame, each (n,); many lie outside of it."""
    x_px, y_px = field.x_px, field.y_px
    if conditions.rotation_deg:
        angle = math.radians(conditions.rotation_deg)
        centre_x, centre_y = (camera.width_px - 1) / 2, (camera.height_px - 1) / 2
        from_x, from_y = x_px - centre_x, y_px - centre_y
        x_px = centre_x + from_x * math.cos(angle) - from_y * math.sin(angle)
        y_px = centre_y + from_x * math.sin(angle) + from_y * math.cos(angle)
    return x_px + conditions.dx_px, y_px + conditions.dy_px


def airmass(hours: float, sky: Sky) -> float:
    """Give the target's airmass, plane-parallel air, at most 8."""
    latitude, declination = math.radians(sky.latitude_deg), math.radians(sky.declination_deg)
    hour_angle = math.radians(15.0 * (hours - sky.transit_hours))
    sine_of_altitude = math.sin(latitude) * math.sin(declination)
    sine_of_altitude += math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
    return 1.0 / max(sine_of_altitude, 0.125)


def _rotation_margin(camera: Camera, telescope: Telescope) -> float:
    """Px beyond the frame's edges that a night's slow rotation brings in; a flip brings in none."""
    turn = math.radians(min(abs(telescope.rotation_deg_per_hour) * LONGEST_NIGHT_HOURS, 90.0))
    return math.sin(turn) * max(camera.width_px, camera.height_px) / 2


def _faintest_magnitude(camera: Camera, telescope: Telescope, sky: Sky, exposure_s: float) -> float:
    """Magnitude whose light equals the noise under a star, of area 4 pi sigma^2 = 2.3 FWHM^2."""
    background_e = (sky.sky_e_per_s_per_px + camera.dark_e_per_s) * exposure_s + camera.read_noise_e**2
    fwhm_px = sky.seeing_arcsec / telescope.pixel_scale_arcsec
    noise_e = math.sqrt(background_e * 2.3 * fwhm_px**2)
    return 10.0 - 2.5 * math.log10(noise_e / (telescope.electrons_per_s * exposure_s))
