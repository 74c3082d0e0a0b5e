"""Small frames and rows of tables that several tests build upon; everything random has a seed."""

import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from nebulift.config import complete_config
from nebulift.stages.label import LabelSettings
from nebulift.tables import Row

_NUMBER = r"-?[\d.]+(?:e-\d+)?"
_REASON = re.compile(rf"[a-z ]+: .*?(?P<value>{_NUMBER}) (?P<sign>[<>]=?) (?P<limit>{_NUMBER})")

SKY_ADU, NOISE_ADU = 1000.0, 10.0


def star_field(
    shape: tuple[int, int] = (240, 320),
    stars: int = 60,
    fwhm_px: float = 3.0,
    seed: int = 1,
    sky_adu: float = SKY_ADU,
    brightest_adu: float = 60_000.0,
) -> NDArray[np.float64]:
    """Return pixels (height, width) in ADU: Gaussian stars, the same ones for the same seed, on a noisy sky.

    `brightest_adu` is the whole light of the brightest star. Stars keep a distance of each other and of the edges.
    """
    random = np.random.default_rng(seed)
    height, width = shape
    pixels = random.normal(sky_adu, NOISE_ADU, shape)
    places = _places(random, shape, stars)
    fluxes = brightest_adu * random.uniform(0.3, 1, stars)
    sigma = fwhm_px / (2 * math.sqrt(2 * math.log(2)))
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    for (y, x), flux in zip(places, fluxes, strict=True):
        profile = np.exp(-((rows - y) ** 2) / (2 * sigma**2)) * np.exp(-((columns - x) ** 2) / (2 * sigma**2))
        pixels += flux / (2 * math.pi * sigma**2) * profile
    return pixels


def _places(random: np.random.Generator, shape: tuple[int, int], stars: int) -> NDArray[np.float64]:
    """Return (y, x) of stars, each in a cell of its own of a grid, so that none hides another."""
    height, width = shape
    columns = max(1, math.ceil(math.sqrt(stars * width / height)))
    rows = max(1, math.ceil(stars / columns))
    cells = random.permutation(rows * columns)[:stars]
    y = (cells // columns + random.uniform(0.3, 0.7, stars)) * height / rows
    x = (cells % columns + random.uniform(0.3, 0.7, stars)) * width / columns
    return np.stack([y, x], axis=1)


def with_trail(pixels: NDArray[np.float64], brightness_adu: float = 200.0) -> NDArray[np.float64]:
    """Return the pixels with a straight trail of 2 px across them."""
    height, width = pixels.shape
    y, x = np.mgrid[:height, :width]
    distance = np.abs((y - 0.2 * height) - 0.5 * x) / math.hypot(1, 0.5)
    return pixels + brightness_adu * np.exp(-0.5 * distance**2)


def write_frame(path: Path, pixels: NDArray[Any], **header: Any) -> Path:
    """Write pixels as a FITS file, 16 bits unless they have NaN, with the usual header; keywords override it."""
    data = pixels.astype(np.float32) if np.isnan(pixels).any() else np.clip(np.rint(pixels), 0, 65535).astype(np.uint16)
    cards = {
        "IMAGETYP": "Light Frame",
        "DATE-OBS": "2024-09-09T21:00:00",
        "EXPTIME": 60.0,
        "FILTER": "L",
        "OBJECT": "M 31",
        "INSTRUME": "Camera",
    } | {key.replace("_", "-"): value for key, value in header.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unit = fits.PrimaryHDU(data)
    unit.header.update(cards)
    unit.writeto(path, overwrite=True)
    return path


@functools.cache
def star_list(
    light: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    stars: int = 150,
    turn_deg: float = 0.0,
    size: tuple[int, int] = (1000, 800),
    seed: int = 7,
) -> str:
    """Return the column `stars` of a frame of (width, height): always the same field, moved, turned and dimmed."""
    random = np.random.default_rng(seed)
    width, height = size
    places = random.uniform(-0.4, 1.4, (4 * stars, 2)) * size
    flux = 10 ** random.uniform(4.0, 5.0, len(places)) * light
    angle = math.radians(turn_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = (np.array(size) - 1) / 2
    x, y = ((places - middle) @ turn.T + middle + shift).T
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    listed = np.column_stack([x.round(1), y.round(1), flux.round(0)])[inside]
    return json.dumps(listed[np.argsort(-listed[:, 2])][:stars].tolist())


def score_row(frame: str = "a.fits", **changes: Any) -> Row:
    """Return the row of the score table of a good frame."""
    row: Row = {
        "night": "2024-09-09",
        "frame": frame,
        "path": f"/night/{frame}",
        "size_bytes": 1000,
        "mtime_ns": 1,
        "scorer": "1.1",
        "status": "scored",
        "error": "",
        "image_type": "light",
        "date_obs": "2024-09-09T21:00:00.000",
        "exposure_s": 60.0,
        "filter": "L",
        "object": "M 31",
        "gain": 100.0,
        "ccd_temp_c": -10.0,
        "camera": "Camera",
        "telescope": "Telescope",
        "bayer_pattern": "",
        "airmass": None,
        "pixel_scale_arcsec": None,
        "width_px": 1000,
        "height_px": 800,
        "saturation_adu": 65535.0,
        "saturation_source": "data type",
        "background_adu": 1000.0,
        "background_noise_adu": 20.0,
        "background_gradient_sigma": 0.2,
        "background_structure_sigma": 0.1,
        "background_of_saturation": 0.015,
        "star_count": 400,
        "fwhm_px": 3.0,
        "fwhm_beyond_seeing_px": 0.0,
        "hfr_px": 1.8,
        "eccentricity": 0.4,
        "position_angle_deg": 30.0,
        "elongation_order": 0.1,
        "fwhm_tilt": 0.05,
        "star_flatness": 0.55,
        "arc_fraction": 0.0,
        "flux_15th_adu": 50000.0,
        "flux_50th_adu": 50000.0,
        "empty_cells": 0.0,
        "stars": star_list(),
        "streaks": "[]",
        "doubtful_lines": "[]",
        "other_lines": "[]",
        "saturated_fraction": 0.0,
        "hot_pixel_count": 10,
        "hot_pixel_fraction": 1e-5,
        "cosmic_ray_count": 3,
        "dead_fraction": 0.0,
        "hot_pixels": "[]",
        "preview": f"{frame}.png",
    }
    return row | changes


def night(*changes: dict[str, Any], **all_changes: Any) -> list[Row]:
    """Return the score rows of a night, one for each of `changes`; `all_changes` are made to all."""
    return [score_row(f"{number:03d}.fits", **all_changes, **change) for number, change in enumerate(changes)]


def label_row(frame: str = "a.fits", label: str = "clean", **changes: Any) -> Row:
    """Return the row of the label table of a frame."""
    row: Row = {
        "night": "2024-09-09",
        "frame": frame,
        "path": f"/night/{frame}",
        "quality_score": {"clean": 0.95, "review": 0.5, "contaminated": 0.1}.get(label),
        "label": label,
        "label_source": "cv",
        "cv_label": label,
        "reasons": "" if label == "clean" else "cloud: star count ratio 0.2 < 0.4",
        "qualities": json.dumps({"star_count_ratio": 0.95 if label == "clean" else 0.1}),
        "date_obs": "2024-09-09T21:00:00.000",
        "group": "M 31 | L | 60 s | Camera | 1000x800",
        "group_frames": 10,
        "persistent_streaks": 0,
        "preview": f"{frame}.png",
    }
    return row | changes


def label_settings(**label: Any) -> LabelSettings:
    """Return the settings of labelling by default, with changes to the section `label` of the configuration."""
    return LabelSettings.from_config(complete_config({"label": label})["label"])


def is_true_as_printed(reason: str) -> bool:
    """Tell whether the inequality of a reason holds between the two numbers as they are printed."""
    found = _REASON.fullmatch(reason)
    assert found, reason
    value, limit = float(found["value"]), float(found["limit"])
    return {">": value > limit, "<": value < limit, ">=": value >= limit, "<=": value <= limit}[found["sign"]]
