"""Light of the sky over the frame, and what hides it: cloud banks and obstacles."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from nebulift.simulate.equipment import Sky
from nebulift.simulate.field import Conditions
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Occlusion

Image = npt.NDArray[np.float32]

VEIL_GLOW = 0.8
"""What a veil adds to the sky, per light that it takes: it scatters the lights below and the moon above."""
CLOUD_EDGE = 0.45
"""Width of a cloud's edge, half the longer side = 1; soft, for clouds move far within an exposure."""


def sky_level(sky: Sky, recipe: FrameRecipe, conditions: Conditions) -> float:
    """Give the sky's electrons per second and pixel at the frame's centre, cloud banks left out."""
    factor = 1.0 + 0.15 * (conditions.airmass - 1.0)
    factor += (recipe.moon - 1.0) + (recipe.twilight - 1.0)
    return sky.sky_e_per_s_per_px * factor * (1.0 + VEIL_GLOW * (1.0 - recipe.transparency))


def sky_map(
    sky_e: float,
    sky: Sky,
    bank: CloudBank | None,
    cloud: Image | None,
    conditions: Conditions,
    shape: tuple[int, ...],
) -> Image:
    """Electrons of sky light in each pixel (h, w): a tilted plane, and clouds lit from below or dark."""
    y, x = _along_edges(shape)
    angle = math.radians(sky.gradient_angle + conditions.rotation_deg)
    tilt = x[None, :] * math.cos(angle) + y[:, None] * math.sin(angle)
    light = np.asarray(sky_e * (1.0 + sky.gradient * tilt / 2), dtype=np.float32)
    if cloud is not None and bank is not None:
        light *= 1.0 + np.float32(bank.opacity * (sky.cloud_brightness - 1.0)) * cloud
    return light


def cloud_thickness(bank: CloudBank | None, shape: tuple[int, ...], rng: np.random.Generator) -> Image | None:
    """Thickness of a cloud bank in each pixel (h, w), 0 to 1; above 1/2 over the asked share of the frame."""
    if bank is None:
        return None
    coverage, _, angle_deg = bank
    rows, columns = 48, 72
    ramp = _ramp((rows, columns), angle_deg)
    billows = np.zeros((rows, columns), dtype=np.float32)
    for cells, strength in ((4, 0.3), (9, 0.1)):
        coarse = rng.standard_normal((cells, cells), dtype=np.float32) * strength
        billows += cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    thickness = np.asarray(ramp + billows, dtype=np.float32)
    edge = np.quantile(thickness, 1.0 - min(max(coverage, 0.0), 1.0))
    # Full cover leaves no clear edge inside the frame.
    edge -= CLOUD_EDGE * max(0.0, coverage - 0.9) * 10
    thickness = _smooth_step((thickness - edge) / (2 * CLOUD_EDGE) + 0.5)
    return np.asarray(cv2.resize(thickness, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def shadow(occlusion: Occlusion | None, shape: tuple[int, ...]) -> Image | None:
    """Share of the light that an obstacle takes in each pixel (h, w); above 1/2 over its share of the frame."""
    if occlusion is None or occlusion.share <= 0:
        return None
    ramp = _ramp(shape, occlusion.angle_deg)
    width = max(occlusion.softness, 2.0 / max(shape))
    edge = np.quantile(ramp[::4, ::4], 1.0 - min(occlusion.share, 1.0)) - (width if occlusion.share >= 1 else 0.0)
    return _smooth_step((ramp - edge) / width + 0.5)


def _smooth_step(value: npt.NDArray[np.floating]) -> Image:
    """Rise from 0 to 1 between 0 and 1, level at both ends."""
    step = np.clip(value, 0.0, 1.0).astype(np.float32)
    return np.asarray(step * step * (3.0 - 2.0 * step), dtype=np.float32)


def _ramp(shape: tuple[int, ...], angle_deg: float) -> Image:
    """Distance in a direction from the middle of an array (h, w), half the longer edge = 1."""
    y, x = _along_edges(shape)
    angle = math.radians(angle_deg)
    return x[None, :] * math.cos(angle) + y[:, None] * math.sin(angle)


def _along_edges(shape: tuple[int, ...]) -> tuple[Image, Image]:
    """Coordinates along y and x, -1 to 1 along the longer edge."""
    longest = max(shape[:2])
    y, x = (np.linspace(-1.0, 1.0, size, dtype=np.float32) * (size / longest) for size in shape[:2])
    return y, x
