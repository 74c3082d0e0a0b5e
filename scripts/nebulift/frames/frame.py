"""What every reader gives: one frame of raw pixels with what is known about its capture."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class UnreadableFrame(Exception):  # noqa: N818 - it describes the file, not a mistake of the program
    """A file that gives no frame; the message is one line that names what is wrong, without the path."""


def one_line(error: Exception) -> str:
    """Give the message of an error as one short line, without astropy's advice to programmers."""
    text = str(error.args[0] if isinstance(error, KeyError) else error).replace(
        ", fix it first with .verify('fix')", ""
    )
    return " ".join(text.split())[:200] or type(error).__name__


@dataclass(frozen=True, slots=True)
class CaptureMetadata:
    """What the file says about its capture; strings are single-line and "" when unknown.

    Attributes
    ----------
    image_type : "light", "bias", "dark", "flat", "flat_dark" or "other"; "light" where the file does not say.
    date_obs : start of the exposure, ISO 8601 in UTC with milliseconds ("2017-12-20T01:33:43.317"). Midnight
        when only the date is known; the few files that count in TAI keep their 37 s of difference.
    exposure_s : exposure time in seconds, 0 or more.
    filter, object, camera, telescope : names as the file spells them.
    gain : the camera's gain setting or its e-/ADU, whichever the file calls GAIN.
    ccd_temp_c : sensor temperature in degrees Celsius; its set point where the sensor's own is not given.
    bayer_pattern : colours of the 2 x 2 cell of a mosaic ("RGGB"), "" for a mono or a debayered frame.
    airmass : 1 at the zenith; worked out from the altitude where the file gives only that.
    pixel_scale_arcsec : arcseconds of sky per pixel; worked out from pixel size and focal length where only they
        are given.
    """

    image_type: str = "light"
    date_obs: str = ""
    exposure_s: float | None = None
    filter: str = ""
    object: str = ""
    gain: float | None = None
    ccd_temp_c: float | None = None
    camera: str = ""
    telescope: str = ""
    bayer_pattern: str = ""
    airmass: float | None = None
    pixel_scale_arcsec: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame as it came from the camera.

    Attributes
    ----------
    raw : (h, w) or (h, w, 3) as stored, in ADU: uint8, uint16, int16, int32 or float32, C-contiguous, native
        byte order. Blank pixels of an integer image make it float32 with NaN.
    pixels : (h, w) float32 luminance in ADU, with NaN for every pixel that is not finite. Never shares memory
        with `raw`.
    metadata : what the file says about its capture.
    saturation_adu : the level of `raw` at which a pixel is full.
    saturation_source : "header", "top of the data" or "data type".
    """

    raw: NDArray[Any]
    pixels: NDArray[np.float32]
    metadata: CaptureMetadata
    saturation_adu: float
    saturation_source: str


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What one format's reader hands on before luminance and saturation are worked out.

    Attributes
    ----------
    raw : (h, w) or (h, w, 3), as in `Frame`.
    metadata : what the file says about its capture.
    stated_saturation_adu : saturation levels that the file states, most trusted first; unchecked.
    stated_maximum_adu : what the file calls the maximum of its data; unchecked.
    type_top_adu : largest value that the stored 8- or 16-bit integers can hold, None for wider types.
    """

    raw: NDArray[Any]
    metadata: CaptureMetadata = CaptureMetadata()
    stated_saturation_adu: tuple[float, ...] = ()
    stated_maximum_adu: float | None = None
    type_top_adu: float | None = None
