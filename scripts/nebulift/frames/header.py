"""Capture metadata out of FITS headers, whose keywords and values follow many habits.

A value that makes no sense is taken as not given: a frame is never lost for its header.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from astropy.io import fits

from nebulift.frames.capture_time import capture_time
from nebulift.frames.frame import CaptureMetadata

_IMAGE_TYPE = ("IMAGETYP", "IMAGTYP", "IMAGETYPE", "FRAME", "FRAMETYP", "OBSTYPE", "OBS-TYPE", "EXPTYPE")
_DATE = ("DATE-OBS", "DATE_OBS", "DATE-BEG", "DATEOBS", "OBSDATE", "UTDATE")
_TIME = ("TIME-OBS", "TIME_OBS", "TIME-BEG", "UT-OBS", "UTC-OBS", "UTC_OBS", "UTSTART", "UT-STR", "UT", "UTC")
_OBSERVATORY_TIME = ("OBSSTART", "TAIHMS")
_JULIAN_DATE = ("MJD-OBS", "MJD_OBS", "MJD-BEG", "MJD-STR", "MJD", "JD")
_EXPOSURE = ("EXPTIME", "EXPOSURE", "EXP_TIME", "EXP-TIME", "ITIME", "EXPREQ", "REQTIME")
_FILTER = ("FILTER", "FILTER1", "FILTER01", "FILTERS", "FILT", "FILTNAME")
_OBJECT = ("OBJECT", "OBJNAME", "TARGNAME")
_CCD_TEMPERATURE = (
    "CCD-TEMP",
    "CCDTEMP",
    "CCD_TEMP",
    "CCDATEMP",
    "DET-TEMP",
    "CAMTEMP",
    "TEMPERAT",
    "SET-TEMP",
)
_CAMERA = ("INSTRUME", "CAMERA", "DETECTOR")
_TELESCOPE = ("TELESCOP", "TELESCOPE")
_BAYER = ("BAYERPAT", "BAYRPAT", "COLORTYP")
_AIRMASS = ("AIRMASS", "AMSTART", "SECZ")
_ALTITUDE = ("OBJCTALT", "CENTALT", "ALTITUDE", "ALT", "TELALT", "ALT-OBS")
_PIXEL_SCALE = ("PIXSCALE", "SCALE", "SECPIX", "SECPIX1", "PLTSCALE")
_SATURATION = ("SATURATE", "SATLEVEL", "SATURATN", "SATVALUE")

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eEdD][+-]?\d+)?(?![\d:/.,])")
_UNPRINTABLE = re.compile(r"[^ -~]")
_LIGHT_WORDS = ("light", "object", "science", "sky", "target", "expose", "exposure", "image")
_KELVIN_FROM_C = 273.15


class Keywords:
    """Look-ups in several headers at once: the image's own first, then the primary one."""

    def __init__(self, *headers: fits.Header) -> None:
        self._headers = [(header, frozenset(header)) for header in headers]

    def values(self, names: Sequence[str]) -> Iterator[Any]:
        """Give every value under these names, in their order, without cards that cannot be parsed."""
        for name in names:
            for header, present in self._headers:
                if name not in present:  # several times faster than to ask the header
                    continue
                try:
                    value = header[name]
                except (fits.VerifyError, ValueError, KeyError, TypeError, IndexError):
                    continue
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    yield value

    def texts(self, names: Sequence[str]) -> list[str]:
        """Give the values under these names as texts of one printable line, without the empty ones."""
        lines = (" ".join(_UNPRINTABLE.sub(" ", str(value)).split()) for value in self.values(names))
        return [line for line in lines if line]

    def text(self, names: Sequence[str]) -> str:
        """Give the first value under these names that is not empty, or ""."""
        return next(iter(self.texts(names)), "")

    def numbers(self, names: Sequence[str]) -> list[float]:
        """Give the finite numbers under these names; also of texts that start with one ("30.0 s")."""
        numbers = (_number(value) for value in self.values(names))
        return [number for number in numbers if number is not None]

    def number(self, names: Sequence[str], low: float, high: float) -> float | None:
        """Give the first number under these names from `low` to `high`, or None."""
        return next((number for number in self.numbers(names) if low <= number <= high), None)


def capture_metadata(keywords: Keywords) -> CaptureMetadata:
    """Gather what the headers say about the capture."""
    return CaptureMetadata(
        image_type=_image_type([value for value in keywords.values(_IMAGE_TYPE) if isinstance(value, str)]),
        date_obs=capture_time(
            keywords.texts(_DATE),
            keywords.texts((*_TIME, *_OBSERVATORY_TIME)),
            keywords.numbers(_JULIAN_DATE),
        ),
        exposure_s=keywords.number(_EXPOSURE, 0, 1e6),
        filter=keywords.text(_FILTER),
        object=keywords.text(_OBJECT),
        gain=keywords.number(("GAIN",), 0, 1e6),
        ccd_temp_c=_ccd_temperature(keywords.numbers(_CCD_TEMPERATURE)),
        camera=keywords.text(_CAMERA),
        telescope=keywords.text(_TELESCOPE),
        bayer_pattern=_bayer_pattern(keywords.texts((*_BAYER, *_FILTER))),
        airmass=_airmass(keywords.number(_AIRMASS, 1, 20), keywords.number(_ALTITUDE, 2, 90)),
        pixel_scale_arcsec=_pixel_scale(keywords),
    )


def stated_saturation(keywords: Keywords) -> tuple[float, ...]:
    """Give the saturation levels that the headers state, in ADU, unchecked."""
    return tuple(keywords.numbers(_SATURATION))


def stated_maximum(keywords: Keywords) -> float | None:
    """Give what the headers call the maximum of the data, in ADU, unchecked."""
    return next(iter(keywords.numbers(("DATAMAX",))), None)


def _number(value: str | float) -> float | None:
    if isinstance(value, str):
        found = _NUMBER.match(value.strip())
        if found is None:
            return None
        value = float(re.sub("[dD]", "e", found[0].replace(",", ".")))
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _image_type(spellings: list[str]) -> str:
    """Find the kind of frame by the first spelling that is known; a frame number in FRAME does no harm."""
    kinds = [_kind_of(spelling.lower()) for spelling in spellings if spelling.strip()]
    known = [kind for kind in kinds if kind != "other"]
    return known[0] if known else "other" if kinds else "light"


def _kind_of(spelling: str) -> str:
    if "dark" in spelling and "flat" in spelling:
        return "flat_dark"
    if "flat" in spelling or "twilight" in spelling:
        return "flat"
    if "bias" in spelling or "offset" in spelling or "zero" in spelling:
        return "bias"
    if "dark" in spelling:
        return "dark"
    return "light" if any(word in spelling for word in _LIGHT_WORDS) else "other"


def _ccd_temperature(values: list[float]) -> float | None:
    """Give the first possible temperature in degrees Celsius.

    No sensor works above 100 degrees Celsius or below -150: what lies where only kelvin make sense is kelvin
    (some observatories write 180.2), and the rest (-999.9) stands for "not measured".
    """
    for value in values:
        celsius = round(value - _KELVIN_FROM_C, 2) if 123 <= value <= 373 else value
        if -150 <= celsius < 100:
            return celsius
    return None


def _airmass(stated: float | None, altitude_deg: float | None) -> float | None:
    """Give the airmass that is stated, else the one at this altitude (Pickering 2002)."""
    if stated is not None or altitude_deg is None:
        return stated
    return 1 / math.sin(math.radians(altitude_deg + 244 / (165 + 47 * altitude_deg**1.1)))


def _pixel_scale(keywords: Keywords) -> float | None:
    """Give the arcseconds per pixel that are stated, else those of the pixel's size and the focal length.

    XPIXSZ is the size in micrometres of a pixel as it is stored, binning included (SBFITSEXT 1.0).
    """
    stated = keywords.number(_PIXEL_SCALE, 0.01, 1000)
    size_um, focal_length_mm = keywords.number(("XPIXSZ",), 0.5, 200), keywords.number(("FOCALLEN",), 5, 100_000)
    if stated is not None or size_um is None or focal_length_mm is None:
        return stated
    return math.degrees(size_um / 1000 / focal_length_mm) * 3600


def _bayer_pattern(texts: list[str]) -> str:
    """Give the first text that names the colours of a 2 x 2 cell; PANOPTES writes them as the filter."""
    for text in texts:
        pattern = text.upper()
        if len(pattern) == 4 and len(set(pattern)) > 1 and set(pattern) <= set("RGBCMY"):
            return pattern
    return ""
