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
_STEPS_PER_DEGREE, _SAME_DEG = 1, 3.5
_STANDS_OUT, _LEAST_SIGMA = 5.0, 0.5
_WINDOW_PX, _FADED_WINDOWS = 8, 2
_FADED_SIGMA, _FADED_NOISE = 0.2, 1.0
_ALIKE, _ALIKE_LIGHT = 4, 3.0  # stars taken together at least, and by how much they differ at most
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
    return _merged(np.array(crosses)) if angles or len(stars) >= _ENOUGH_STARS else None


def angles_of_each(image: NDArray[np.float32], stars: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the directions in radians in which some of the very brightest of stars (n, 2) at x, y shows spikes.

    A trail by such a star is among them: not enough to tell a spike of that star, but enough for one of another.
    """
    around = _brightness_around(image, stars[: min(_STARS)])
    return np.concatenate([np.empty(0), *(_directions(one[None]) for one in around)])


def _merged(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of ascending angles in radians that lie closer together than a spike is wide."""
    if not len(angles):
        return angles
    groups = np.split(angles, np.flatnonzero(np.diff(angles) > math.radians(_SAME_DEG)) + 1)
    if len(groups) > 1 and groups[0][0] + 2 * math.pi - groups[-1][-1] < math.radians(_SAME_DEG):
        groups = [np.concatenate([groups.pop() - 2 * math.pi, groups[0]]), *groups[1:]]
    return np.array(sorted(float(group.mean()) % (2 * math.pi) for group in groups))


def mask_spikes(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    stars: NDArray[np.float64],
    angles: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return the mask of the spikes of bright stars (n, 4): x, y, radius, flux, brightest first.

    `masked` are the pixels of stars, which say nothing of how far a spike reaches.
    """
    spikes = np.zeros(image.shape, dtype=np.uint8)
    if len(angles) and len(stars):
        lengths = _lengths(image, masked, stars, angles, int(_LONGEST_SHARE * max(image.shape)))
        for (x, y), of_star in zip(stars[:, :2].tolist(), lengths.tolist(), strict=True):
            for angle, length in zip(angles.tolist(), of_star, strict=True):
                if length > _INNER_PX:
                    end = (round(x + length * math.cos(angle)), round(y + length * math.sin(angle)))
                    cv2.line(spikes, (round(x), round(y)), end, color=(1,), thickness=_WIDTH_PX)
    return spikes > 0


def _lengths(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    stars: NDArray[np.float64],
    angles: NDArray[np.float64],
    longest: int,
) -> NDArray[np.int64]:
    """Return how far from each star its spikes are seen (stars, angles), 0 where they are not.

    Stars as bright have spikes as long: what lies on the spike of one of them alone does not lengthen it. Nor does what
    lies on one of two opposite spikes.
    """
    lengths = np.zeros((len(stars), len(angles)), dtype=np.int64)
    opposite = np.argmax(np.cos(angles[:, None] - angles - np.pi), axis=1)
    for group in _alike(stars[:, 3]):
        faded = np.zeros(len(angles), dtype=np.int64)
        for start in range(_INNER_PX, longest, _WINDOW_PX):
            contrast = _contrast(image, masked, stars[group, :2], angles, start)
            both = np.concatenate([contrast, contrast[:, opposite]])
            known = np.isfinite(both).sum(axis=0)
            light = _median(both)
            # What is hidden goes on as it was.
            going = (faded < _FADED_WINDOWS) & (known > 0)
            dark = light < np.maximum(_FADED_SIGMA, _FADED_NOISE / np.sqrt(np.maximum(known, 1)))
            lengths[group] = np.where(going & ~dark, start + _WINDOW_PX, lengths[group])
            faded = np.where(going & dark, faded + 1, np.where(going, 0, faded))
            if (faded >= _FADED_WINDOWS).all():
                break
        if len(lengths[group]) >= _ENOUGH_STARS and not lengths[group].any():
            break  # nor have fainter ones
    return lengths


def _alike(light: NDArray[np.float64]) -> list[slice]:
    """Return runs of stars, whose descending `light` (n,) is given, about as bright as each other."""
    groups, first = [], 0
    while first < len(light):
        most = first + max(_ALIKE, first // _ALIKE)
        alike = int(np.count_nonzero(light[first:most] >= light[first] / _ALIKE_LIGHT))
        groups.append(slice(first, first + max(alike, 1)))
        first += max(alike, 1)
    return groups


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians (angles,) of the known values (n, angles), 0 where none is."""
    unknown = ~np.isfinite(values).any(axis=0)
    return np.asarray(np.nanmedian(np.where(unknown, 0.0, values), axis=0))


def _directions(around: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the directions in radians in which most of the stars (n, directions) shine further than elsewhere."""
    around = np.where(np.isfinite(around).any(axis=0), around, 0.0)
    # Of two stars both must show it.
    usual = np.nanmedian(around, axis=0) if len(around) > 2 else np.nanmin(around, axis=0)
    # Spikes come in pairs, one on either side of the star.
    usual = np.minimum(usual, np.roll(usual, len(usual) // 2))
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
def _contrast(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    stars: NDArray[np.float64],
    angles: NDArray[np.float64],
    start: int,
) -> NDArray[np.float64]:
    """Return how much brighter it is along spikes (stars, angles) than beside them, in a window of radii from `start`.

    NaN where that is masked or outside of the image.
    """
    height, width = image.shape
    contrast = np.full((len(stars), len(angles)), np.nan)
    for star in range(len(stars)):
        for index in range(len(angles)):
            cosine, sine = math.cos(angles[index]), math.sin(angles[index])
            total, known, beside, known_beside = 0.0, 0, 0.0, 0
            for radius in range(start, start + _WINDOW_PX):
                for side in range(-_BESIDE_PX, _BESIDE_PX + 1):
                    if 1 < abs(side) < _BESIDE_PX - 2:
                        continue
                    column = math.floor(stars[star, 0] + radius * cosine - side * sine + 0.5)
                    row = math.floor(stars[star, 1] + radius * sine + side * cosine + 0.5)
                    if not (0 <= column < width and 0 <= row < height) or masked[row, column]:
                        continue
                    value = min(max(image[row, column], -3.0), 6.0)
                    if abs(side) <= 1:
                        total += value
                        known += 1
                    else:
                        beside += value
                        known_beside += 1
            if known >= _WINDOW_PX and known_beside >= _WINDOW_PX:
                contrast[star, index] = total / known - beside / known_beside
    return contrast
