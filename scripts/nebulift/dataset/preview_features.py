"""Numbers that say what a preview shows, for a light classifier: no network, no torch."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.dataset.preview import PREVIEW_SIZE_PX
from nebulift.scoring.robust import MAD_TO_SIGMA

FEATURES = 44
"""How many numbers tell of a preview."""
_QUANTILES = (1, 10, 50, 90, 99, 99.8)
_SIDE_PX = 112  # of the image in which lines are looked for
_ANGLE_STEP_DEG = 4
_CUT_OUT_PX = 32
_LARGEST = 10.0  # robust standard deviations beyond which a value is no stranger


def preview_features(preview: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the FEATURES numbers of a preview (224, 224, 3), uint8.

    Of each channel its levels, unevenness, fine structure and the direction of it; of both thumbnails the strongest
    straight line; of the star mosaic the width and elongation of the middle star, and how many there are.
    """
    values: list[float] = []
    for channel in range(preview.shape[2]):
        values += _of_channel(preview[..., channel].astype(np.float32))
    values += [_strongest_line(preview[..., channel]) for channel in (0, 1)]
    return np.array([*values, *_of_stars(preview[..., 2])], dtype=np.float64)


def against_the_night(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return features (N, K) of a group's frames in robust standard deviations from the group's median.

    Cameras and skies differ more from one another than clean frames from spoilt ones.
    """
    median = np.median(features, axis=0)
    spread = MAD_TO_SIGMA * np.median(np.abs(features - median), axis=0)
    floor = 0.02 * np.abs(median) + 1e-3
    scaled = (features - median) / np.maximum(spread, floor)
    return np.asarray(np.clip(scaled, -_LARGEST, _LARGEST), dtype=np.float64)


def _of_channel(image: NDArray[np.float32]) -> list[float]:
    coarse = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
    fine = image - cv2.GaussianBlur(image, (0, 0), 3)
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    energy = (across**2).mean(), (down**2).mean()
    directed = np.hypot(energy[0] - energy[1], 2 * (across * down).mean()) / (sum(energy) + 1)
    spreads = coarse.std(), np.ptp(coarse), image.std(), fine.std(), np.abs(fine).mean(), np.hypot(across, down).mean()
    return [*np.percentile(image, _QUANTILES), *map(float, spreads), float(directed)]


def _strongest_line(channel: NDArray[np.uint8]) -> float:
    """Return by how much the mean along the brightest straight line stands above the usual one, stars cut off."""
    above = np.clip(channel.astype(np.float32) - cv2.medianBlur(channel, 9), 0, 40)
    small = cv2.resize(above, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    best = 0.0
    for turn, lengths in _turns():
        means = cv2.warpAffine(small, turn, (_SIDE_PX, _SIDE_PX)).sum(axis=0) / lengths
        best = max(best, float(means.max() - np.median(means)))
    return best


@functools.cache
def _turns() -> list[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Return each turn of the image, and the length of its columns inside the turned image."""
    middle = (_SIDE_PX - 1) / 2
    whole = np.ones((_SIDE_PX, _SIDE_PX), np.float32)
    turns = []
    for angle in range(0, 180, _ANGLE_STEP_DEG):
        turn = cv2.getRotationMatrix2D((middle, middle), angle, 1)
        lengths = cv2.warpAffine(whole, turn, (_SIDE_PX, _SIDE_PX)).sum(axis=0)
        turns.append((np.asarray(turn), np.maximum(lengths, _SIDE_PX / 4)))
    return turns


def _of_stars(mosaic: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return the width (square pixels) and elongation (0 to 1) of the middle star of the mosaic, and their number."""
    side = PREVIEW_SIZE_PX // _CUT_OUT_PX
    cells = mosaic.reshape(side, _CUT_OUT_PX, side, _CUT_OUT_PX).swapaxes(1, 2).reshape(-1, _CUT_OUT_PX, _CUT_OUT_PX)
    stars = cells[cells.max(axis=(1, 2)) > 0]
    if len(stars) == 0:
        return 0.0, 0.0, 0.0
    middle = np.median(stars, axis=0)
    light = np.clip(middle / max(float(middle.max()), 1.0) - 0.25, 0, None)
    light /= light.sum() + 1e-6
    y, x = np.mgrid[:_CUT_OUT_PX, :_CUT_OUT_PX] - (_CUT_OUT_PX - 1) / 2
    xx, yy, xy = float((light * x * x).sum()), float((light * y * y).sum()), float((light * x * y).sum())
    return xx + yy, float(np.hypot(xx - yy, 2 * xy)) / (xx + yy + 0.1), float(len(stars))
