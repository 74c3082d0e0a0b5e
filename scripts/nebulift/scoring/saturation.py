"""Pixels at the top of what the sensor or its converter can tell, in raw ADU."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def find_saturated(raw: NDArray[Any], saturation_adu: float) -> NDArray[np.bool_]:
    """Return the mask (height, width) of pixels at or above `saturation_adu` in any channel of `raw`."""
    # Whole numbers are compared with one of their kind, without turning them all into floats.
    saturated = raw >= (math.ceil(saturation_adu) if raw.dtype.kind in "iu" else saturation_adu)
    return np.asarray(saturated.any(axis=-1) if saturated.ndim == 3 else saturated)
