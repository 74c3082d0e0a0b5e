"""Statistics that a few wild values do not move."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

# The median absolute deviation of a normal distribution, times this, is its standard deviation.
MAD_TO_SIGMA = 1.4826
# The median of so many values tells where that of all lies, to this share of them on either side: four times the
# standard error of chance.
_SAMPLE, _WITHIN = 4096, 0.032


def median(values: ArrayLike) -> float:
    """Return the median of some floats of any shape, NaN where one of them is or there are none.

    The same as numpy's, which takes many times longer: it parts all of the values. Here those far from the median of a
    sample are only counted, and what is left is parted (after Floyd & Rivest 1975).
    """
    array = np.asarray(values).ravel()
    half, is_odd = len(array) // 2, len(array) % 2
    if not len(array):
        return np.nan
    if len(array) > 2 * _SAMPLE:
        # An odd step goes through all columns of an image.
        sample = np.sort(array[:: len(array) // _SAMPLE | 1])
        middle, reach = len(sample) // 2, round(_WITHIN * len(sample))
        below, near = _near(array, sample[middle - reach], sample[middle + reach])
        if 1 <= half - below < len(near):  # the sample of a pattern may mislead
            array, half = near, half - below
    parted = np.partition(array, half)
    upper = parted[half]
    if np.isnan(parted[half:].max()):
        return np.nan
    return float(upper if is_odd else (parted[:half].max() + upper) / 2)


@njit(cache=True)
def _near(values: NDArray[Any], low: float, high: float) -> tuple[int, NDArray[Any]]:
    """Return how many values (n,) are below `low`, and those from there to `high` and all NaN."""
    near = np.empty_like(values)
    below = kept = 0
    for value in values:
        # Without a branch, which no processor could foretell.
        near[kept] = value
        below += value < low
        kept += not (value < low or value > high)
    return below, near[:kept].copy()


def standard_deviation_from_mad(values: ArrayLike) -> float:
    """Return the standard deviation of normal values, estimated by their median absolute deviation."""
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    deviation = array - median(array)
    return MAD_TO_SIGMA * median(np.abs(deviation, out=deviation))
