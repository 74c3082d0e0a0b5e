"""Frames from FITS files: plain, tile-compressed (fpack), in the primary unit or in an extension."""

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from nebulift.frames.colour import colour_last, frame_shape
from nebulift.frames.frame import Decoded, UnreadableFrame
from nebulift.frames.header import Keywords, capture_metadata, stated_maximum, stated_saturation

_STORED_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# What deflate reaches at best; Rice and Hcompress stay below it on anything that is not constant.
_HIGHEST_COMPRESSION = 1032


@dataclass(frozen=True, slots=True)
class _ImageUnit:
    """Where the first image of a file lies and what its header promises; `shape` as from `frame_shape`."""

    index: int
    shape: tuple[int, ...]
    bits: int
    data_starts_at: int
    compressed_bytes: int | None  # size of the table of tiles, None for a plain image
    header: fits.Header
    primary_header: fits.Header


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
        Where there is no image, the header makes no sense, or bytes are missing; missing padding is none of these.
    """
    with warnings.catch_warnings():
        # Astropy warns about every habit of header writers; what matters of it is judged here and in `header`.
        warnings.simplefilter("ignore", AstropyWarning)
        unit = _first_image(source)
        stored = (
            _plain_pixels(source, size, unit) if unit.compressed_bytes is None else _tiles(source, size, unit)
        )
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


def _first_image(source: BinaryIO) -> _ImageUnit:
    others: list[str] = []
    try:
        # Tiles are looked at as the table they are stored in, so that its size can be checked before unpacking.
        # Not closed by astropy, here and below: it would read every later unit first, and close `source`.
        units = fits.open(source, memmap=False, disable_image_compression=True)
        for index, unit in enumerate(units):
            found = _image_unit(index, unit, units[0].header)
            if found is not None:
                return found
            if kind := _kind_of(unit):
                others.append(kind)
    except UnreadableFrame:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise UnreadableFrame(f"broken FITS header: {_one_line(error)}") from error
    except MemoryError:
        raise
    except Exception as error:  # a header of nonsense makes astropy raise nearly anything
        raise UnreadableFrame(f"broken FITS header: {_one_line(error)}") from error
    inventory = ", ".join(_counted(others, kind) for kind in dict.fromkeys(others))
    raise UnreadableFrame(f"no image in this file: {inventory or 'no data at all'}")


def _image_unit(index: int, unit: Any, primary_header: fits.Header) -> _ImageUnit | None:
    header = unit.header
    compressed = isinstance(unit, fits.BinTableHDU) and header.get("ZIMAGE") is True
    if not compressed and not isinstance(unit, fits.PrimaryHDU | fits.ImageHDU):
        return None
    prefix = "Z" if compressed else ""
    axes = range(header[f"{prefix}NAXIS"], 0, -1)
    shape = tuple(int(header[f"{prefix}NAXIS{axis}"]) for axis in axes)
    if len(shape) < 2 or 0 in shape:
        return None
    bits = header[f"{prefix}BITPIX"]
    if bits not in _STORED_TYPES:
        raise UnreadableFrame(f"broken FITS header: BITPIX = {bits} is not a data type")
    if min(shape) < 0:
        raise UnreadableFrame(f"broken FITS header: negative image size {shape}")
    table_bytes = header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"] if compressed else None
    return _ImageUnit(
        index, frame_shape(shape), bits, unit.fileinfo()["datLoc"], table_bytes, header, primary_header
    )


def _kind_of(unit: Any) -> str:
    if isinstance(unit, fits.BinTableHDU | fits.TableHDU):
        return "table"
    if isinstance(unit, fits.PrimaryHDU | fits.ImageHDU):
        return "array with one axis" if unit.header.get("NAXIS") == 1 else ""
    return "unit of unknown kind"


def _counted(kinds: list[str], kind: str) -> str:
    count = kinds.count(kind)
    return (
        f"{count} {kind}"
        if count == 1
        else f"{count} {kind}s".replace("arrays", "array").replace("units", "unit")
    )


def _plain_pixels(source: BinaryIO, size: int, unit: _ImageUnit) -> NDArray[Any]:
    """Read the pixels as stored, in native byte order; not through astropy, to count missing bytes exactly."""
    stored_type = np.dtype(_STORED_TYPES[unit.bits])
    needed = math.prod(unit.shape) * stored_type.itemsize
    _check_all_there(needed, size - unit.data_starts_at, "pixels")
    stored = np.empty(math.prod(unit.shape), stored_type)
    source.seek(unit.data_starts_at)
    read = source.readinto(stored.view(np.uint8))  # type: ignore[attr-defined]
    _check_all_there(needed, read, "pixels")
    native = stored.byteswap(inplace=True).view(stored_type.newbyteorder("="))
    return native.reshape(unit.shape)


def _tiles(source: BinaryIO, size: int, unit: _ImageUnit) -> NDArray[Any]:
    """Unpack a tile-compressed image to the values as stored, in native byte order."""
    packed = unit.compressed_bytes or 0
    _check_all_there(packed, size - unit.data_starts_at, "compressed pixels")
    unpacked = math.prod(unit.shape) * abs(unit.bits) // 8
    if unpacked > packed * _HIGHEST_COMPRESSION:
        raise UnreadableFrame(f"broken FITS header: {unpacked} bytes of pixels cannot come out of {packed}")
    source.seek(0)
    try:
        units = fits.open(source, memmap=False, do_not_scale_image_data=True)
        stored = np.asarray(units[unit.index].data)
    except MemoryError:
        raise
    except Exception as error:  # damaged tiles make the decompressors raise nearly anything
        raise UnreadableFrame(f"damaged compressed pixels: {_one_line(error)}") from error
    if frame_shape(stored.shape) != unit.shape:
        raise UnreadableFrame(f"damaged compressed pixels: {stored.shape} instead of {unit.shape}")
    return stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(unit.shape)


def _check_all_there(needed: int, available: int, what: str) -> None:
    if available < needed:
        missing = needed - max(available, 0)
        raise UnreadableFrame(f"truncated: {missing} of {needed} bytes of {what} missing")


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
    """Give `stored * scale + zero` in the narrowest of the types that `Frame.raw` allows; may reuse `stored`."""
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


def _one_line(error: Exception) -> str:
    return " ".join(f"{error}".split())[:200] or type(error).__name__
