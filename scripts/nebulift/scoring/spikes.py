"""Diffraction spikes: at every bright star they point the same ways, which trails do not."""

import math

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

# All in pixels of the search image and in units of its noise.
_STARS = (3, 8, 40)  # the brightest show faint spikes, more of them average better
_ENOUGH_STARS = 8
_INNER_PX, _OUTER_PX = 8, 40
_STEPS_PER_DEGREE = 1
_STANDS_OUT, _LEAST_SIGMA = 5.0, 0.5
_WINDOW_PX, _FADED_WINDOWS = 8, 2
_FADED_SIGMA, _FADED_NOISES = 0.2, 2.0
_LONGEST_SHARE = 0.6  # of the longer side
_WIDTH_PX, _BESIDE_PX = 7, 8


def spike_angles(image: NDArray[np.float32], stars: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the directions in radians of the spikes of bright stars at (n, 2) places x, y, brightest first.

    None where there are too few stars to tell that they have none.
    """
    if len(stars) < 2:
        return None
    around = _brightness_around(image, stars[: max(_STARS)])
    angles = sorted({angle for number in _STARS for angle in _directions(around[:number]).tolist()})
    # The vanes of a spider stand upright on each other, and one pair may be hidden by a row of stars.
    crosses = sorted({(angle + turn) % (2 * math.pi) for angle in angles for turn in (0.0, math.pi / 2)})
    return np.array(crosses) if angles or len(stars) >= _ENOUGH_STARS else None


def mask_spikes(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    stars: NDArray[np.float64],
    angles: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return the mask of the spikes of bright stars at (n, 2) places x, y in the search image.

    `masked` are the pixels of stars, which say nothing of how far a spike reaches.
    """
    spikes = np.zeros(image.shape, dtype=np.uint8)
    if len(angles):
        longest = int(_LONGEST_SHARE * max(image.shape))
        for x, y in stars:
            for angle in angles.tolist():
                length = _length(image, masked, x, y, angle, longest)
                if length > _INNER_PX:
                    end = (round(x + length * math.cos(angle)), round(y + length * math.sin(angle)))
                    cv2.line(spikes, (round(x), round(y)), end, color=(1,), thickness=_WIDTH_PX)
    return spikes > 0


def _directions(around: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the directions in radians in which most of the stars (n, directions) shine further than elsewhere."""
    around = np.where(np.isfinite(around).any(axis=0), around, 0.0)
    # Of two stars both must show it.
    usual = np.nanmedian(around, axis=0) if len(around) > 2 else np.nanmin(around, axis=0)
    # Spikes come in pairs, one on either side of the star.
    usual = (usual + np.roll(usual, len(usual) // 2)) / 2
    middle = float(np.median(usual))
    noise = 1.4826 * float(np.median(np.abs(usual - middle)))
    outstanding = usual - middle > max(_STANDS_OUT * noise, _LEAST_SIGMA)
    peaks = outstanding & (usual >= np.roll(usual, 1)) & (usual > np.roll(usual, -1))
    return np.flatnonzero(peaks) * 2 * np.pi / len(usual)


@njit(cache=True)
def _brightness_around(image: NDArray[np.float32], stars: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the mean brightness (n, directions) from an inner to an outer radius, each pixel clipped; NaN outside."""
    height, width = image.shape
    number = 360 * _STEPS_PER_DEGREE
    around = np.empty((len(stars), number), dtype=np.float32)
    for star in range(len(stars)):
        for direction in range(number):
            angle = 2 * math.pi * direction / number
            total, known = 0.0, 0
            for radius in range(_INNER_PX, _OUTER_PX):
                column = math.floor(stars[star, 0] + radius * math.cos(angle) + 0.5)
                row = math.floor(stars[star, 1] + radius * math.sin(angle) + 0.5)
                if 0 <= column < width and 0 <= row < height:
                    total += min(max(image[row, column], -3.0), 6.0)
                    known += 1
            around[star, direction] = total / known if known > 10 else np.nan
    return around


@njit(cache=True)
def _length(
    image: NDArray[np.float32], masked: NDArray[np.bool_], x: float, y: float, angle: float, longest: int
) -> int:
    """Return how far from a star its spike is seen in one direction."""
    height, width = image.shape
    cosine, sine = math.cos(angle), math.sin(angle)
    faded, length = 0, 0
    for start in range(_INNER_PX, longest, _WINDOW_PX):
        total, known, beside, known_beside, inside = 0.0, 0, 0.0, 0, 0
        for radius in range(start, start + _WINDOW_PX):
            for side in range(-_BESIDE_PX, _BESIDE_PX + 1):
                column = math.floor(x + radius * cosine - side * sine + 0.5)
                row = math.floor(y + radius * sine + side * cosine + 0.5)
                if not (0 <= column < width and 0 <= row < height):
                    continue
                inside += 1
                if masked[row, column]:
                    continue
                value = min(max(image[row, column], -3.0), 6.0)
                if abs(side) <= 1:
                    total += value
                    known += 1
                elif abs(side) >= _BESIDE_PX - 2:
                    beside += value
                    known_beside += 1
        if inside == 0:
            break
        if known < _WINDOW_PX or known_beside < _WINDOW_PX:
            continue
        clear = _FADED_NOISES * math.sqrt(1 / known + 1 / known_beside)
        if total / known - beside / known_beside < max(_FADED_SIGMA, clear):
            faded += 1
            if faded >= _FADED_WINDOWS:
                break
        else:
            faded = 0
            length = start + _WINDOW_PX
        if length == 0 and start >= _INNER_PX + _WINDOW_PX:
            break  # a spike begins at its star
    return length
