"""What an image shows along a line: sampled in strips beside each other."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

BESIDE = (2, 3, 4)  # strips on either side that tell the sky's level
CLIP_LOW, CLIP_HIGH = -2.5, 5.0  # sigma: beyond these a pixel says no more about a faint line, it may be a star


@njit(cache=True)
def lanes_along(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    reach: int,
) -> NDArray[np.float32]:
    """Return the values (2 reach + 1, n) of the pixels at whole steps along a line and at whole steps beside it.

    Row `reach` is the line itself, from (x1, y1) to (x2, y2); rows before it lie to its left, as seen along the line
    in an image whose y axis points down. Values are clipped; NaN where the image ends or is masked.
    """
    height, width = image.shape
    length = math.hypot(x2 - x1, y2 - y1)
    number = max(2, round(length))
    step_x, step_y = (x2 - x1) / number, (y2 - y1) / number
    normal_x, normal_y = -(y2 - y1) / max(length, 1e-9), (x2 - x1) / max(length, 1e-9)
    lanes = np.empty((2 * reach + 1, number), dtype=np.float32)
    for lane in range(2 * reach + 1):
        start_x = x1 + (lane - reach) * normal_x
        start_y = y1 + (lane - reach) * normal_y
        for place in range(number):
            column = math.floor(start_x + (place + 0.5) * step_x + 0.5)
            row = math.floor(start_y + (place + 0.5) * step_y + 0.5)
            if 0 <= column < width and 0 <= row < height and not masked[row, column]:
                lanes[lane, place] = min(max(image[row, column], CLIP_LOW), CLIP_HIGH)
            else:
                lanes[lane, place] = np.nan
    return lanes


@njit(cache=True)
def strip_means(lanes: NDArray[np.float32], half: int, step: int) -> NDArray[np.float32]:
    """Return the means (strips, n) over strips of 2 half + 1 lanes, every `step` lanes, the middle lane's among them.

    The outermost lanes of a strip count half. NaN where less than half of a strip is known.
    """
    rows, number = lanes.shape
    middle = rows // 2
    reach = (middle - half) // step
    means = np.empty((2 * reach + 1, number), dtype=np.float32)
    for strip in range(2 * reach + 1):
        row = middle + (strip - reach) * step
        for place in range(number):
            total, known = 0.0, 0.0
            for offset in range(-half, half + 1):
                value = lanes[row + offset, place]
                if not math.isnan(value):
                    weight = 0.5 if abs(offset) == half else 1.0
                    total += weight * value
                    known += weight
            means[strip, place] = total / known if known >= half else np.nan
    return means


@njit(cache=True)
def contrast_of(means: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much brighter each strip (strips, n) is, sample by sample, than the strips beside it.

    Strips at the edges are compared with those on one side. NaN: unknown.
    """
    strips, number = means.shape
    contrast = np.empty((strips, number), dtype=np.float64)
    for strip in range(strips):
        for place in range(number):
            total, known = 0.0, 0
            for step in BESIDE:
                for other in (strip - step, strip + step):
                    if 0 <= other < strips and not math.isnan(means[other, place]):
                        total += means[other, place]
                        known += 1
            contrast[strip, place] = means[strip, place] - total / max(known, 1)
    return contrast


@njit(cache=True)
def best_ends(
    image: NDArray[np.float32],
    masked: NDArray[np.bool_],
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    reach: float,
    step: float,
    samples: int,
) -> tuple[float, float, float, float]:
    """Move both ends of a line across it by up to `reach` in steps of `step`; return where it is brightest.

    The line's brightness is the sum of its clipped pixels and half of those beside it, over the root of their number,
    at about as many places along it as `samples` says.
    """
    height, width = image.shape
    length = math.hypot(x2 - x1, y2 - y1)
    number = max(2, min(round(length), samples))
    normal_x, normal_y = -(y2 - y1) / max(length, 1e-9), (x2 - x1) / max(length, 1e-9)
    steps = math.ceil(reach / step)
    best, best1, best2 = -1e30, 0.0, 0.0
    for i in range(-steps, steps + 1):
        for j in range(-steps, steps + 1):
            shift1, shift2 = i * step, j * step
            total, weight = 0.0, 0.0
            for place in range(number):
                share = (place + 0.5) / number
                shift = shift1 + share * (shift2 - shift1)
                x = x1 + share * (x2 - x1) + shift * normal_x
                y = y1 + share * (y2 - y1) + shift * normal_y
                for side in range(-1, 2):
                    column = math.floor(x + side * normal_x + 0.5)
                    row = math.floor(y + side * normal_y + 0.5)
                    if 0 <= column < width and 0 <= row < height and not masked[row, column]:
                        factor = 1.0 if side == 0 else 0.5
                        total += factor * min(max(image[row, column], CLIP_LOW), CLIP_HIGH)
                        weight += factor * factor
            value = total / math.sqrt(max(weight, 1.0))
            if value > best:
                best, best1, best2 = value, shift1, shift2
    return (
        x1 + best1 * normal_x,
        y1 + best1 * normal_y,
        x2 + best2 * normal_x,
        y2 + best2 * normal_y,
    )


@njit(cache=True)
def extent(contrast: NDArray[np.float64]) -> tuple[int, int]:
    """Return the run of samples that holds the trail: the largest sum above half of the trail's brightness."""
    number = len(contrast)
    level, start, stop = 0.0, 0, number
    # The level to beat depends on the trail's brightness, and that on its extent: three rounds settle it.
    for _ in range(3):
        total, lowest, lowest_at = 0.0, 0.0, 0
        best, start, stop = -1.0, 0, 0
        for place in range(number):
            value = contrast[place]
            # What is masked is taken to go on as it is.
            total += 0.0 if math.isnan(value) else min(max(value, CLIP_LOW), CLIP_HIGH) - level
            if total - lowest > best:
                best, start, stop = total - lowest, lowest_at, place + 1
            if total < lowest:
                lowest, lowest_at = total, place + 1
        light, known = 0.0, 0
        for place in range(start, stop):
            if not math.isnan(contrast[place]):
                light += min(max(contrast[place], CLIP_LOW), CLIP_HIGH)
                known += 1
        level = 0.5 * max(0.0, light / max(known, 1))
    return start, stop
