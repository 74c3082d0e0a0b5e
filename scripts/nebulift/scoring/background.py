"""The sky background of a frame and its noise, on a mesh, by the method of SExtractor (Bertin & Arnouts 1996)."""

from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray

from nebulift.scoring.robust import standard_deviation_from_mad

MESH_PX = 64
# A polynomial surface of second order is what moon, twilight, light pollution and vignetting look like;
# what is left over is structure.
_SURFACE_ORDER = 2


@dataclass(frozen=True, slots=True)
class Background:
    """The background of one frame.

    `level` and `noise` are float32 maps of the frame's shape in ADU, `noise` the standard deviation of one
    pixel's sky. `level_adu` and `noise_adu` are their medians. `gradient_sigma` is the range of the smooth surface
    through the mesh, `structure_sigma` the scatter of the mesh
    about that surface, both in units of the noise of one pixel. `invalid` marks pixels without a value.
    """

    level: NDArray[np.float32]
    noise: NDArray[np.float32]
    invalid: NDArray[np.bool_]
    level_adu: float
    noise_adu: float
    gradient_sigma: float
    structure_sigma: float


# Whole numbers hide whatever noise is smaller than their own rounding: 1/sqrt(12) of a step.
ROUNDING_NOISE_ADU = 0.29


def measure_background(pixels: NDArray[np.float32], smallest_noise_adu: float = 0.0) -> Background:
    """Measure the background of float32 `pixels` (height, width) in ADU; NaN marks pixels without a value."""
    invalid = ~np.isfinite(pixels)
    filled = np.ascontiguousarray(pixels, dtype=np.float32)
    if invalid.any():
        filled = np.where(invalid, np.float32(np.median(pixels[~invalid])), filled)
    height, width = filled.shape
    mesh = max(8, min(MESH_PX, height // 4, width // 4))
    measured = sep.Background(filled, mask=invalid, bw=mesh, bh=mesh, fw=3, fh=3)
    level = measured.back(dtype=np.float32)
    noise = measured.rms(dtype=np.float32)
    # Undithered and saturated cells have no scatter at all; nothing may be divided by zero.
    noise_adu = float(np.median(noise))
    if not noise_adu > 0:
        noise_adu = max(float(np.std(filled - level)), 1e-6 * max(1.0, abs(float(measured.globalback))))
    noise_adu = max(noise_adu, smallest_noise_adu)
    np.maximum(noise, np.float32(max(0.2 * noise_adu, smallest_noise_adu)), out=noise)
    gradient, structure = _shape_of_mesh(level[mesh // 2 :: mesh, mesh // 2 :: mesh], noise_adu)
    return Background(
        level=level,
        noise=noise,
        invalid=invalid,
        level_adu=float(np.median(level)),
        noise_adu=noise_adu,
        gradient_sigma=gradient,
        structure_sigma=structure,
    )


def _shape_of_mesh(mesh: NDArray[np.float32], noise_adu: float) -> tuple[float, float]:
    """Return range of the smooth surface through the mesh and the scatter about it, in units of the noise."""
    rows, columns = mesh.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    terms = [x**i * y**j for i in range(_SURFACE_ORDER + 1) for j in range(_SURFACE_ORDER + 1 - i)]
    design = np.stack([term.ravel() for term in terms], axis=1)
    values = mesh.ravel().astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    surface = design @ coefficients
    scatter = standard_deviation_from_mad(values - surface)
    return float(np.ptp(surface)) / noise_adu, scatter / noise_adu
