"""Medians that pass over what is not known."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def weighted_median(values: Array, weights: Array) -> float:
    """Return the weighted median of those values that are numbers; NaN without any."""
    told = np.isfinite(values)
    if not told.any():
        return float("nan")
    return float(weighted_medians(values[told][None], weights[told][None])[0])


def weighted_medians(values: Array, weights: Array) -> Array:
    """Return the weighted median (N,) of each row of values and weights (N, K), all of them numbers.

    Where half of the weight is reached, each value standing in the middle of its own, and linear between two of them.
    """
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = np.take_along_axis(values, order, axis=1), np.take_along_axis(weights, order, axis=1)
    summed = np.cumsum(weights, axis=1) - 0.5 * weights
    middle = 0.5 * weights.sum(axis=1, keepdims=True)
    last = values.shape[1] - 1
    # The last value up to which less than half of the weight lies, and the one behind it.
    before = np.clip((summed <= middle).sum(axis=1, keepdims=True) - 1, 0, max(last - 1, 0))
    behind = np.minimum(before + 1, last)
    (low, high), (start, end) = (
        (np.take_along_axis(of, before, axis=1), np.take_along_axis(of, behind, axis=1)) for of in (values, summed)
    )
    share = np.clip((middle - start) / np.where(end > start, end - start, 1.0), 0.0, 1.0)
    return np.asarray((low + share * (high - low))[:, 0])


def median_along(values: Array, axis: int) -> Array:
    """Return the median along an axis without NaN, and NaN (not a warning) where there is nothing else."""
    ordered = np.sort(values, axis=axis)  # NaN come last
    count = np.isfinite(values).sum(axis=axis)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2
    pick = (np.take_along_axis(ordered, np.expand_dims(index, axis), axis).squeeze(axis) for index in (low, high))
    first, second = pick
    return np.asarray((first + second) / 2)
