"""Finding the image in a FITS file: its units are walked header by header, no pixel is read.

Astropy parses the headers, but does not open the file: `fits.open` reads on to the next unit unasked, and one
nonsensical keyword (NAXIS = 2147483648) keeps it busy for ever.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from astropy.io import fits

from nebulift.frames.colour import frame_shape
from nebulift.frames.frame import UnreadableFrame, one_line

BLOCK = 2880  # bytes
STORED_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_IMAGE, _COMPRESSED = "image", "compressed image"
_RICE_PARAMETERS = {"BYTEPIX": (1, 2, 4, 8), "BLOCKSIZE": (16, 32)}
_MOST_AXES = 999  # by the FITS standard; also of columns in a table


@dataclass(frozen=True, slots=True)
class ImageUnit:
    """Where the first image of a file lies and what its header promises.

    Attributes
    ----------
    shape : as from `frame_shape`.
    bits : BITPIX of the pixels, one of `STORED_TYPES`.
    is_compressed : whether the data are a table of compressed tiles.
    header_at, data_at : offsets from the start of the file in bytes.
    data_bytes : size of the pixels, or of the table of tiles, without padding.
    header, primary_header : of the image and of the file; the same for an image in the primary unit.
    """

    shape: tuple[int, ...]
    bits: int
    is_compressed: bool
    header_at: int
    data_at: int
    data_bytes: int
    header: fits.Header
    primary_header: fits.Header


def first_image(source: BinaryIO, size: int) -> ImageUnit:
    """Find the first unit of a FITS file of `size` bytes that holds an image with at least two axes.

    Raises
    ------
    UnreadableFrame
        Where there is none, it is a stack of frames, or a header on the way to it makes no sense.
    """
    primary_header: fits.Header | None = None
    others: list[str] = []
    header_at = 0
    while header_at < size and (not others or _follows(source, header_at)):
        header = _header(source, header_at)
        primary_header = header if primary_header is None else primary_header
        data_at = source.tell()
        try:
            kind, shape, bits, data_bytes = _contents(header)
        except UnreadableFrame:
            raise
        except Exception as error:  # a header of nonsense makes astropy raise nearly anything
            raise UnreadableFrame(f"broken FITS header: {one_line(error)}") from error
        if kind in (_IMAGE, _COMPRESSED) and len(shape) > 1 and 0 not in shape:
            return ImageUnit(
                shape=frame_shape(shape),
                bits=bits,
                is_compressed=kind == _COMPRESSED,
                header_at=header_at,
                data_at=data_at,
                data_bytes=data_bytes,
                header=header,
                primary_header=primary_header,
            )
        others.append("array with one axis" if kind == _IMAGE and len(shape) == 1 else kind)
        header_at = data_at + math.ceil(data_bytes / BLOCK) * BLOCK
    raise UnreadableFrame(f"no image in this file: {_inventory(others)}")


def _follows(source: BinaryIO, offset: int) -> bool:
    """Tell whether a further unit begins here; some files end in something that is no FITS."""
    source.seek(offset)
    return source.read(8) == b"XTENSION"


def _header(source: BinaryIO, offset: int) -> fits.Header:
    source.seek(offset)
    try:
        return fits.Header.fromfile(source)
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableFrame("truncated: the header ends early") from error


def _contents(header: fits.Header) -> tuple[str, tuple[int, ...], int, int]:
    """Give the kind of a unit, the shape and BITPIX of its image, and the size of its data in bytes."""
    kind = _kind(header)
    prefix = "Z" if kind == _COMPRESSED else ""
    bits = header[f"{prefix}BITPIX"]
    if bits not in STORED_TYPES:
        raise ValueError(f"{prefix}BITPIX = {bits} is not a data type")
    if kind == _COMPRESSED:
        _check_compression(header)
    return kind, _shape(header, prefix), bits, _data_bytes(header)


def _check_compression(header: fits.Header) -> None:
    """Refuse what the decompressors, which are written in C, would take on trust and crash on."""
    if str(header["ZCMPTYPE"]).startswith("HCOMPRESS"):
        # A damaged tile makes its decompressor write past the end of its memory. No camera writes it.
        raise UnreadableFrame("compressed by HCOMPRESS_1: unpack it with funpack first")
    for name, value in zip(header["ZNAME*"].values(), header["ZVAL*"].values(), strict=False):
        if value not in _RICE_PARAMETERS.get(name, (value,)):
            raise ValueError(f"{name} = {value} for compressed pixels")


def _kind(header: fits.Header) -> str:
    if "XTENSION" not in header:
        return _IMAGE
    extension = str(header["XTENSION"]).strip()
    if extension == "BINTABLE" and header.get("ZIMAGE") is True:
        return _COMPRESSED
    return {"IMAGE": _IMAGE, "BINTABLE": "table", "TABLE": "table"}.get(extension, "unit of unknown kind")


def _shape(header: fits.Header, prefix: str) -> tuple[int, ...]:
    """Read the lengths of the axes, the slowest first, as in numpy."""
    axes = header[f"{prefix}NAXIS"]
    for number in (axes, header.get("TFIELDS", 0)):
        if not isinstance(number, int) or not 0 <= number <= _MOST_AXES:
            raise ValueError(f"{number} axes or columns")
    shape = tuple(header[f"{prefix}NAXIS{axis}"] for axis in range(axes, 0, -1))
    if not all(type(length) is int and length >= 0 for length in shape):  # True is no length
        raise ValueError(f"axes of length {shape}")
    return shape


def _data_bytes(header: fits.Header) -> int:
    """Work out the size of a unit's data by equation 2 of the FITS standard 4.0."""
    shape = _shape(header, "")
    if not shape:
        return 0
    elements: int = header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + math.prod(shape))
    size = abs(header["BITPIX"]) // 8 * elements
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{size} bytes of data")
    return size


def _inventory(kinds: list[str]) -> str:
    """Count what a file holds ("1 table, 2 arrays with one axis")."""
    plurals = {"array with one axis": "arrays with one axis", "unit of unknown kind": "units of unknown kind"}
    counts = Counter(kind for kind in kinds if kind != _IMAGE)  # an image left over here is an empty one
    texts = (f"{n} {kind if n == 1 else plurals.get(kind, kind + 's')}" for kind, n in counts.items())
    return ", ".join(texts) or "no data at all"
