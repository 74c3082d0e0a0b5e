"""Stars: found by SEP (Barbary 2016, after SExtractor), their shapes by adaptive moments."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import sep
from numpy.typing import NDArray

from nebulift.scoring.background import Background

# Room for rich fields: the defaults of SEP give up on a frame full of stars.
_PIXEL_STACK = 2_000_000
_SUB_OBJECTS = 8_192
_SHAPE_STARS = 60  # the shape of the optics is known from so many; more only cost time
_GRID = 4  # cells along each side for the evenness of the field
_FINER = 4  # samples per pixel for the width at half maximum


@dataclass(frozen=True, slots=True)
class Stars:
    """The stars of one frame, brightest first.

    `x_px`, `y_px` (float64, pixel centres at whole numbers), `flux_adu` (aperture sum above the background),
    `peak_adu` (above the background), all of length n. The medians are NaN where there is too little to measure:
    `fwhm_px`, `hfr_px` (half-flux radius), `eccentricity` (0 round to 1 line), `position_angle_deg`
    (of the common elongation, from the x axis towards y, 0 to 180), `elongation_order` (0: every star its own way,
    1: all along one direction), `flux_15th_adu` and `flux_50th_adu` (of the 15th and 50th brightest star).
    `empty_cells` is the share of 16 equal cells holding fewer than a quarter of the median cell's stars.
    """

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    peak_adu: NDArray[np.float64]
    fwhm_px: float
    hfr_px: float
    eccentricity: float
    position_angle_deg: float
    elongation_order: float
    flux_15th_adu: float
    flux_50th_adu: float
    empty_cells: float

    def __len__(self) -> int:
        return len(self.x_px)


def find_stars(
    residual: NDArray[np.float32],
    background: Background,
    saturated: NDArray[np.bool_],
    hot: NDArray[np.bool_],
    sigma: float,
) -> Stars:
    """Find the stars in `residual` (background-subtracted float32 ADU) that stand `sigma` above the sky.

    Detections whose brightest pixel lies on or beside a hot pixel are left out.
    """
    sep.set_extract_pixstack(_PIXEL_STACK)
    sep.set_sub_object_limit(_SUB_OBJECTS)
    objects = sep.extract(residual, sigma, err=background.noise, mask=background.invalid, minarea=5)
    objects = objects[~_beside(hot, objects["xpeak"], objects["ypeak"])]
    objects = objects[np.argsort(-objects["flux"], kind="stable")]
    x, y = objects["x"].astype(np.float64), objects["y"].astype(np.float64)

    unsaturated = ~_beside(saturated, objects["xpeak"], objects["ypeak"])
    whole = (objects["flag"] & sep.OBJ_TRUNC) == 0
    chosen = np.flatnonzero(unsaturated & whole)[:_SHAPE_STARS]
    if len(chosen) < 3:  # better a clipped star than none
        chosen = np.flatnonzero(whole)[:_SHAPE_STARS]
    shapes = _adaptive_moments(residual, objects[chosen])
    eccentricity, angle, order = _median_elongation(shapes)
    fwhm = _median_fwhm(residual, shapes)

    hfr = math.nan
    flux = objects["flux"].astype(np.float64)
    if len(objects) and math.isfinite(fwhm):
        radius = max(3.0, 1.5 * fwhm)
        flux, *_ = sep.sum_circle(residual, x, y, radius, mask=background.invalid)
        half, flags = sep.flux_radius(
            residual, x[chosen], y[chosen], np.full(len(chosen), 2 * radius), 0.5, mask=background.invalid
        )
        measured = half[(flags == 0) & np.isfinite(half)]
        hfr = float(np.median(measured)) if len(measured) else math.nan
    by_flux = np.argsort(-flux, kind="stable")
    return Stars(
        x_px=x[by_flux],
        y_px=y[by_flux],
        flux_adu=np.asarray(flux, dtype=np.float64)[by_flux],
        peak_adu=objects["peak"].astype(np.float64)[by_flux],
        fwhm_px=fwhm,
        hfr_px=hfr,
        eccentricity=eccentricity,
        position_angle_deg=angle,
        elongation_order=order,
        flux_15th_adu=_of_rank(flux, 15),
        flux_50th_adu=_of_rank(flux, 50),
        empty_cells=_empty_cells(x, y, residual.shape),
    )


def _of_rank(flux: NDArray[np.float64], rank: int) -> float:
    """Return the flux of the star of that rank by brightness; NaN where there are fewer."""
    return float(np.sort(flux)[-rank]) if len(flux) >= rank else math.nan


def _beside(mask: NDArray[np.bool_], x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each pixel whether it or one of its eight neighbours is in `mask`."""
    height, width = mask.shape
    found = np.zeros(len(x), dtype=bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            found |= mask[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
    return found


def _adaptive_moments(residual: NDArray[np.float32], objects: NDArray[np.void]) -> NDArray[np.float64]:
    """Return the shapes (n, 5) of stars: centre x and y in px, second moments xx, yy, xy in px^2.

    The weight adapts to the star until both agree (Bernstein & Jarvis 2002), so faint wings and neighbours
    count little. Stars for which it does not converge are left out.
    """
    if not len(objects):
        return np.empty((0, 5))
    radius = int(np.clip(round(4 * float(np.median(objects["a"]))), 6, 32))
    height, width = residual.shape
    inside = (
        (objects["x"] > radius)
        & (objects["x"] < width - 1 - radius)
        & (objects["y"] > radius)
        & (objects["y"] < height - 1 - radius)
    )
    objects = objects[inside]
    if not len(objects):
        return np.empty((0, 5))
    column, row = np.rint(objects["x"]).astype(int), np.rint(objects["y"]).astype(int)
    offset = np.arange(-radius, radius + 1)
    stamps = residual[row[:, None, None] + offset[:, None], column[:, None, None] + offset].astype(np.float64)
    centre_x, centre_y = objects["x"] - column, objects["y"] - row
    floor = 0.25  # px^2: nothing is narrower than a pixel
    xx, yy = np.maximum(objects["x2"], floor), np.maximum(objects["y2"], floor)
    xy = objects["xy"].astype(np.float64)
    converged = np.ones(len(objects), dtype=bool)
    for _ in range(12):
        determinant = np.maximum(xx * yy - xy**2, 1e-3)
        dx = offset[None, None, :] - centre_x[:, None, None]
        dy = offset[None, :, None] - centre_y[:, None, None]
        distance = (
            yy[:, None, None] * dx**2 - 2 * xy[:, None, None] * dx * dy + xx[:, None, None] * dy**2
        ) / determinant[:, None, None]
        weighted = stamps * np.exp(-0.5 * distance)
        total = weighted.sum(axis=(1, 2))
        converged &= total > 0
        total = np.where(total > 0, total, 1.0)
        shift_x = (weighted * dx).sum(axis=(1, 2)) / total
        shift_y = (weighted * dy).sum(axis=(1, 2)) / total
        # A Gaussian seen through itself has half its variance.
        xx = np.clip(2 * (weighted * dx**2).sum(axis=(1, 2)) / total, floor, radius**2)
        yy = np.clip(2 * (weighted * dy**2).sum(axis=(1, 2)) / total, floor, radius**2)
        limit = 0.98 * np.sqrt(xx * yy)
        xy = np.clip(2 * (weighted * dx * dy).sum(axis=(1, 2)) / total, -limit, limit)
        centre_x = np.clip(centre_x + 2 * shift_x, -radius / 2, radius / 2)
        centre_y = np.clip(centre_y + 2 * shift_y, -radius / 2, radius / 2)
    converged &= (xx < radius**2 / 2) & (yy < radius**2 / 2)
    return np.stack([centre_x + column, centre_y + row, xx, yy, xy], axis=1)[converged]


def _median_fwhm(residual: NDArray[np.float32], shapes: NDArray[np.float64]) -> float:
    """Return the median full width at half maximum in px: of the circle as large as what is above half the peak.

    Unlike a width from moments it is right for any profile, the wide wings of a real one (Moffat 1969) included.
    """
    widths = []
    for x, y, xx, yy, _ in shapes:
        sigma = math.sqrt(max(xx, yy))
        half = math.ceil(2 * sigma) + 1
        size = (2 * half * _FINER + 1, 2 * half * _FINER + 1)
        scale = np.array([[1 / _FINER, 0, x - half], [0, 1 / _FINER, y - half]])
        fine = cv2.warpAffine(residual, scale, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        middle = half * _FINER
        peak = float(fine[middle - 1 : middle + 2, middle - 1 : middle + 2].mean())
        # Only what hangs together with the centre: a neighbour is another star.
        _, labels = cv2.connectedComponents((fine > peak / 2).astype(np.uint8))
        area = np.count_nonzero(labels == labels[middle, middle]) / _FINER**2
        if peak > 0 and labels[middle, middle]:
            widths.append(2 * math.sqrt(area / math.pi))
    return float(np.median(widths)) if widths else math.nan


def _median_elongation(shapes: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return median eccentricity, position angle (degrees) and order of the elongation."""
    if not len(shapes):
        return math.nan, math.nan, math.nan
    xx, yy, xy = shapes[:, 2:].T
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    major, minor = middle + half, np.maximum(middle - half, 1e-6)
    eccentricity = np.sqrt(1 - minor / major)
    # Ellipticities add up as vectors of twice the angle: what stays of them is common to all stars.
    e1, e2 = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
    common = math.hypot(float(np.median(e1)), float(np.median(e2)))
    angle = math.degrees(0.5 * math.atan2(float(np.median(e2)), float(np.median(e1)))) % 180
    order = common / max(float(np.median(np.hypot(e1, e2))), 1e-6)
    return float(np.median(eccentricity)), angle, min(order, 1.0)


def _empty_cells(x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the share of grid cells with under a quarter of the median cell's stars; NaN for sparse fields."""
    if len(x) < 8 * _GRID**2:
        return math.nan
    counts, *_ = np.histogram2d(y, x, bins=_GRID, range=((0, shape[0]), (0, shape[1])))
    return float(np.mean(counts < 0.25 * np.median(counts)))
