"""The sky's own structure (nebulae, halos, shadows), taken away in the search image where it stands above the noise.

Each plane of a multiresolution of the image (a pyramid of Gaussians after Starck & Murtagh 2006, from eight pixels on)
is what it is by the share that its local energy has above that of noise: Wiener's filter with local statistics (Lee
1980). In an empty field that takes nothing, among nebulae all that is larger than a trail is wide.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_CELL_PX = 4
_SMOOTHING = (1.0, 2.0, 4.0)  # cells: the standard deviations of the Gaussians between the planes
_AROUND = 10.0  # cells, over which energy is local
_CLIP = (-3.0, 4.0)  # sigma: what is brighter is no sky
_EMPTY_SHARE = 0.1  # of a frame is free of structure, at least
_FEWEST_KNOWN = 0.25  # of the pixels of a cell


def sky_structure(values: NDArray[np.float32], masked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the structure of the sky in a search image (rows, columns), float32 in units of its noise as that.

    `masked` pixels say nothing of it.
    """
    rows, columns = values.shape
    size = (-(-columns // _CELL_PX), -(-rows // _CELL_PX))
    beyond = ((0, size[1] * _CELL_PX - rows), (0, size[0] * _CELL_PX - columns))
    valid = np.pad((~masked).astype(np.float32), beyond)
    light = np.pad(np.where(masked, np.float32(0), np.clip(values, *_CLIP)), beyond)
    weight = np.asarray(cv2.resize(valid, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    cells = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    weight[weight < _FEWEST_KNOWN] = 0
    cells[weight == 0] = 0
    structure = np.zeros_like(cells)
    finer = cells / np.maximum(weight, np.float32(1e-6))
    noise, width = 0.0, 0.0
    for number, smoothing in enumerate(_SMOOTHING):
        coarser = _blurred(cells, smoothing) / np.maximum(_blurred(weight, smoothing), np.float32(1e-3))
        plane = np.asarray(finer - coarser, dtype=np.float32)
        known = np.ones_like(weight) if number else weight
        plane[known == 0] = 0
        energy = _blurred(plane**2 * known, _AROUND) / np.maximum(_blurred(known, _AROUND), np.float32(1e-3))
        share = _of_white_noise(width, smoothing)
        if not number:
            noise = float(np.quantile(energy, _EMPTY_SHARE)) / share
        structure += plane * np.maximum(1 - noise * share / np.maximum(energy, np.float32(1e-9)), np.float32(0))
        finer, width = coarser, smoothing
    structure += finer
    whole = (size[0] * _CELL_PX, size[1] * _CELL_PX)
    return np.ascontiguousarray(cv2.resize(structure, whole, interpolation=cv2.INTER_LINEAR)[:rows, :columns])


def _blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _of_white_noise(finer: float, coarser: float) -> float:
    """Return the variance that white noise of unit variance has between two Gaussians of these standard deviations."""
    return _overlap(finer, finer) + _overlap(coarser, coarser) - 2 * _overlap(finer, coarser)


def _overlap(first: float, second: float) -> float:
    """Return the sum over the product of two Gaussians, each of unit sum; of 0: a single cell."""
    return min(1.0, 1 / (2 * math.pi * max(first**2 + second**2, 1e-9)))
