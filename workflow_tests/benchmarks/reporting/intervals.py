"""Rates with the interval that their counts allow."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95


def wilson(found: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided interval of a rate of `found` in `of` trials (Wilson 1927); (0, 1) without a trial."""
    if not 0 <= found <= of:
        raise ValueError(f"{found} of {of}: give 0 to as many as there were")
    if of == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = found / of
    middle = rate + z**2 / (2 * of)
    reach = z * math.sqrt(rate * (1 - rate) / of + z**2 / (4 * of**2))
    scale = 1 + z**2 / of
    # At 0 and at all the closed form misses the border by rounding alone.
    low = 0.0 if found == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if found == of else min(1.0, (middle + reach) / scale)
    return low, high
