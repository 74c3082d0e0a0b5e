"""Extended light that is fixed on the sky: galaxies, nebulae, filaments, and how one frame sees it."""

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from nebulift.simulate.filaments import add_filaments
from nebulift.simulate.target import Target

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

NEBULA_SLOPE = 1.6
"""Amplitude of a nebula's structure falls as its spatial frequency to this power; clouds of gas have 1.4 to 1.9."""
NEBULA_CONTRAST = 0.9
"""Scatter of the natural logarithm of a nebula's brightness."""


class Glow(NamedTuple):
    """Extended light around the frame."""

    electrons_per_s: Image
    """(k, l), above the air."""
    margin_px: int
    """Its first pixel lies this far before the frame's, in x and y."""


def make_glow(
    target: Target, shape: tuple[int, int], margin_px: float, sky_e_per_s: float, rng: np.random.Generator
) -> Glow | None:
    """Draw the extended light around a frame of `shape` (h, w) px; None when the target has none."""
    if not (target.galaxies or target.edge_on_galaxies or target.nebula or target.filaments):
        return None
    margin = math.ceil(margin_px)
    light = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), dtype=np.float32)
    if target.nebula:
        light += target.nebula * _nebula(light.shape, rng)
    if target.filaments:
        add_filaments(light, target, margin, rng)
    for number in range(target.galaxies + target.edge_on_galaxies):
        _add_galaxy(light, target, number, margin, rng)
    return Glow(light * np.float32(sky_e_per_s), margin)


def seen_glow(
    glow: Glow, shape: tuple[int, int], rotation_deg: float, offset_px: tuple[float, float], blur: Image | float
) -> Image:
    """Give the light (h, w) of one frame, electrons per second: turned, moved, blurred by a kernel or a sigma in px."""
    height, width = shape
    centre = ((width - 1) / 2 + glow.margin_px, (height - 1) / 2 + glow.margin_px)
    # OpenCV counts angles the other way, for it takes y to point up.
    turn = cv2.getRotationMatrix2D(centre, -rotation_deg, 1.0)
    turn[:, 2] += np.array(offset_px) - glow.margin_px
    seen = cv2.warpAffine(
        glow.electrons_per_s, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if isinstance(blur, float):
        return np.asarray(cv2.GaussianBlur(seen, (0, 0), blur))
    return np.asarray(cv2.filter2D(seen, -1, blur / blur.sum(), borderType=cv2.BORDER_REFLECT_101))


def _nebula(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Draw a nebula (h, w) whose structure has a power-law spectrum; 1 in its brighter parts."""
    half = (math.ceil(shape[0] / 2), math.ceil(shape[1] / 2))
    frequency = np.hypot(np.fft.fftfreq(half[0])[:, None], np.fft.rfftfreq(half[1])[None, :])
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal(half)) * np.maximum(frequency, 1.0 / max(half)) ** -NEBULA_SLOPE
    structure = np.fft.irfft2(waves, half)
    brightness = np.exp(NEBULA_CONTRAST * structure / structure.std())
    brightness /= np.percentile(brightness[::4, ::4], 95)
    return np.asarray(cv2.resize(brightness.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def _add_galaxy(light: Image, target: Target, number: int, margin: int, rng: np.random.Generator) -> None:
    """Add a galaxy with Sersic's profile (Sersic 1963) in place; those seen edge-on come first."""
    height, width = light.shape
    edge_on = number < target.edge_on_galaxies
    radius = target.galaxy_radius_px * (number + 1.0) ** -0.7
    flatness = rng.uniform(0.11, 0.2) if edge_on else rng.uniform(0.35, 1.0)
    index = 1.0 if edge_on else rng.choice([1.0, 1.5, 4.0])
    place = rng.uniform(0.15, 0.85, 2) * (width - 2 * margin, height - 2 * margin) + margin
    angle, phase, winding = rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi), rng.uniform(2.0, 4.0)
    reach = math.ceil(6.0 * radius)
    rows = slice(max(0, int(place[1]) - reach), min(height, int(place[1]) + reach + 1))
    columns = slice(max(0, int(place[0]) - reach), min(width, int(place[0]) + reach + 1))
    y = np.arange(rows.start, rows.stop)[:, None] - place[1]
    x = np.arange(columns.start, columns.stop)[None, :] - place[0]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    # Softened over a pixel, for the profile has a cusp.
    distance = np.sqrt(along**2 + (across / flatness) ** 2 + 1.0) / radius
    steepness = 2.0 * index - 1.0 / 3.0
    brightness = np.exp(-steepness * (distance ** (1.0 / index) - 1.0))
    if edge_on:
        brightness *= 1.0 - 0.6 * np.exp(-((across / (0.2 * flatness * radius)) ** 2) - (along / radius) ** 2)
    elif index < 2:
        arms = np.cos(2.0 * np.arctan2(across / flatness, along) - winding * np.log(distance) - phase)
        brightness *= 1.0 + 0.45 * arms * np.clip(distance - 0.3, 0.0, 1.0)
    light[rows, columns] += (target.galaxy_brightness * brightness).astype(np.float32)
