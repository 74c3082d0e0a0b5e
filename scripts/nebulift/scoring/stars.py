"""Stars: found by SEP (Barbary 2016, after SExtractor) on a binned image, told from what only looks like one."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import sep
from numpy.typing import NDArray

from nebulift.scoring.arcs import arc_fraction
from nebulift.scoring.background import Background, enlarged
from nebulift.scoring.robust import standard_deviation_from_mad
from nebulift.scoring.shape_stars import choose_for_shape
from nebulift.scoring.shapes import measure_shapes

# Room for rich fields, on which SEP gives up by default: as much as it takes, for all of it is written to at once.
_PIXEL_STACKS = (400_000, 1_600_000, 6_400_000, 25_600_000)
_SUB_OBJECTS = 8_192
_LARGE_PIXELS = 3_000_000
_APERTURE_FWHM = 2.0  # radius: wide enough that a change of focus leaves the light
_SMOOTHING = np.array([0.25, 0.5, 0.25])  # as SExtractor's default
_SMOOTH_NOISE = 0.375  # what it leaves of the noise
_GRID = 4  # cells along each side for the evenness of the field
_FLAT_PX = 4
# Elongated far beyond the others: a piece of a trail, a galaxy seen from its edge, a bleeding column.
_ELONGATED, _LONGER = 3.0, 3.0
# Larger than a star by the second moment along it, in those of the stars whose shape is measured, and in their FWHM.
_EXTENDED, _EXTENDED_FWHM = 3.0, 1.5
# So many times more of its light in its brightest pixel than a star has: a cosmic ray.
_SHARPER = 2.2


@dataclass(frozen=True, slots=True)
class Stars:
    """The stars of one frame, brightest first.

    `x_px`, `y_px` (float64, pixel centres at whole numbers), `flux_adu` (aperture sum above the background), `peak_adu`
    (above the background), `is_saturated`, `is_extended` (far larger than a star: a galaxy, a knot of a nebula),
    `is_cut` (flat along the border: the rim of a star, or a piece of a bright row), all of length n. NaN where
    there is too little to measure: `fwhm_px`, `hfr_px` (half-flux radius), `eccentricity` (0 round to 1 line),
    `position_angle_deg` (of the common elongation, from the x axis towards y, 0 to 180), `elongation_order` (0:
    every star its own way, 1: all along one direction), `fwhm_tilt` (range of the FWHM between the corners over the
    median), `flux_15th_adu` and `flux_50th_adu` (of the 15th and 50th brightest star). `empty_cells` is the share
    of 16 equal cells holding fewer than a quarter of the median cell's stars. `cosmic_rays` counts what was found
    but is too sharp for a star. `flatness` is the radius at 0.8 of the peak over that at half of it, of the mean
    star: out of focus it comes near to 1, see `nebulift.scoring.half_maximum.flatness_of`. `arc_fraction` is the
    share of what was found that lies in arcs about one centre, see `nebulift.scoring.arcs.arc_fraction`.
    """

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    peak_adu: NDArray[np.float64]
    is_saturated: NDArray[np.bool_]
    is_extended: NDArray[np.bool_]
    is_cut: NDArray[np.bool_]
    fwhm_px: float
    hfr_px: float
    eccentricity: float
    position_angle_deg: float
    elongation_order: float
    fwhm_tilt: float
    flux_15th_adu: float
    flux_50th_adu: float
    empty_cells: float
    cosmic_rays: int = 0
    flatness: float = math.nan
    arc_fraction: float = math.nan

    def __len__(self) -> int:
        return len(self.x_px)


def star_image(residual: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return the image (rows, columns) in which stars are sought, and how many pixels of the frame one of it is wide.

    A large frame is averaged over 2 x 2 pixels: a star of two pixels is still one there, for a quarter of the work.
    """
    if residual.size < _LARGE_PIXELS:
        return residual, 1
    height, width = (side - side % 2 for side in residual.shape)
    half = cv2.resize(residual[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.float32), 2


def find_stars(
    residual: NDArray[np.float32],
    image: NDArray[np.float32],
    binning: int,
    background: Background,
    saturated: NDArray[np.bool_],
    sigma: float,
) -> Stars:
    """Find the stars that stand `sigma` above the sky.

    `residual` is the background-subtracted frame (float32 ADU) without its hot pixels; `image` and `binning` come
    from `star_image`. Cosmic rays and pieces of trails are left out.
    """
    objects = _extract(image, binning, background, sigma)
    arcs = arc_fraction(image, objects)
    x, y = (_full_frame(objects[axis], binning) for axis in ("x", "y"))
    peak_x, peak_y = (_full_frame(objects[axis], binning) for axis in ("xpeak", "ypeak"))
    is_saturated = _beside(saturated, peak_x, peak_y)
    is_cosmic_ray = _is_cosmic_ray(residual, peak_x, peak_y, background) & ~is_saturated
    kept = ~is_cosmic_ray & ~_is_trail(objects)
    objects, x, y, is_saturated = objects[kept], x[kept], y[kept], is_saturated[kept]
    is_cut = _is_cut(objects, image.shape)
    peak = _peak(residual, peak_x[kept], peak_y[kept])

    chosen = choose_for_shape(objects, x, y, is_saturated, binning)
    size = float(np.median(objects["a"][chosen])) * binning if len(chosen) else 0.0
    shapes = measure_shapes(residual, x[chosen], y[chosen], size, background.noise_adu)
    # NaN, where no star could be measured, makes none of them extended.
    largest = float(np.maximum(_EXTENDED * size, _EXTENDED_FWHM * shapes.fwhm_px))
    is_extended = (objects["a"] * binning > largest) & ~is_saturated

    hfr = math.nan
    flux = objects["flux"].astype(np.float64) * binning**2
    if len(objects) and math.isfinite(shapes.fwhm_px):
        radius = max(3.0, _APERTURE_FWHM * shapes.fwhm_px)
        flux, *_ = sep.sum_circle(image, objects["x"], objects["y"], radius / binning)
        flux = np.asarray(flux, dtype=np.float64) * binning**2
        half, flags = sep.flux_radius(residual, x[chosen], y[chosen], np.full(len(chosen), 2 * radius), 0.5)
        measured = half[(flags == 0) & np.isfinite(half)]
        hfr = float(np.median(measured)) if len(measured) else math.nan
    by_flux = np.argsort(-flux, kind="stable")
    return Stars(
        x_px=x[by_flux],
        y_px=y[by_flux],
        flux_adu=flux[by_flux],
        peak_adu=peak[by_flux],
        is_saturated=is_saturated[by_flux],
        is_extended=is_extended[by_flux],
        is_cut=is_cut[by_flux],
        fwhm_px=shapes.fwhm_px,
        hfr_px=hfr,
        eccentricity=shapes.eccentricity,
        position_angle_deg=shapes.position_angle_deg,
        elongation_order=shapes.elongation_order,
        fwhm_tilt=shapes.fwhm_tilt,
        flux_15th_adu=_of_rank(flux, 15),
        flux_50th_adu=_of_rank(flux, 50),
        empty_cells=_empty_cells(x, y, residual.shape),
        cosmic_rays=int(is_cosmic_ray.sum()),
        flatness=shapes.flatness,
        arc_fraction=arcs,
    )


def _extract(image: NDArray[np.float32], binning: int, background: Background, sigma: float) -> NDArray[np.void]:
    """Return SEP's objects on `image`, in its own pixels."""
    noise = enlarged(background.noise_map, image.shape)
    if binning > 1:
        # Averaging lowers the noise, but less where neighbours share theirs (colour mosaics).
        sample = image[::4, ::4]
        noise *= np.float32(max(standard_deviation_from_mad(sample) / background.noise_adu, 1.0 / binning))
    else:
        # SEP's own filter takes many times longer for the same.
        image = np.asarray(cv2.sepFilter2D(image, -1, _SMOOTHING, _SMOOTHING), dtype=np.float32)
        noise *= np.float32(max(standard_deviation_from_mad(image[::2, ::2]) / background.noise_adu, _SMOOTH_NOISE))
    return extract(image, sigma, noise)


def extract(image: NDArray[np.float32], sigma: float, noise: NDArray[np.float32] | float) -> NDArray[np.void]:
    """Return SEP's objects of three pixels or more that stand `sigma` times `noise` out of an image."""
    sep.set_sub_object_limit(_SUB_OBJECTS)
    for stack in _PIXEL_STACKS:
        sep.set_extract_pixstack(stack)
        try:
            found = sep.extract(image, sigma, err=noise, minarea=3, filter_kernel=None, deblend_nthresh=4, clean=False)
            return np.asarray(found)
        except Exception as error:  # SEP has no class of its own for it
            if "buffer full" not in str(error) or stack == _PIXEL_STACKS[-1]:
                raise
    raise AssertionError("unreachable")


def _full_frame(value: NDArray[np.floating] | NDArray[np.integer], binning: int) -> NDArray[np.float64]:
    return value.astype(np.float64) * binning + (binning - 1) / 2


def _is_trail(objects: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell objects that are elongated and much longer than the others; where all are, it is the tracking."""
    if not len(objects):
        return np.zeros(0, dtype=bool)
    length, width = objects["a"], np.maximum(objects["b"], 0.3)
    return np.asarray((length > _ELONGATED * width) & (length > _LONGER * np.median(length)))


def _is_cut(objects: NDArray[np.void], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell what lies flat along the border: pieces of a bright row or column of the camera, or the rim of a star."""
    height, width = shape
    cut = np.zeros(len(objects), dtype=bool)
    for axis, side in (("x", width), ("y", height)):
        first, last = objects[f"{axis}min"], objects[f"{axis}max"]
        cut |= (last - first < _FLAT_PX) & ((first == 0) | (last == side - 1))
    return cut


def _is_cosmic_ray(
    residual: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], background: Background
) -> NDArray[np.bool_]:
    """Tell objects too sharp for the optics: by the share of the light of 5 x 5 pixels in the brightest of them."""
    height, width = residual.shape
    if len(x) < 10 or min(height, width) < 7:  # too few to know what the optics give
        return np.zeros(len(x), dtype=bool)
    offset = np.arange(-2, 3)
    column = np.clip(np.rint(x).astype(int), 3, width - 4)
    row = np.clip(np.rint(y).astype(int), 3, height - 4)
    stamps = residual[row[:, None, None] + offset[:, None], column[:, None, None] + offset].reshape(len(x), 25)
    peak, total = stamps.max(axis=1), stamps.sum(axis=1)
    sharpness = peak / np.maximum(total, 1e-6)
    clear = peak > 20 * background.noise_adu
    if np.count_nonzero(clear) < 10:
        return np.zeros(len(x), dtype=bool)
    usual = float(np.median(sharpness[clear]))
    # In a faint star noise alone can make one pixel stand out.
    return np.asarray((sharpness > _SHARPER * usual) & (sharpness > usual + 0.15) & (peak > 8 * background.noise_adu))


def _of_rank(flux: NDArray[np.float64], rank: int) -> float:
    """Return the flux of the star of that rank by brightness; NaN where there are fewer."""
    return float(np.sort(flux)[-rank]) if len(flux) >= rank else math.nan


def _beside(mask: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each place whether its pixel or one of the eight neighbours is in `mask`."""
    height, width = mask.shape
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    found = np.zeros(len(x), dtype=bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            found |= mask[np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)]
    return found


def _peak(residual: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightest of the nine pixels around each place."""
    height, width = residual.shape
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    peak = np.full(len(x), -np.inf)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            np.maximum(peak, residual[np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)], out=peak)
    return peak


def _empty_cells(x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the share of grid cells with under a quarter of the median cell's stars; NaN for sparse fields."""
    if len(x) < 8 * _GRID**2:
        return math.nan
    counts, *_ = np.histogram2d(y, x, bins=_GRID, range=((0, shape[0]), (0, shape[1])))
    return float(np.mean(counts < 0.25 * np.median(counts)))
