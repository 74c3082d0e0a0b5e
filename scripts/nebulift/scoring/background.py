"""The sky background of a frame and its noise, on a mesh, by the method of SExtractor (Bertin & Arnouts 1996)."""

from dataclasses import dataclass

import cv2
import numpy as np
import sep
from numba import njit
from numpy.typing import NDArray

from nebulift.scoring.robust import median, standard_deviation_from_mad

MESH_PX = 64
# A polynomial surface of second order is what moon, twilight, light pollution and vignetting look like;
# what is left over is structure.
_SURFACE_ORDER = 2
# A quarter of the pixels of a large frame tells as much: a cell of the mesh still holds a thousand.
_LARGE_PIXELS, _STEP = 3_000_000, 2
_MAP_CELLS_PER_MESH = 4
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Background:
    """The background of one frame.

    `level_map` and `noise_map` are coarse float32 maps of the whole frame in ADU, smooth enough to be interpolated;
    `noise_map` is the standard deviation of one pixel's sky. `level_adu` and `noise_adu` are their medians.
    `gradient_sigma` is the range of the smooth surface through the mesh, `structure_sigma` the scatter of the mesh
    about that surface, both in units of the noise of one pixel. `invalid` (height, width) marks pixels without a value.
    """

    level_map: NDArray[np.float32]
    noise_map: NDArray[np.float32]
    invalid: NDArray[np.bool_]
    level_adu: float
    noise_adu: float
    gradient_sigma: float
    structure_sigma: float

    def residual(self, pixels: NDArray[np.float32], in_place: bool = False) -> NDArray[np.float32]:
        """Return `pixels` (height, width) without the background, float32 ADU; 0 where there is no value.

        With `in_place` the result takes the place of `pixels`.
        """
        residual = pixels if in_place else pixels.copy()
        # Row by row: a second frame of levels would be the most memory that scoring takes.
        _subtract_stretched(residual, enlarged(self.level_map, (len(self.level_map), pixels.shape[1])))
        # A mask without memory of its own marks nothing.
        if any(self.invalid.strides):
            residual[self.invalid] = 0
        return residual


@njit(cache=True)
def _subtract_stretched(pixels: NDArray[np.float32], wide: NDArray[np.float32]) -> None:
    """Subtract a map (rows, width) from pixels (height, width), in place, its rows interpolated linearly."""
    height, width = pixels.shape
    rows = len(wide)
    for y in range(height):
        place = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        upper = wide[int(place)]
        lower = wide[min(int(place) + 1, rows - 1)]
        share = np.float32(place - int(place))
        for x in range(width):
            pixels[y, x] -= upper[x] + share * (lower[x] - upper[x])


def enlarged(coarse: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a coarse map interpolated to (height, width) `shape`."""
    return np.asarray(cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


# Whole numbers hide whatever noise is smaller than their own rounding: 1/sqrt(12) of a step.
ROUNDING_NOISE_ADU = 0.29


def measure_background(pixels: NDArray[np.float32], smallest_noise_adu: float = 0.0) -> Background:
    """Measure the background of float32 `pixels` (height, width) in ADU; NaN marks pixels without a value."""
    invalid = _without_value(pixels)
    has_invalid = any(invalid.strides)
    height, width = pixels.shape
    mesh = max(8, min(MESH_PX, height // 4, width // 4))
    step = _STEP if pixels.size >= _LARGE_PIXELS else 1
    sample = np.ascontiguousarray(pixels[::step, ::step], dtype=np.float32)
    without = np.ascontiguousarray(invalid[::step, ::step]) if has_invalid else None
    if without is not None:
        sample = np.where(without, np.float32(median(sample[~without])), sample)
        if without.mean() > _MOSTLY:
            without = None  # SEP leaves out cells of which it knows too little
    cell = mesh // step
    measured = sep.Background(sample, mask=without, bw=cell, bh=cell, fw=3, fh=3)
    coarse = max(1, cell // _MAP_CELLS_PER_MESH)
    size = (-(-sample.shape[1] // coarse), -(-sample.shape[0] // coarse))
    noise_map = _coarse(measured.rms(dtype=np.float32), size)
    level = measured.back(dtype=np.float32)
    level_map = _coarse(level, size)
    # Undithered and saturated cells have no scatter at all; nothing may be divided by zero.
    noise_adu = median(noise_map)
    if not noise_adu > 0:
        noise_adu = max(float(np.std(sample - level)), 1e-6 * max(1.0, abs(float(measured.globalback))))
    # Inside a cell of the mesh a steep slope looks like noise.
    known = ~invalid[::step, ::step][::3, ::3]
    scatter = standard_deviation_from_mad((sample[::3, ::3] - level[::3, ::3])[known]) if known.any() else 0.0
    if 0 < scatter < noise_adu:
        noise_map *= np.float32(scatter / noise_adu)
        noise_adu = scatter
    noise_adu = max(noise_adu, smallest_noise_adu)
    np.maximum(noise_map, np.float32(max(0.2 * noise_adu, smallest_noise_adu)), out=noise_map)
    gradient, structure = _shape_of_mesh(level[cell // 2 :: cell, cell // 2 :: cell], noise_adu)
    return Background(
        level_map=level_map,
        noise_map=noise_map,
        invalid=invalid,
        level_adu=median(level_map),
        noise_adu=noise_adu,
        gradient_sigma=gradient,
        structure_sigma=structure,
    )


def _without_value(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask of pixels that are not finite; where there are none it takes no memory."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(pixels.sum()):  # or the sum is too large for its type
            invalid = ~np.isfinite(pixels)
            if invalid.any():
                return invalid
    return np.broadcast_to(np.False_, pixels.shape)


def _coarse(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image averaged to a size, width and height."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


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
