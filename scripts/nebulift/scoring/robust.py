"""Statistics that a few wild values do not move."""

import numpy as np
from numpy.typing import ArrayLike

# The median absolute deviation of a normal distribution, times this, is its standard deviation.
MAD_TO_SIGMA = 1.4826


def standard_deviation_from_mad(values: ArrayLike) -> float:
    """Return the standard deviation of normal values, estimated by their median absolute deviation."""
    array = np.asarray(values, dtype=np.float64)
    return float(MAD_TO_SIGMA * np.median(np.abs(array - np.median(array))))
