"""What of the stars' width the air can have made."""

import math

BAD_SEEING_ARCSEC = 6.0
"""FWHM that low altitude, wind and guiding bring about on a bad night; the best sites have a tenth of it."""


def fwhm_beyond_seeing(fwhm_px: float, pixel_scale_arcsec: float | None) -> float:
    """Return the part of a FWHM in px that bad seeing leaves unexplained, 0 or more; NaN where the scale is not known.

    Widths add up in quadrature. A star is wide in pixels before a long focal length and wide in arcseconds before a
    short one; only where it is both has it been in focus neither way.
    """
    if pixel_scale_arcsec is None:
        return math.nan
    return math.sqrt(max(fwhm_px**2 - (BAD_SEEING_ARCSEC / pixel_scale_arcsec) ** 2, 0.0)) if fwhm_px > 0 else math.nan
