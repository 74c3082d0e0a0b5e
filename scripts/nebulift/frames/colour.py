"""Which axis of an array holds the colours."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.frames.frame import UnreadableFrame

_COLOUR_PLANES = (3, 4)  # a fourth plane is an alpha channel


def frame_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape without axes of length 1: (h, w), or one with 3 or 4 colours in front or behind.

    Raises
    ------
    UnreadableFrame
        For a stack of frames and the like: nothing says which of its planes is the frame.
    """
    squeezed = list(shape)
    while len(squeezed) > 2 and 1 in squeezed:
        squeezed.remove(1)
    is_colour = len(squeezed) == 3 and bool({squeezed[0], squeezed[2]} & set(_COLOUR_PLANES))
    if (len(squeezed) == 2 or is_colour) and 0 not in squeezed:
        return tuple(squeezed)
    size = " x ".join(map(str, squeezed[:5]))
    raise UnreadableFrame(f"not one frame: an array of {size}; split it into its planes first")


def colour_last(stored: NDArray[Any]) -> NDArray[Any]:
    """Give (h, w) or (h, w, 3) from a native array of any shape that `frame_shape` accepts, without alpha.

    Raises
    ------
    UnreadableFrame
        As `frame_shape`.
    """
    image = stored.reshape(frame_shape(stored.shape))
    if image.ndim == 2:
        return image
    if image.shape[0] in _COLOUR_PLANES:
        return np.asarray(cv2.merge(list(image[:3])))  # 5 times as fast as a transposed copy
    return image[..., :3]
