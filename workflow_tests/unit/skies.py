"""Skies drawn pixel by pixel, for what is measured on frames: exact shapes and places on seeded noise."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nebulift.config import complete_config
from nebulift.frames.frame import CaptureMetadata, Frame
from nebulift.frames.luminance import luminance
from nebulift.scoring.pieces import Piece
from nebulift.scoring.score import FrameScore, score_frame
from nebulift.scoring.search_image import SearchImage
from nebulift.scoring.streaks import Streak
from nebulift.simulate.lines import LineProfile, add_spikes, add_trail
from nebulift.simulate.recipe import Trail

Pixels = NDArray[np.float32]
SKY_ADU, NOISE_ADU = 1000.0, 10.0
PROFILE = LineProfile(3.0, 3.5)
"""Of trails and spikes: the seeing of the skies."""


class Places(NamedTuple):
    """Where stars are drawn and how bright they are; arrays of shape (n,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]


def noise(shape: tuple[int, int] = (300, 400), seed: int = 5, sigma_adu: float = NOISE_ADU) -> Pixels:
    """Return an empty sky (height, width) in ADU."""
    return np.random.default_rng(seed).normal(SKY_ADU, sigma_adu, shape).astype(np.float32)


def unit_noise(shape: tuple[int, int], seed: int = 1) -> Pixels:
    """Return noise of unit scatter, as in a search image."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def with_line(image: Pixels, x1: float, y1: float, x2: float, y2: float, peak: float, sigma_px: float = 0.8) -> Pixels:
    """Return the image with a line of Gaussian profile from one point to another."""
    y, x = np.indices(image.shape)
    length = math.hypot(x2 - x1, y2 - y1)
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length
    across = ((y - y1) * (x2 - x1) - (x - x1) * (y2 - y1)) / length
    light = peak * np.exp(-0.5 * (across / sigma_px) ** 2) * ((along >= 0) & (along <= length))
    return image + light.astype(np.float32)


def scattered(
    shape: tuple[int, int], number: int, flux: tuple[float, float], seed: int = 3, distance_px: int = 20
) -> Places:
    """Return places at least `distance_px` / 2 from each other and from the edges, the flux between two limits in ADU.

    Each lies in a cell of its own of a grid; raises ValueError when there are more than cells.
    """
    random = np.random.default_rng(seed)
    rows, columns = shape[0] // distance_px, shape[1] // distance_px
    cell = random.choice(rows * columns, number, replace=False)
    x, y = (
        (index + 0.5 + random.uniform(-0.25, 0.25, number)) * distance_px for index in (cell % columns, cell // columns)
    )
    return Places(x, y, np.exp(random.uniform(*np.log(flux), number)))


def add_stars(
    pixels: Pixels,
    places: Places,
    fwhm_px: float | NDArray[np.float64] = 3.0,
    elongation: float = 0.0,
    angle_deg: float = 0.0,
) -> Pixels:
    """Return `pixels` with Gaussian stars of eccentricity `elongation`, long along `angle_deg` from x towards y.

    `fwhm_px` is that of the circle of the same area, one for all or one for each.
    """
    crossed = pixels.astype(np.float64)
    ratio = (1 - elongation**2) ** 0.25
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    widths = np.broadcast_to(fwhm_px, len(places.x))
    for x, y, flux, fwhm in zip(*places, widths, strict=True):
        sigma = fwhm / math.sqrt(8 * math.log(2))
        reach = math.ceil(6 * sigma / ratio)
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        part = crossed[top : round(y) + reach + 1, left : round(x) + reach + 1]
        dy, dx = np.mgrid[: part.shape[0], : part.shape[1]] + np.array([top - y, left - x])[:, None, None]
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        part += flux / (2 * np.pi * sigma**2) * np.exp(-((along * ratio) ** 2 + (across / ratio) ** 2) / (2 * sigma**2))
    return crossed.astype(np.float32)


def add_trails(pixels: Pixels, *trails: Trail, noise_adu: float = NOISE_ADU) -> Pixels:
    """Return `pixels` with trails, whose brightness is in units of `noise_adu`."""
    crossed = pixels.copy()
    for trail in trails:
        profile = LineProfile(3.0, 3.5, trail.width_px) if trail.width_px else PROFILE
        add_trail(crossed, trail, trail.peak_sigma * noise_adu, profile)
    return crossed


def with_spikes(pixels: Pixels, places: Places, angle_deg: float = 12.0, share: float = 0.02) -> Pixels:
    """Return `pixels` with four spikes at each of the places, which hold a share of the star's light."""
    crossed = pixels.copy()
    for x, y, flux in zip(*places, strict=True):
        add_spikes(crossed, (x, y), share * flux, angle_deg, PROFILE, 0.1 * NOISE_ADU)
    return crossed


def frame_of(raw: NDArray[Any], saturation_adu: float = 65535.0, bayer: str = "") -> Frame:
    """Return the frame that a file with these pixels would be."""
    return Frame(raw, luminance(raw, bayer), CaptureMetadata(bayer_pattern=bayer), saturation_adu, "header")


def scored(raw: NDArray[Any], saturation_adu: float = 65535.0, bayer: str = "") -> FrameScore:
    """Return what is measured on a frame of these pixels."""
    return score_frame(frame_of(raw, saturation_adu, bayer))


@functools.cache
def clean_significance() -> float:
    """Return the significance up to which a frame's strongest streak leaves it clean by default."""
    limits = complete_config({})["label"]["limits"]
    return float(limits["streak_significance"]["clean"])


def seen(streaks: Sequence[Streak]) -> list[Streak]:
    """Return the streaks that count: with one of them a frame is not clean."""
    return [streak for streak in streaks if streak.significance > clean_significance()]


def beside_px(streak: Streak, trail: Trail) -> float:
    """Return how far the ends of a streak lie from the line of a trail, the farther one."""
    dx, dy = trail.x1 - trail.x0, trail.y1 - trail.y0
    length = math.hypot(dx, dy)
    return max(
        abs((x - trail.x0) * dy - (y - trail.y0) * dx) / length
        for x, y in ((streak.x1_px, streak.y1_px), (streak.x2_px, streak.y2_px))
    )


def searched(values: Pixels, masked: NDArray[np.bool_] | None = None, *pieces: Piece) -> SearchImage:
    """Return a search image of these values, without stars."""
    nothing = np.zeros(values.shape, dtype=bool)
    return SearchImage(
        values=values,
        structure=np.zeros_like(values),
        masked=nothing if masked is None else masked,
        masked_faint=nothing if masked is None else masked,
        pieces=pieces,
        trails=np.zeros(values.shape, dtype=bool),
        winding_share=0.0,
        bright_stars=np.empty((0, 3)),
        spike_angles=None,
        angles_of_each=np.empty(0),
        star_fwhm=2.0,
        star_angle=np.nan,
        binning=1,
        noise_adu=1.0,
    )
