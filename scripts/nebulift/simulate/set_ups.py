"""Made-up set-ups of many kinds: what a grading of frames has to cope with, in two halves that share no camera."""

from dataclasses import dataclass, replace

from nebulift.simulate.equipment import Camera, Sky, Telescope


@dataclass(frozen=True)
class SetUp:
    """A camera behind a telescope under a sky, and how long it exposes."""

    name: str
    half: str
    """development or test: what is tuned on one half is judged on the other."""
    nuisances: tuple[str, ...]
    """What makes its clean frames hard to tell from spoilt ones; both halves have all kinds."""
    camera: Camera
    telescope: Telescope
    sky: Sky
    exposure_s: float


def sky_glow(telescope: Telescope, magnitude: float) -> float:
    """Give the electrons per second and pixel of a sky of so many magnitudes per square arcsecond."""
    return telescope.electrons_per_s * telescope.pixel_scale_arcsec**2 * 10 ** (-0.4 * (magnitude - 10.0))


NEWTONIAN = Telescope(name="200 mm f/4 Newtonian", pixel_scale_arcsec=1.0, spike_fraction=0.006, flips_at_meridian=True)
LARGE_NEWTONIAN = Telescope(
    name="300 mm f/3.8 Newtonian",
    pixel_scale_arcsec=1.35,
    electrons_per_s=32_000.0,
    spike_fraction=0.014,
    spike_angle_deg=44.0,
    moffat_beta=3.0,
    dither_px=12.0,
)
REFRACTOR = Telescope(
    name="80 mm f/6 refractor",
    pixel_scale_arcsec=2.3,
    electrons_per_s=3_500.0,
    obstruction=0.0,
    spike_fraction=0.0,
    moffat_beta=4.0,
    vignetting=0.12,
)
LARGE_REFRACTOR = Telescope(
    name="130 mm f/7 refractor",
    pixel_scale_arcsec=1.2,
    electrons_per_s=8_500.0,
    obstruction=0.0,
    spike_fraction=0.0,
    moffat_beta=4.5,
    vignetting=0.08,
    flips_at_meridian=True,
)
LENS = Telescope(
    name="135 mm f/2 lens",
    pixel_scale_arcsec=6.0,
    electrons_per_s=2_200.0,
    obstruction=0.0,
    spike_fraction=0.0,
    moffat_beta=2.8,
    vignetting=0.4,
    dither_px=4.0,
    drift_px_per_hour=(1.5, 1.0),
)
METEOR_LENS = Telescope(
    name="8 mm f/1 lens on a fixed camera",
    pixel_scale_arcsec=113.0,
    electrons_per_s=60.0,
    obstruction=0.0,
    spike_fraction=0.0,
    moffat_beta=3.0,
    vignetting=0.35,
    dither_px=0.0,
    drift_px_per_hour=(0.0, 0.0),
    rotation_deg_per_hour=15.04,
)
"""Looks at the celestial pole, about which its field turns."""
STOPPED_LENS = Telescope(
    name="85 mm f/2.8 lens",
    pixel_scale_arcsec=9.2,
    electrons_per_s=450.0,
    obstruction=0.0,
    spike_fraction=0.002,
    spike_angle_deg=20.0,
    moffat_beta=2.6,
    vignetting=0.25,
    rotation_deg_per_hour=0.6,
)
MAKSUTOV = Telescope(
    name="150 mm f/4 Maksutov-Newtonian",
    pixel_scale_arcsec=5.1,
    electrons_per_s=5_000.0,
    obstruction=0.3,
    spike_fraction=0.0,
    vignetting=0.3,
    drift_px_per_hour=(8.0, 1.0),
)
SCHMIDT_CASSEGRAIN = Telescope(
    name="280 mm f/10 Schmidt-Cassegrain",
    pixel_scale_arcsec=0.35,
    electrons_per_s=26_000.0,
    spike_fraction=0.0,
    vignetting=0.25,
    dither_px=20.0,
    drift_px_per_hour=(12.0, 9.0),
    rotation_deg_per_hour=1.5,
)
PLANETARY_CASSEGRAIN = Telescope(
    name="250 mm f/20 Cassegrain",
    pixel_scale_arcsec=0.28,
    electrons_per_s=21_000.0,
    obstruction=0.3,
    spike_fraction=0.003,
    spike_angle_deg=31.0,
    moffat_beta=3.0,
    vignetting=0.05,
    dither_px=10.0,
    drift_px_per_hour=(4.0, 6.0),
)
RITCHEY_CHRETIEN = Telescope(
    name="400 mm f/8 Ritchey-Chretien",
    pixel_scale_arcsec=0.42,
    electrons_per_s=52_000.0,
    obstruction=0.42,
    spike_fraction=0.009,
    spike_angle_deg=2.0,
    moffat_beta=3.2,
    dither_px=15.0,
    flips_at_meridian=True,
)

DALL_KIRKHAM = Telescope(
    name="350 mm f/10 Dall-Kirkham",
    pixel_scale_arcsec=0.5,
    electrons_per_s=40_000.0,
    obstruction=0.4,
    spike_fraction=0.008,
    spike_angle_deg=30.0,
    moffat_beta=3.2,
    dither_px=12.0,
    flips_at_meridian=True,
)


def _narrowband(telescope: Telescope, transmitted: float) -> Telescope:
    """Put a filter in front that lets through a share of the light of the stars."""
    return replace(telescope, electrons_per_s=telescope.electrons_per_s * transmitted)


HYDROGEN_NEWTONIAN = _narrowband(NEWTONIAN, 0.03)
SULPHUR_REFRACTOR = _narrowband(LARGE_REFRACTOR, 0.04)
OXYGEN_REFRACTOR = _narrowband(LARGE_REFRACTOR, 0.05)
