"""Writing made-up nights with their truth."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from astropy.io import fits

from nebulift.files import replacing, write_text
from nebulift.simulate.equipment import Camera, Sky, Telescope
from nebulift.simulate.exposure import Exposure, expose, render_frame
from nebulift.simulate.field import Conditions, conditions_at, generator, make_field
from nebulift.simulate.plan import plan_night
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Occlusion, Trail

__all__ = [
    "Camera",
    "CloudBank",
    "FrameRecipe",
    "Occlusion",
    "Sky",
    "Telescope",
    "Trail",
    "TruthRow",
    "render_frame",
    "simulate_night",
    "simulate_nights",
    "tiny_night",
    "truth_table",
]

READOUT_S = 5.0
"""From the end of one exposure to the start of the next."""


@dataclass(frozen=True)
class TruthRow:
    """What is known of one frame: the row of truth.tsv."""

    night: str
    frame: str
    """The file's name."""
    verdict: str
    """clean or contaminated."""
    artifacts: str
    """Names joined by commas, or `none`."""
    transparency: float
    cloud_coverage: float
    """Share of the frame under a cloud bank, 0 to 1."""
    trail_peak_sigma: float
    """Of the brightest trail; 0 without."""
    trail_length_px: float
    """Inside the frame, of the longest trail; 0 without."""
    defocus_px: float
    tracking_px: float
    twilight: float
    moon: float
    fwhm_px: float
    """FWHM of the seeing alone."""
    background_adu: float
    """Median level without stars and trails."""
    hot_pixels: int
    star_fwhm_px: float
    """Of a star as the pixels see it, focus and tracking included; see `Exposure`."""
    rotation_deg: float
    """Turn of the field about the frame's centre."""
    occlusion: float
    """Share of the frame behind an obstacle, 0 to 1."""
    trail_ends_px: str
    """x,y,x,y of each trail's ends inside the frame, joined by semicolons; `none` without."""


@dataclass(frozen=True)
class Setting:
    """What one of `simulate_nights` is about."""

    object_name: str
    filter_name: str
    sky: Sky


SETTINGS = (
    Setting("M 31", "L", Sky(star_density=600.0)),
    Setting(
        "NGC 7000",
        "R",
        Sky(star_density=1100.0, moon=5.0, gradient=0.25, gradient_angle=150.0, declination_deg=44.0),
    ),
    Setting(
        "M 81",
        "L",
        Sky(star_density=350.0, twilight=30.0, seeing_arcsec=5.0, declination_deg=69.0, transit_hours=4.0),
    ),
)
"""A dark night, a moonlit one, one that ends in twilight; further nights begin again at the first."""


def simulate_night(
    folder: Path,
    *,
    frames: int,
    seed: int,
    camera: Camera | None = None,
    telescope: Telescope | None = None,
    sky: Sky | None = None,
    contaminated_fraction: float = 0.3,
    start: datetime = datetime(2024, 9, 9, 20, 30, tzinfo=UTC),
    exposure_s: float = 60.0,
    object_name: str = "M 31",
    filter_name: str = "L",
    recipes: Sequence[FrameRecipe] | None = None,
    varied: bool = False,
) -> list[TruthRow]:
    """Write light_0001.fits, light_0002.fits ... into `folder` and return their truth in the same order.

    A frame's bytes follow from the seed, its number, its recipe and the other arguments, however many frames
    are made. Without `recipes` (one per frame) they are planned: which frames suffer depends on `frames`, from
    what on `varied`, see `plan_night`.
    `start` without a time zone is UTC. Raises ValueError when the number of recipes is not `frames`.
    """
    camera, telescope, sky = camera or Camera(), telescope or Telescope(), sky or Sky()
    if recipes is None:
        fwhm_px = sky.seeing_arcsec / telescope.pixel_scale_arcsec
        recipes = plan_night(frames, seed, camera, sky, contaminated_fraction, varied=varied, fwhm_px=fwhm_px)
    if len(recipes) != frames:
        raise ValueError(f"{len(recipes)} recipes for {frames} frames: give one per frame")
    field = make_field(seed, camera, telescope, sky, exposure_s)
    truth = []
    for index, recipe in enumerate(recipes):
        seconds = index * (exposure_s + READOUT_S)
        conditions = conditions_at(seed, index, seconds / 3600.0, telescope, sky)
        rng = generator(seed, "frame", index)
        exposure = expose(field, camera, telescope, sky, recipe, conditions, exposure_s, rng)
        header = _header(camera, telescope, conditions, start + timedelta(seconds=seconds))
        header["EXPTIME"] = (exposure_s, "[s] exposure time")
        header["FILTER"] = filter_name
        header["OBJECT"] = object_name
        name = f"light_{index + 1:04d}.fits"
        with replacing(folder / name) as temporary:
            fits.PrimaryHDU(exposure.pixels, header).writeto(temporary, overwrite=True)
        truth.append(_truth(folder.name, name, recipe, conditions, exposure))
    return truth


def simulate_nights(
    folder: Path,
    *,
    nights: int = 3,
    frames: int = 60,
    seed: int = 1,
    width_px: int = 960,
    height_px: int = 640,
    contaminated_fraction: float = 0.3,
    varied: bool = False,
) -> Path:
    """Write nights into folder/2024-09-09, folder/2024-09-10 ... and return the path of folder/truth.tsv.

    The camera is the same throughout; target, filter and sky differ: see `SETTINGS`. `varied` nights suffer from
    more kinds of things, and the field is turned by 180 degrees half-way through.
    """
    camera = Camera(width_px=width_px, height_px=height_px, bad_columns=1)
    first = datetime(2024, 9, 9, 20, 30, tzinfo=UTC)
    truth: list[TruthRow] = []
    for number in range(nights):
        start = first + timedelta(days=number)
        setting = SETTINGS[number % len(SETTINGS)]
        truth += simulate_night(
            folder / f"{start:%Y-%m-%d}",
            frames=frames,
            # Far apart, so that a neighbouring seed does not repeat a night.
            seed=seed * 1000 + number,
            camera=camera,
            telescope=Telescope(flips_at_meridian=varied),
            sky=replace(setting.sky, transit_hours=frames * 65.0 / 7200.0) if varied else setting.sky,
            varied=varied,
            contaminated_fraction=contaminated_fraction,
            start=start,
            object_name=setting.object_name,
            filter_name=setting.filter_name,
        )
    path = folder / "truth.tsv"
    write_text(path, truth_table(truth))
    return path


def tiny_night(folder: Path, frames: int = 6, seed: int = 1, **overrides: Any) -> list[TruthRow]:
    """Write a night of 200 x 150 px frames with about 60 stars to detect, clean unless told otherwise.

    `overrides` are arguments of `simulate_night`; frames suffer from `recipes` or a `contaminated_fraction`.
    """
    arguments: dict[str, Any] = {
        "camera": Camera(name="Simulated tiny camera", width_px=200, height_px=150),
        "telescope": Telescope(dither_px=3.0, spike_fraction=0.0),
        "sky": Sky(star_density=1900.0),
    }
    if "contaminated_fraction" not in overrides:
        arguments["recipes"] = (FrameRecipe(),) * frames
    return simulate_night(folder, frames=frames, seed=seed, **(arguments | overrides))


def truth_table(rows: Sequence[TruthRow]) -> str:
    """Give truth.tsv's text: a header, one row per frame."""
    lines = ["\t".join(column.name for column in fields(TruthRow))]
    lines += ["\t".join(map(_cell, astuple(row))) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _header(camera: Camera, telescope: Telescope, conditions: Conditions, taken: datetime) -> fits.Header:
    """Give the header as a capture program writes it."""
    header = fits.Header()
    header["IMAGETYP"] = "Light Frame"
    header["DATE-OBS"] = (_utc(taken).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3], "UTC start of exposure")
    header["INSTRUME"] = camera.name
    header["TELESCOP"] = telescope.name
    header["GAIN"] = (camera.gain_setting, "gain setting")
    header["EGAIN"] = (camera.gain_e_per_adu, "[e-/ADU]")
    header["CCD-TEMP"] = (camera.ccd_temp_c, "[degC]")
    header["XBINNING"] = 1
    header["YBINNING"] = 1
    header["AIRMASS"] = round(conditions.airmass, 4)
    header["PIXSCALE"] = (telescope.pixel_scale_arcsec, "[arcsec/px]")
    if camera.bayer_pattern:
        header["BAYERPAT"] = camera.bayer_pattern
    header["SWCREATE"] = "Nebulift simulation"
    return header


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _truth(night: str, name: str, recipe: FrameRecipe, conditions: Conditions, exposure: Exposure) -> TruthRow:
    height, width = exposure.pixels.shape
    ends = [trail.inside(width, height) for trail in recipe.trails if trail.peak_sigma > 0]
    return TruthRow(
        night=night,
        frame=name,
        verdict=recipe.verdict,
        artifacts=",".join(recipe.artifacts) or "none",
        transparency=recipe.transparency,
        cloud_coverage=recipe.cloud_bank[0] if recipe.cloud_bank else 0.0,
        trail_peak_sigma=max((trail.peak_sigma for trail in recipe.trails), default=0.0),
        trail_length_px=round(max((trail.length_px(width, height) for trail in recipe.trails), default=0.0), 1),
        defocus_px=recipe.defocus_px,
        tracking_px=recipe.tracking_px,
        twilight=recipe.twilight,
        moon=recipe.moon,
        fwhm_px=round(conditions.fwhm_px, 3),
        background_adu=round(exposure.background_adu, 1),
        hot_pixels=exposure.hot_pixels,
        star_fwhm_px=round(exposure.star_fwhm_px, 3),
        rotation_deg=round(conditions.rotation_deg, 3),
        occlusion=recipe.occlusion.share if recipe.occlusion else 0.0,
        trail_ends_px=";".join(f"{x0},{y0},{x1},{y1}" for (x0, y0), (x1, y1) in filter(None, ends)) or "none",
    )
