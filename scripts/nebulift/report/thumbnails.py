"""Small pictures of a frame, cut from its preview, as data: addresses that a page can hold."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL_PX = 160
"""Five of the mosaic's seven cut-outs fit into it at native scale: the brightest stars, whose shape tells most."""
_JPEG_QUALITY = 75
_SEEN_AS_PEAKS = ("streak", "hot pixels")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data: address with the words for it."""

    source: str
    caption: str


def thumbnails(preview: NDArray[np.uint8], reasons: Sequence[str]) -> tuple[Thumbnail, Thumbnail]:
    """Return two pictures of a preview (224, 224, 3), uint8: the frame and its brightest stars.

    The frame is shown stretched, or, where the worst of the `reasons` is a thing as thin as a trail, with its peaks
    kept: averaging would wipe it out.
    """
    peaks = bool(reasons) and reasons[0] in _SEEN_AS_PEAKS
    whole = np.ascontiguousarray(preview[..., 1 if peaks else 0])
    if peaks:
        # Keep what is bright here too: the brighter of neighbouring pixels survives the shrinking.
        whole = cv2.dilate(whole, np.ones((2, 2), np.uint8))
    small = cv2.resize(whole, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    stars = preview[:THUMBNAIL_PX, :THUMBNAIL_PX, 2]
    return (
        Thumbnail(_address(small), "brightest pixels" if peaks else "frame"),
        Thumbnail(_address(stars), "brightest stars"),
    )


def _address(image: NDArray[np.uint8]) -> str:
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        raise ValueError("a picture could not be encoded as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
