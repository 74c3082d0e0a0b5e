"""What is bright and compact in the search image, so that stars do not line up to trails."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.robust import MAD_TO_SIGMA, median
from nebulift.scoring.star_subtraction import StarModel
from nebulift.scoring.stars import Stars

# In pixels of the search image and in units of its noise.
BORDER = 0.01  # of the side
_PEAK_SIGMA, _FOOT_SIGMA = 6.0, 3.0
# Width of what is masked about each pixel of brighter stars' feet, in search pixels of at most two of the frame.
# By peak and by size of the patch: a patch of more than 250 is no single star, one of 2,000 or one that large at the
# border is nebula or amplifier glow.
_LARGE_PX, _BESIDE_PX = (250, 2000), 3
_GLOW_PX = {
    (_PEAK_SIGMA, 0): 1,
    (60.0, 0): 3,
    (400.0, 0): 7,
    (_PEAK_SIGMA, 1): 3,
    (60.0, 1): 7,
    (400.0, 1): 15,
    (_PEAK_SIGMA, 2): 3,
    (30.0, 2): 45,
}
_CORE_PX, _CORE_SIGMA, _CORE_GLOW = 4.0, 60.0, 1.6
# Radius of a core at least, of the mean width of its patch: 0.9 for a star, 0.5 for a trail; one that flares has more.
_CORE_WIDTH, _CORE_WIDTH_ON_TRAIL = 0.65, 1.0
_TRAIL_SHARE = 0.8  # of a patch that is a trail: others are only crossed by one
_CORE_LIGHT = 4.0  # beyond it the profile of a star is not known well enough
_SPIKED_STAR_SIGMA = 100.0  # of the frame's noise
_FAINT_SMOOTHING_PX, _FAINT_SIGMA, _FAINT_CLIP = 0.8, 3.0, (-3.0, 8.0)
_FAINT_SHAPE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
_FAINT_STAR_FWHM = 0.7  # radius of what is masked


def mask_compact(
    image: NDArray[np.float32], trails: NDArray[np.bool_], binning: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return the mask of what is bright and compact, and x, y and radius (n, 3) of bright stars, the largest first.

    `trails` are pixels of trails: what lies there and is not as bright as a bright star is let be.
    """
    foot = image > _FOOT_SIGMA
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(foot.view(np.uint8), connectivity=8)
    # Little of the sky is bright: its pixels by their places are sooner gone through than all of them.
    places = np.flatnonzero(foot)
    patch_of = labels.ravel()[places]
    peak = np.zeros(count, dtype=np.float32)
    np.maximum.at(peak, patch_of, image.ravel()[places])
    compact = peak > _PEAK_SIGMA
    compact[0] = False
    on_trail = np.zeros(count, dtype=bool)
    on_trail[np.unique(labels[trails])] = True
    compact &= ~on_trail
    masked = np.zeros(image.shape, dtype=np.uint8)
    # The glow of a bright star reaches further than its foot.
    size = np.searchsorted(_LARGE_PX, boxes[:, cv2.CC_STAT_AREA])
    size[(size == 1) & _at_border(boxes, image.shape)] = 2
    for (sigma, of_size), width in _GLOW_PX.items():
        width = max(1, width * 2 // max(binning, 2) // 2 * 2 + 1)
        of_kind = compact & (peak > sigma) & (size == of_size)
        if not of_kind.any():
            continue
        glowing = np.zeros(image.shape, dtype=np.uint8)
        glowing.ravel()[places[of_kind[patch_of]]] = 1
        masked |= cv2.dilate(glowing, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    is_trail = np.bincount(labels[trails], minlength=count) > _TRAIL_SHARE * boxes[:, cv2.CC_STAT_AREA]
    cores = _cores(foot, labels, boxes, peak, is_trail)
    for x, y, radius in cores:
        cv2.circle(masked, (round(x), round(y)), math.ceil(_CORE_GLOW * radius), color=(1,), thickness=-1)
    # The first and last rows and columns of a sensor are seldom like the others.
    for side, edge in ((0, masked), (1, masked.T)):
        margin = max(4, round(BORDER * masked.shape[side]))
        edge[:margin] = 1
        edge[-margin:] = 1
    return masked > 0, cores


def _at_border(boxes: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which boxes reach the border of an image."""
    left, top = boxes[:, cv2.CC_STAT_LEFT], boxes[:, cv2.CC_STAT_TOP]
    right, bottom = left + boxes[:, cv2.CC_STAT_WIDTH], top + boxes[:, cv2.CC_STAT_HEIGHT]
    near = (left < _BESIDE_PX, top < _BESIDE_PX, right > shape[1] - _BESIDE_PX, bottom > shape[0] - _BESIDE_PX)
    return np.asarray(np.logical_or.reduce(near))


def faint_sources(image: NDArray[np.float32], masked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of what stands out once `image`, of unit noise, is smoothed to the width of stars."""
    known = np.where(masked, np.float32(0), np.clip(image, *_FAINT_CLIP))
    smooth = np.asarray(cv2.GaussianBlur(known, (0, 0), _FAINT_SMOOTHING_PX), dtype=np.float32)
    sample = smooth[::3, ::3][~masked[::3, ::3]]
    if not sample.size:
        return np.zeros(image.shape, dtype=bool)
    middle = np.float32(median(sample))
    noise = np.float32(MAD_TO_SIGMA * median(np.abs(sample - middle)))
    outstanding = (smooth - middle > _FAINT_SIGMA * noise).view(np.uint8)
    return np.asarray(cv2.dilate(outstanding, _FAINT_SHAPE), dtype=np.uint8) > 0


def _cores(
    foot: NDArray[np.bool_],
    labels: NDArray[np.int32],
    boxes: NDArray[np.int32],
    peak: NDArray[np.float32],
    is_trail: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return x, y and radius (n, 3) of the thickest place of each bright patch, the thickest first.

    That is where the star is, however far its spikes and its bleeding reach; a trail is nowhere thicker.
    """
    depth = cv2.distanceTransform(foot.view(np.uint8), cv2.DIST_L2, 3)
    row, column = np.nonzero(depth >= _CORE_PX)
    bright = peak[labels[row, column]] > _CORE_SIGMA
    row, column = row[bright], column[bright]
    order = np.lexsort((-depth[row, column], labels[row, column]))
    row, column = row[order], column[order]
    _, first = np.unique(labels[row, column], return_index=True)
    row, column = row[first], column[first]
    box = boxes[labels[row, column]]
    mean_width = box[:, cv2.CC_STAT_AREA] / np.hypot(box[:, cv2.CC_STAT_WIDTH], box[:, cv2.CC_STAT_HEIGHT])
    least = np.where(is_trail[labels[row, column]], _CORE_WIDTH_ON_TRAIL, _CORE_WIDTH)
    thick = depth[row, column] > least * mean_width
    row, column = row[thick], column[thick]
    thickest = np.argsort(-depth[row, column], kind="stable")
    return np.stack([column, row, depth[row, column]], axis=1)[thickest].astype(np.float64)


def bright_stars(
    stars: Stars, cores: NDArray[np.float64], noise_adu: float, masked: NDArray[np.bool_], binning: int
) -> NDArray[np.float64]:
    """Return x, y, radius (0: small) and flux in ADU (n, 4) of stars bright enough for spikes, brightest first.

    `cores` (n, 3) are x, y and radius of those that are large, in pixels of the search image as what is returned. A
    piece of a trail is no star.
    """
    x, y = ((axis + 0.5) / binning - 0.5 for axis in (stars.x_px, stars.y_px))
    size = masked.shape[::-1]
    column, row = (np.clip(np.rint(axis).astype(int), 0, side - 1) for axis, side in zip((x, y), size, strict=True))
    bright = ((stars.peak_adu > _SPIKED_STAR_SIGMA * noise_adu) | stars.is_saturated) & masked[row, column]
    large = []
    for core_x, core_y, radius in cores:
        inside = np.hypot(x - core_x, y - core_y) < max(radius, 2.0)
        # A star too large to be found as one is among the brightest.
        large.append((core_x, core_y, radius, stars.flux_adu[inside].sum() if inside.any() else np.inf))
        bright &= ~inside
    small = np.stack([x[bright], y[bright], np.zeros(np.count_nonzero(bright)), stars.flux_adu[bright]], axis=1)
    both = np.concatenate([np.array(large).reshape(-1, 4), small])
    return both[np.argsort(-both[:, 3], kind="stable")]


def mask_cores(model: StarModel, shape: tuple[int, ...], step: int, noise_adu: float) -> NDArray[np.bool_]:
    """Return the mask (rows, columns) `shape` of the cores of stars that were taken away.

    The model is that of an image of `step` x `step` pixels for each of the mask, whose noise is `noise_adu`.
    """
    masked = np.zeros(shape, dtype=bool)
    radii = model.radii(_CORE_LIGHT * noise_adu) / step
    places = (np.stack([model.x, model.y], axis=1) + 0.5) / step - 0.5
    column, row = np.rint(places).astype(int).T
    drawn = np.where(radii > 0, np.maximum(np.rint(radii).astype(int), 1), 0)
    for radius in np.unique(drawn[drawn > 0]).tolist():
        # A disc is drawn once, and its pixels put about all stars of its size.
        disc = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
        cv2.circle(disc, (radius, radius), radius, color=(1,), thickness=-1)
        down, across = np.nonzero(disc)
        alike = drawn == radius
        y, x = (row[alike, None] + down - radius).ravel(), (column[alike, None] + across - radius).ravel()
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        masked[y[inside], x[inside]] = True
    return masked


def mask_faint(stars: Stars, trails: NDArray[np.bool_], binning: int) -> NDArray[np.bool_]:
    """Return the mask of the stars found in the frame; what lies on a trail is a part of it."""
    shape = trails.shape
    masked = np.zeros(shape, dtype=np.uint8)
    x, y = ((axis + 0.5) / binning - 0.5 for axis in (stars.x_px, stars.y_px))
    column, row = (np.clip(np.rint(axis).astype(int), 0, side - 1) for axis, side in ((x, shape[1]), (y, shape[0])))
    masked[row, column] = 1
    masked[trails] = 0
    radius = max(1, round(_FAINT_STAR_FWHM * stars.fwhm_px / binning)) if math.isfinite(stars.fwhm_px) else 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(masked, disc), dtype=np.uint8) > 0
