"""One way to read a frame, whatever its format."""

import io
import os
import stat
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nebulift.frames.fits import decode_fits
from nebulift.frames.frame import Decoded, Frame, UnreadableFrame
from nebulift.frames.luminance import luminance
from nebulift.frames.saturation import saturation_level

SMALLEST_SIDE = 16  # pixels
LARGEST_UNPACKED = 4 * 2**30  # bytes; the largest colour sensors give a quarter of it
_GZIP, _PNG, _JPEG = b"\x1f\x8b", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_frame(path: Path) -> Frame:
    """Read one frame of raw pixels with its metadata; the format is told by the content, not by the name.

    Raises
    ------
    UnreadableFrame
        Whatever the reason is why this file gives no frame.
    """
    try:
        # Opening a pipe would wait for its writer for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFrame("a folder, not a file" if path.is_dir() else "not a regular file")
        with path.open("rb") as source:
            decoded = _decode(source, os.fstat(source.fileno()).st_size)
        return _frame(decoded)
    except FileNotFoundError as error:
        reason = "broken link: its target does not exist" if path.is_symlink() else "vanished while being read"
        raise UnreadableFrame(reason) from error
    except PermissionError as error:
        raise UnreadableFrame("permission denied") from error
    except OSError as error:
        raise UnreadableFrame(f"cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise UnreadableFrame("too large for the memory of this machine") from error


def _decode(source: BinaryIO, size: int) -> Decoded:
    """Choose the reader by the first bytes."""
    if size == 0:
        raise UnreadableFrame("empty file (0 bytes)")
    start = source.read(64)
    source.seek(0)
    if start.startswith(b"SIMPLE"):
        return decode_fits(source, size)
    if start.startswith(_GZIP):
        content = _gunzip(source.read())
        if content.startswith(_GZIP):
            raise UnreadableFrame("compressed twice with gzip")
        return _decode(io.BytesIO(content), len(content))
    if start.startswith((_PNG, _JPEG, *_TIFF)):
        # Only pictures need these libraries, and most nights are FITS.
        from nebulift.frames.pictures import decode_png_or_jpeg, decode_tiff

        if start.startswith(_TIFF):
            return decode_tiff(source.read())
        return decode_png_or_jpeg(source.read(), "PNG" if start.startswith(_PNG) else "JPEG")
    raise UnreadableFrame(f"not a FITS file: starts with {_shown(start)}")


def _shown(start: bytes) -> str:
    """Show the first bytes of a file, as text where they are."""
    text = start.decode("ascii", "replace")
    line = text.lstrip().split("\n")[0].rstrip("\r")[:32]
    return repr(line) if line and line.isprintable() and "\ufffd" not in line else start[:8].hex(" ")


def _gunzip(packed: bytes) -> bytes:
    """Unpack all members of a gzip file; bytes after the last one are ignored."""
    members: list[bytes] = []
    room = LARGEST_UNPACKED
    try:
        while packed.startswith(_GZIP):
            member = zlib.decompressobj(wbits=31)
            members.append(member.decompress(packed, room))
            room -= len(members[-1])
            if not member.eof:
                too_large = bool(member.unconsumed_tail) or room <= 0
                limit = f"unpacks to more than {LARGEST_UNPACKED} bytes"
                raise UnreadableFrame(limit if too_large else "truncated: gzip data end early")
            packed = member.unused_data
    except zlib.error as error:
        raise UnreadableFrame(f"damaged gzip data: {error}") from error
    return b"".join(members)


def _frame(decoded: Decoded) -> Frame:
    """Check that the pixels are a frame at all, and work out luminance and saturation."""
    raw = np.ascontiguousarray(decoded.raw)
    height, width = raw.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        size = "1 row" if height == 1 else "1 column" if width == 1 else f"{width} x {height} pixels"
        raise UnreadableFrame(f"{size}: a frame has at least {SMALLEST_SIDE} pixels on each side")
    finite = _finite_values(raw)
    if finite.size == 0:
        kinds = " or ".join(str(kind) for kind in np.unique(raw))
        raise UnreadableFrame(f"every pixel has the value {kinds.replace('nan', 'NaN')}")
    maximum = float(finite.max())
    if finite.size == raw.size and float(finite.min()) == maximum:
        raise UnreadableFrame(f"every pixel has the value {maximum:.10g}")
    level, found_in = saturation_level(decoded, finite, maximum)
    return Frame(
        raw=raw,
        pixels=luminance(raw, decoded.metadata.bayer_pattern),
        metadata=decoded.metadata,
        saturation_adu=level,
        saturation_source=found_in,
    )


def _finite_values(raw: NDArray[Any]) -> NDArray[Any]:
    """Give the raw values that are finite; all of them without a copy where none is missing."""
    if raw.dtype.kind != "f":
        return raw
    finite = np.isfinite(raw)
    return raw if finite.all() else raw[finite]
