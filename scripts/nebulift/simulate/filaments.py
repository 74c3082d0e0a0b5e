"""Thin curved ridges of light, in bundles, as in the remnants of supernovae."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from nebulift.simulate.target import Target

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

STEP_PX = 0.5
RIDGE_WIDTHS = (0.6, 1.0, 1.8)
"""Widths of ridges over the typical one."""


def add_filaments(light: Image, target: Target, margin: int, rng: np.random.Generator) -> None:
    """Add bundles of strands that wind about each other to `light` (h, w) in place; 1 = the unit of brightness."""
    height, width = light.shape
    layers: list[Image] = [np.zeros((height, width), dtype=np.float32) for _ in RIDGE_WIDTHS]
    # All follow the same shock front, more or less.
    front, bend = rng.uniform(0, 2 * math.pi), rng.normal(0.0, 0.9)
    for _ in range(target.filaments):
        x, y, heading = _backbone((width, height), margin, front + rng.normal(0.0, 0.25), bend, rng)
        for _ in range(int(rng.integers(2, 6))):
            beside = 12.0 * target.filament_width_px * _wander(len(x), 4.0, rng)
            strength = np.exp(0.8 * _wander(len(x), 12.0, rng)) * np.sin(np.linspace(0.0, math.pi, len(x)))
            layer = layers[int(rng.integers(len(layers)))]
            strength *= rng.uniform(0.4, 1.0)
            _deposit(layer, x - beside * np.sin(heading), y + beside * np.cos(heading), strength * STEP_PX)
    for layer, ratio in zip(layers, RIDGE_WIDTHS, strict=True):
        sigma = ratio * target.filament_width_px / math.sqrt(8 * math.log(2))
        # Light per px of length becomes light on the ridge of a Gaussian.
        ridge = cv2.GaussianBlur(layer, (0, 0), sigma) * (math.sqrt(2 * math.pi) * sigma)
        halo = cv2.GaussianBlur(layer, (0, 0), 8 * sigma) * (math.sqrt(2 * math.pi) * sigma)
        light += np.float32(target.filament_brightness) * (ridge + 2 * halo)


def _backbone(
    size: tuple[int, int], margin: int, front: float, bend: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw x, y and heading along a smooth arc through the frame, each (n,); it turns by `bend` on its way."""
    inner = min(size) - 2 * margin
    length = inner * rng.uniform(0.6, 1.4)
    count = max(int(length / STEP_PX), 16)
    curvature = (bend + rng.normal(0.0, 0.3) + 0.8 * _wander(count, 3.0, rng)) / inner
    heading = front - bend / 2 + np.cumsum(curvature) * STEP_PX
    x, y = np.cumsum(np.cos(heading)) * STEP_PX, np.cumsum(np.sin(heading)) * STEP_PX
    centre = margin + rng.uniform(0.25, 0.75, 2) * (size[0] - 2 * margin, size[1] - 2 * margin)
    return x - x.mean() + centre[0], y - y.mean() + centre[1], heading


def _wander(count: int, knots: float, rng: np.random.Generator) -> FloatArray:
    """Draw a smooth function at `count` places, about 1 rms, with as many bends as knots."""
    strength = rng.standard_normal(int(knots) + 4)
    smooth = cv2.resize(strength[None].astype(np.float64), (count, 1), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth[0], dtype=np.float64)


def _deposit(layer: Image, x_px: FloatArray, y_px: FloatArray, light: FloatArray) -> None:
    """Share light (n,) at places out between the four pixels around each, in place."""
    column, row = np.floor(x_px).astype(np.intp), np.floor(y_px).astype(np.intp)
    inside = (column >= 0) & (row >= 0) & (column < layer.shape[1] - 1) & (row < layer.shape[0] - 1)
    column, row, light = column[inside], row[inside], light[inside]
    right, below = x_px[inside] - column, y_px[inside] - row
    for down, across, share in (
        (0, 0, (1 - below) * (1 - right)),
        (0, 1, (1 - below) * right),
        (1, 0, below * (1 - right)),
        (1, 1, below * right),
    ):
        np.add.at(layer, (row + down, column + across), (light * share).astype(np.float32))
