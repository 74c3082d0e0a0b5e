"""At which level a pixel is full: from the header, from the data, or from the data type."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nebulift.frames.frame import Decoded

# A stated level with a larger part of the frame above it is wrong; a burnt-out frame is found by its pile-up.
MOST_ABOVE = 0.01
ADC_TOLERANCE = 0.01
BAND = 0.01  # of the maximum: how far below it a pixel comes close,
FEWEST_LEVELS = 16  # but at least so many levels of integer data
_ADC_BITS = (8, 10, 12, 14, 16)
# Drivers hand 10 to 14 bits over either as they are or shifted to the top of 16 bits: 4095 or 65520.
ADC_TOPS = tuple(float(2**bits - 1) for bits in _ADC_BITS) + tuple(
    float((2**bits - 1) << (16 - bits)) for bits in _ADC_BITS[1:-1]
)


def saturation_level(decoded: Decoded, finite: NDArray[Any], maximum: float) -> tuple[float, str]:
    """Give the saturation level in ADU of the raw frame, and where it comes from.

    Parameters
    ----------
    decoded : the frame's pixels and what its file states.
    finite : the finite values of the raw pixels, any shape.
    maximum : the largest of them.
    """
    top = decoded.type_top_adu
    for stated in _stated_levels(decoded, maximum):
        # 65536 stated for 16-bit data is a level that no pixel could reach.
        level = stated if top is None else min(stated, top)
        if _is_sane(level, finite, maximum):
            return level, "header"
    if _is_clipped_at(maximum, finite):
        return maximum, "top of the data"
    if top is not None:
        return top, "data type"
    if finite.dtype.kind == "f" and maximum <= 1:
        return 1.0, "data type"
    return max(65535.0, maximum), "data type"


def _stated_levels(decoded: Decoded, maximum: float) -> tuple[float, ...]:
    """List the levels that the file states, most trusted first.

    DATAMAX means the largest value of this frame to some programs and the camera's limit to others: only the
    top of a converter tells that the limit is meant.
    """
    limit = decoded.stated_maximum_adu
    if limit is None or limit == maximum or not _near_adc_top(limit):
        return decoded.stated_saturation_adu
    return (*decoded.stated_saturation_adu, limit)


def _is_sane(level: float, finite: NDArray[Any], maximum: float) -> bool:
    if not np.isfinite(level) or level <= 0:
        return False
    if finite.dtype.kind == "f" and maximum <= 1 < level:
        return False  # normalised to 0..1 after the header was written
    if maximum <= level:
        return True
    return int(np.count_nonzero(finite > _in_type_of(finite, level))) <= MOST_ABOVE * finite.size


def _near_adc_top(level: float) -> bool:
    return any(abs(level - top) <= ADC_TOLERANCE * top for top in ADC_TOPS)


def _is_clipped_at(maximum: float, finite: NDArray[Any]) -> bool:
    """Tell whether pixels are clipped at the maximum: several have it, and few come close to it.

    The second condition tells clipping from the thin end of a plain distribution, whose counts fall towards
    the maximum. Next to the top of a converter little evidence is enough; elsewhere (DSLR cameras clip at 13583
    or 15871) it must be strong.
    """
    is_float = finite.dtype.kind == "f"
    band = maximum * BAND if is_float else max(maximum * BAND, FEWEST_LEVELS)
    piled_up = int(np.count_nonzero(finite == _in_type_of(finite, maximum)))
    adc_top = _near_adc_top(maximum) or (is_float and abs(maximum - 1) <= ADC_TOLERANCE)
    fewest, share = (4, 1 / 8) if adc_top else (32, 1 / 2)
    if piled_up < fewest:
        return False
    return piled_up >= share * int(np.count_nonzero(finite >= _in_type_of(finite, maximum - band)))


def _in_type_of(values: NDArray[Any], level: float) -> float:
    """Give the level as a whole number for integers: comparing them with a float would convert them all."""
    return level if values.dtype.kind == "f" else math.floor(level)
