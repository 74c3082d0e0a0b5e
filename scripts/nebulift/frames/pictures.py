"""Frames from TIFF, PNG and JPEG pictures, with 8, 16 or 32 bits a channel, grey or colour."""

import io
import logging
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from nebulift.frames.colour import colour_last
from nebulift.frames.frame import Decoded, UnreadableFrame, one_line
from nebulift.frames.promises import check_can_come_out

# What tifffile would write to stderr about a broken file is said by the exception.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
_TIFFFILE_COMPRESSIONS = (1, 8, 32946, 32773)  # none, deflate (two numbers), PackBits


def decode_tiff(content: bytes) -> Decoded:
    """Read the first image of a TIFF file.

    By tifffile, which knows float and planar files and tells exactly when bytes are missing; LZW and JPEG
    compression, for which it would need a further library, by OpenCV.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            first = file.series[0]
            check_can_come_out(first.nbytes, len(content))
            needs_opencv = first.keyframe.compression not in _TIFFFILE_COMPRESSIONS
            stored = None if needs_opencv else first.asarray()
    except (UnreadableFrame, MemoryError):
        raise
    except Exception as error:  # nonsense in the tags makes tifffile raise nearly anything
        raise UnreadableFrame(f"broken or truncated TIFF file: {one_line(error)}") from error
    return _decoded(_by_opencv(content, "TIFF") if stored is None else stored)


def decode_png_or_jpeg(content: bytes, kind: str) -> Decoded:
    """Read a PNG or JPEG file; `kind` names the format in errors."""
    return _decoded(_by_opencv(content, kind))


def _by_opencv(content: bytes, kind: str) -> NDArray[Any]:
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise UnreadableFrame(f"broken or truncated {kind} file: {one_line(error)}") from error
    if picture is None:
        raise UnreadableFrame(f"broken or truncated {kind} file")
    colour = picture[..., 2::-1] if picture.ndim == 3 and picture.shape[2] >= 3 else picture  # OpenCV gives BGR
    return np.asarray(colour)


def _decoded(stored: NDArray[Any]) -> Decoded:
    if stored.dtype.kind not in "uif":
        raise UnreadableFrame(f"not a picture of numbers: {stored.dtype}")
    native = stored.dtype.newbyteorder("=")
    as_stored = native in (np.uint8, np.uint16, np.int16, np.int32)
    top = float(np.iinfo(native).max) if native.kind != "f" and native.itemsize <= 2 else None
    with np.errstate(over="ignore"):
        raw = stored.astype(native if as_stored else np.float32, copy=False)
    return Decoded(raw=colour_last(raw), type_top_adu=top)
