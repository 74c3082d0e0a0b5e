"""Medians that pass over what is not known."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def weighted_median(values: Array, weights: Array) -> float:
    """Return the weighted median of those values that are numbers; NaN without any."""
    told = np.isfinite(values)
    if not told.any():
        return float("nan")
    values, weights = values[told], weights[told]
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order]) - 0.5 * weights[order]
    return float(np.interp(0.5 * weights.sum(), summed, values[order]))


def median_along(values: Array, axis: int) -> Array:
    """Return the median along an axis without NaN, and NaN (not a warning) where there is nothing else."""
    ordered = np.sort(values, axis=axis)  # NaN come last
    count = np.isfinite(values).sum(axis=axis)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2
    pick = (np.take_along_axis(ordered, np.expand_dims(index, axis), axis).squeeze(axis) for index in (low, high))
    first, second = pick
    return np.asarray((first + second) / 2)
