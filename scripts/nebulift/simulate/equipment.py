"""What a night is seen with and under: camera, telescope and mount, sky."""

from dataclasses import dataclass, field

from nebulift.simulate.target import Target


@dataclass(frozen=True)
class Camera:
    """A cooled monochrome or one-shot-colour camera.

    Hot pixels and pixel gains are drawn from `name` and the frame's size: the same camera has the same
    defects every night.
    """

    name: str = "Simulated 16-bit CMOS"
    """Goes to INSTRUME; also seeds the detector's defects."""
    width_px: int = 1200
    height_px: int = 800
    bits: int = 16
    """Of the converter, 8 to 16: its top is 2**bits - 1 ADU."""
    gain_e_per_adu: float = 0.8
    read_noise_e: float = 3.5
    """Electrons rms per pixel and read."""
    bias_adu: float = 500.0
    full_well_e: float = 50_000.0
    """Electrons at which a pixel is full; what is read never exceeds it."""
    dark_e_per_s: float = 0.02
    """Electrons per second and pixel at `ccd_temp_c`."""
    hot_pixel_fraction: float = 5e-4
    """Share of pixels whose dark current is 2 to 300 electrons per second."""
    pixel_gain_rms: float = 0.006
    """Pixel response non-uniformity (PRNU), relative, rms."""
    bayer_pattern: str = ""
    """RGGB, GRBG, GBRG or BGGR from the first stored row; empty for monochrome."""
    ccd_temp_c: float = -10.0
    gain_setting: int = 100
    """The driver's own number, which goes to GAIN; `gain_e_per_adu` goes to EGAIN."""
    cosmic_rays_per_mpix_per_s: float = 0.05
    """Hits per million pixels and second, about 2 per square centimetre and minute on 4 to 5 um pixels."""
    bad_columns: int = 0
    """Columns with 6 % less response over part of their height."""
    hot_columns: int = 0
    """Columns whose pixels from some row on collect 0.5 to 20 electrons per second more."""
    amplifier_glow_e_per_s: float = 0.0
    """Electrons per second in the corner in which the amplifier glows; fades within a tenth of the frame."""
    dust_shadows: int = 0
    """Dust before the sensor: rings (discs in a refractor) of 8 to 45 px radius that take 3 to 15 %."""
    dead_areas: int = 0
    """Spots of 2 to 12 px radius with 0.1 to 0.7 of the response."""
    row_banding_e: float = 0.0
    """Offsets of whole rows, new in each frame, electrons rms."""
    column_banding_e: float = 0.0
    """The same of columns."""
    banding_width_px: float = 1.0
    """Rows or columns over which new offsets are alike; 1 = each has its own."""
    row_pattern_e: float = 0.0
    """Offsets of whole rows that are the same in every frame, electrons rms."""
    column_pattern_e: float = 0.0
    """The same of columns."""
    edge_rows: int = 0
    """First rows that are brighter, as many last ones, less with each row inwards."""
    edge_row_e: float = 0.0
    """Electrons that the outermost row has too many; wanders by a tenth from frame to frame."""
    video_frames: int = 1
    """Frames of video of which each pixel keeps the brightest value (a meteor camera); 1 = a single exposure."""
    blooms: bool = False
    """Whether charge above the full well spills along the column (a CCD without an anti-blooming gate)."""

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 16:
            raise ValueError(f"Camera.bits is {self.bits}: give 8 to 16")
        if self.bayer_pattern and sorted(self.bayer_pattern) != sorted("RGGB"):
            raise ValueError(f"Camera.bayer_pattern is {self.bayer_pattern!r}: give RGGB, GRBG, GBRG, BGGR or ''")

    @property
    def saturation_adu(self) -> int:
        """Value of a saturated pixel in ADU: the full well or the converter's top, whichever comes first."""
        return min((1 << self.bits) - 1, int(self.full_well_e / self.gain_e_per_adu + self.bias_adu + 0.5))


@dataclass(frozen=True)
class Telescope:
    """A telescope on its mount. The default is a 200 mm Newtonian."""

    name: str = "Simulated 200 mm Newtonian"
    """Goes to TELESCOP."""
    pixel_scale_arcsec: float = 1.5
    """Arcseconds per pixel."""
    vignetting: float = 0.2
    """Share of the light lost in the corners, 0 to 1; grows with the distance from the centre, squared."""
    moffat_beta: float = 3.5
    """Slope of the stars' wings (Moffat 1969); 2.5 to 4.8, smaller has more light far out."""
    electrons_per_s: float = 14_000.0
    """Zero point: electrons per second of a star of magnitude 10 above the air.

    In V about 1,000 photons/s/cm^2/Angstrom reach us from magnitude 0; times 880 Angstrom, 290 cm^2 of mirror
    and 0.55 for optics and sensor, over 10^4.
    """
    obstruction: float = 0.35
    """Diameter of the secondary over that of the mirror: the hole in a defocused star."""
    spike_fraction: float = 0.004
    """Share of a star's light in the four diffraction spikes; 0 for a refractor."""
    spike_angle_deg: float = 12.0
    """Of the first spike, counter-clockwise from +x."""
    dither_px: float = 8.0
    """Frames are offset by up to this much in x and y, at random."""
    drift_px_per_hour: tuple[float, float] = (5.0, -3.0)
    """Slow drift of the field in (x, y) that guiding does not see (flexure, polar error)."""
    rotation_deg_per_hour: float = 0.0
    """Slow turn of the field about the frame's centre, counter-clockwise (polar error, mount in azimuth)."""
    flips_at_meridian: bool = False
    """Whether the field is turned by 180 degrees once the target has culminated (German equatorial mount)."""


@dataclass(frozen=True)
class Sky:
    """The sky of one night towards one target."""

    star_density: float = 550.0
    """Stars per square degree brighter than magnitude 14; 200 at the galactic pole, 2000 in the Milky Way."""
    sky_e_per_s_per_px: float = 2.5
    """Electrons per second and pixel from a dark sky at the zenith, centre of the frame."""
    gradient: float = 0.08
    """Change of the sky across the frame as a fraction of its level, from one edge to the other."""
    gradient_angle: float = 35.0
    """Direction in which the sky brightens, degrees counter-clockwise from +x."""
    moon: float = 1.0
    """Sky level with the moon up over that of a dark sky; 1 = no moon, about 10 = full moon."""
    twilight: float = 1.0
    """Sky level in the night's last frame over that of a dark sky; 1 = the night ends before dawn."""
    seeing_arcsec: float = 4.5
    """Median FWHM of a star at the zenith, guiding and optics included."""
    seeing_drift: float = 0.08
    """Amplitude of the seeing's slow wander over the night, relative."""
    extinction_mag: float = 0.18
    """Magnitudes per airmass."""
    cloud_brightness: float = 1.6
    """Sky under an opaque cloud over clear sky: above 1 where towns light it, below 1 at a dark site."""
    latitude_deg: float = 48.0
    declination_deg: float = 38.0
    transit_hours: float = 1.5
    """Hours from the night's first frame until the target culminates."""
    target: Target = field(default_factory=Target)
