"""Frames from FITS files: plain, tile-compressed (fpack), in the primary unit or in an extension."""

import io
import math
import warnings
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from nebulift.frames.colour import colour_last, frame_shape
from nebulift.frames.frame import Decoded, UnreadableFrame, one_line
from nebulift.frames.header import Keywords, capture_metadata, stated_maximum, stated_saturation
from nebulift.frames.image_unit import BLOCK, STORED_TYPES, ImageUnit, first_image
from nebulift.frames.promises import check_all_there, check_can_come_out


def decode_fits(source: BinaryIO, size: int) -> Decoded:
    """Read the first image with two or three axes of a FITS file.

    Thumbnails and planes that follow it are left alone. Only the pixels of that image are read.

    Parameters
    ----------
    source : the file, open for reading; stays open.
    size : its length in bytes.

    Raises
    ------
    UnreadableFrame
        Where there is no image, the header makes no sense, or bytes are missing; padding may be.
    """
    with warnings.catch_warnings():
        # Astropy warns about every habit of header writers; what matters of it is judged here.
        warnings.simplefilter("ignore", AstropyWarning)
        unit = first_image(source, size)
        stored = (_tiles if unit.is_compressed else _plain_pixels)(source, size, unit)
        keywords = Keywords(unit.header, unit.primary_header)
        raw, type_top = _in_adu(stored, Keywords(unit.header))
        raw = colour_last(raw)
        metadata = capture_metadata(keywords)
        if raw.ndim == 3:
            metadata = replace(metadata, bayer_pattern="")  # left in the header by the program that debayered
        return Decoded(
            raw=raw,
            metadata=metadata,
            stated_saturation_adu=stated_saturation(keywords),
            stated_maximum_adu=stated_maximum(keywords),
            type_top_adu=type_top,
        )


def _plain_pixels(source: BinaryIO, size: int, unit: ImageUnit) -> NDArray[Any]:
    """Read the pixels as stored, in native byte order; not by astropy, to count missing bytes exactly."""
    stored_type = np.dtype(STORED_TYPES[unit.bits])
    needed = math.prod(unit.shape) * stored_type.itemsize
    check_all_there(needed, size - unit.data_at, "pixels")
    stored = np.empty(math.prod(unit.shape), stored_type)
    source.seek(unit.data_at)
    check_all_there(needed, source.readinto(stored.view(np.uint8)), "pixels")  # type: ignore[attr-defined]
    return stored.byteswap(inplace=True).view(stored_type.newbyteorder("=")).reshape(unit.shape)


def _tiles(source: BinaryIO, size: int, unit: ImageUnit) -> NDArray[Any]:
    """Unpack a tile-compressed image by astropy, to the values as stored, in native byte order."""
    check_all_there(unit.data_bytes, size - unit.data_at, "compressed pixels")
    check_can_come_out(math.prod(unit.shape) * abs(unit.bits) // 8, unit.data_bytes)
    source.seek(unit.header_at)
    # This one unit behind an empty primary one, so that astropy cannot stumble over any other.
    alone = io.BytesIO()
    alone.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
    alone.write(source.read(unit.data_at - unit.header_at + math.ceil(unit.data_bytes / BLOCK) * BLOCK))
    alone.seek(0)
    try:
        with fits.open(alone, do_not_scale_image_data=True) as units:
            stored = np.asarray(units[1].data)
    except MemoryError:
        raise
    except Exception as error:  # damaged tiles make the decompressors raise nearly anything
        raise UnreadableFrame(f"damaged compressed pixels: {one_line(error)}") from error
    if frame_shape(stored.shape) != unit.shape:
        raise UnreadableFrame(f"damaged compressed pixels: {stored.shape} instead of {unit.shape}")
    return stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(unit.shape)


def _in_adu(stored: NDArray[Any], keywords: Keywords) -> tuple[NDArray[Any], float | None]:
    """Apply BZERO, BSCALE and BLANK; give the values and the largest that 8- or 16-bit storage can hold."""
    zero = next(iter(keywords.numbers(("BZERO",))), 0.0)
    scale = next((number for number in keywords.numbers(("BSCALE",)) if number != 0), 1.0)
    blank = _blank_pixels(stored, keywords)
    raw = _scaled(stored, zero, scale)
    if blank is not None:
        raw = raw.astype(np.float32)
        raw[blank] = np.nan
    if stored.dtype.kind == "f" or stored.dtype.itemsize > 2:
        return raw, None
    limits = np.iinfo(stored.dtype)
    return raw, max(limits.min * scale, limits.max * scale) + zero


def _blank_pixels(stored: NDArray[Any], keywords: Keywords) -> NDArray[np.bool_] | None:
    value = next(iter(keywords.numbers(("BLANK",))), None)
    if value is None or stored.dtype.kind == "f":
        return None
    blank: NDArray[np.bool_] = stored == value
    return blank if blank.any() else None


def _scaled(stored: NDArray[Any], zero: float, scale: float) -> NDArray[Any]:
    """Give `stored * scale + zero` in a type that `Frame.raw` allows; may reuse the memory of `stored`."""
    if scale == 1 and zero == 0 and stored.dtype.itemsize <= 4:
        return stored
    if scale == 1 and stored.dtype == np.int16 and zero == 2**15:
        # Unsigned integers are stored with their highest bit flipped.
        unsigned = stored.view(np.uint16)
        return np.bitwise_xor(unsigned, np.uint16(2**15), out=unsigned)
    if scale == 1 and zero == int(zero) and stored.dtype.kind == "i" and _fits_int32(stored, int(zero)):
        return (stored.astype(np.int64) + int(zero)).astype(np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * scale + zero).astype(np.float32)


def _fits_int32(stored: NDArray[Any], zero: int) -> bool:
    limits = np.iinfo(np.int32)
    return limits.min <= int(stored.min()) + zero and int(stored.max()) + zero <= limits.max
