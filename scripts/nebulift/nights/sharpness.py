"""How wide the stars of a frame are against the sharper frames of its group."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.tables import Row

_SHARP_QUANTILE = 0.25
_KOLMOGOROV = 0.6  # the seeing grows as the airmass to this power (Fried 1966), optics and pixels not at all
_LEAST_RANGE = 1.1  # of the airmass, for the seeing's growth with it to be known


def fwhm_ratios(rows: Sequence[Row]) -> list[float | None]:
    """Return the FWHM of each row of one group over that of the sharper ones at its airmass; None where not known.

    It is that across the stars' elongation: what draws them out in one direction is no matter of focus.
    """
    fwhm, airmass, eccentricity = (
        np.array([np.nan if row[column] is None else row[column] for row in rows], dtype=np.float64)
        for column in ("fwhm_px", "airmass", "eccentricity")
    )
    # The measured one is that of a circle of the same area.
    fwhm *= (1 - np.nan_to_num(np.minimum(eccentricity, 0.99)) ** 2) ** 0.25
    known = np.isfinite(fwhm) & (fwhm > 0)
    if not known.any():
        return [None] * len(rows)
    through_air = np.ones(len(rows))
    if (np.isfinite(airmass) & (airmass >= 1))[known].all():
        through_air = airmass ** _growth(np.log(airmass[known]), np.log(fwhm[known]))
    width = fwhm / through_air
    sharp = float(np.quantile(width[known], _SHARP_QUANTILE))
    return [float(value / sharp) if is_known else None for value, is_known in zip(width, known, strict=True)]


def _growth(airmass: NDArray[np.float64], fwhm: NDArray[np.float64]) -> float:
    """Return the power of the airmass by which the FWHM grows: the median slope of all pairs (Sen 1968), of logarithms.

    Frames out of focus are outliers to it, and no more than the air can do is explained by the air.
    """
    if np.ptp(airmass) < np.log(_LEAST_RANGE):
        return 0.0
    step = max(1, len(airmass) // 300)
    airmass, fwhm = airmass[::step], fwhm[::step]
    apart = airmass[None] - airmass[:, None]
    first, second = np.nonzero(apart > np.ptp(airmass) / 4)
    slopes = (fwhm[second] - fwhm[first]) / apart[first, second]
    return float(np.clip(np.median(slopes), 0.0, _KOLMOGOROV)) if len(slopes) else 0.0
