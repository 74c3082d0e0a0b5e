"""Finding the image in a FITS file: its units are walked header by header, no pixel is read.

The headers are parsed by astropy, but not the file opened: `fits.open` reads on to the next unit unasked, and nonsense
in one keyword (NAXIS = 2147483648) keeps it busy for minutes.
"""

import math
from dataclasses import dataclass
from typing import BinaryIO

from astropy.io import fits

from nebulift.frames.colour import frame_shape
from nebulift.frames.frame import UnreadableFrame

BLOCK = 2880  # bytes
STORED_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_MOST_AXES = 999  # of the FITS standard, and its limit for the columns of a table


@dataclass(frozen=True, slots=True)
class ImageUnit:
    """Where the first image of a file lies and what its header promises.

    Attributes
    ----------
    shape : as from `frame_shape`.
    bits : BITPIX, one of `STORED_TYPES`.
    is_compressed : whether the data are a table of compressed tiles.
    header_at, data_at : offsets in bytes from the start of the file.
    data_bytes : size of the pixels, or of the table of tiles, without padding.
    header, primary_header : of the image, and of the file; the same for an image in the primary unit.
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
    """Find the first unit of a FITS file of `size` bytes that holds an image with two or three axes.

    Raises
    ------
    UnreadableFrame
        Where there is none, or a header on the way to it makes no sense.
    """
    primary: fits.Header | None = None
    others: list[str] = []
    offset = 0
    while offset < size:
        source.seek(offset)
        try:
            header = fits.Header.fromfile(source)
            data_at = source.tell()
            kind, shape, data_bytes = _contents(header)
        except (UnreadableFrame, MemoryError):
            raise
        except Exception as error:  # nonsense in a header makes astropy raise nearly anything
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if primary is not None and not header_follows(source, offset):
                break
            raise UnreadableFrame(f"broken FITS header: {one_line(error)}") from error
        primary = header if primary is None else primary
        if kind in ("image", "compressed image"):
            bits = header["ZBITPIX" if kind == "compressed image" else "BITPIX"]
            is_compressed = kind == "compressed image"
            return ImageUnit(
                frame_shape(shape), bits, is_compressed, offset, data_at, data_bytes, header, primary
            )
        others.append(kind)
        offset = data_at + math.ceil(data_bytes / BLOCK) * BLOCK
    raise UnreadableFrame(f"no image in this file: {_inventory(others)}")
