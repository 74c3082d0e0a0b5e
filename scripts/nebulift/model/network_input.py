"""A preview as the network takes it, without torch."""

import numpy as np
from numpy.typing import NDArray

Preview = NDArray[np.uint8]

# ImageNet's, whose weights expect them; for others they are as good as any.
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32).reshape(3, 1, 1)
_STANDARD_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32).reshape(3, 1, 1)


def network_input(preview: Preview) -> NDArray[np.float32]:
    """Return a preview (height, width, 3), uint8, as the network takes it: float32 (3, height, width).

    Raises ValueError for any other array.
    """
    if preview.dtype != np.uint8 or preview.ndim != 3 or preview.shape[2] != 3:
        raise ValueError(f"a preview is uint8 (height, width, 3), not {preview.dtype} {preview.shape}")
    channels_first = preview.transpose(2, 0, 1).astype(np.float32, order="C")
    return (channels_first / np.float32(255) - _MEAN) / _STANDARD_DEVIATION
