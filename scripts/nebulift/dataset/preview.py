"""The preview of a frame: what a network, or a person in a hurry, needs to see of it, in 224 x 224 pixels.

A thumbnail alone would shrink a star of 3 pixels to a sixth of one and erase focus, tracking and thin trails. So a
preview has three channels: the stretched thumbnail (clouds, gradients), a thumbnail that keeps peaks (trails,
defects), and a mosaic of cut-outs of stars at native scale (focus, tracking).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.dataset.version import PREVIEW_VERSION as PREVIEW_VERSION
from nebulift.files import replacing

if TYPE_CHECKING:  # training reads previews without what scoring needs
    from nebulift.scoring.score import FrameScore

PREVIEW_SIZE_PX = 224
_MOSAIC_SIDE = 7  # 7 x 7 cut-outs
_PEAK_SAMPLES = 4  # pixels along each side of which a pixel of the preview shows the brightest
_CUT_OUT_PX = PREVIEW_SIZE_PX // _MOSAIC_SIDE


def make_preview(score: "FrameScore") -> NDArray[np.uint8]:
    """Return the preview (224, 224, 3), uint8, of a scored frame: thumbnail, peaks, star mosaic."""
    from nebulift.scoring.shrinking import shrunk

    residual, noise = score.residual, np.float32(score.background.noise_adu)
    size = (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX)
    # The thumbnail shows the sky as it is, brighter clouds and all, against the frame's own middle level.
    light = shrunk(residual, *size) + shrunk(score.background.level_map, *size) - np.float32(score.background.level_adu)
    thumbnail = _stretch(light / noise, low=-6.0, high=60.0)
    peaks = _stretch(_shrink_to_peaks(residual) / noise, low=0.0, high=200.0)
    return np.stack([thumbnail, peaks, _star_mosaic(score)], axis=-1)


def write_preview(path: Path, preview: NDArray[np.uint8]) -> None:
    """Write a preview as PNG, atomically; the channels are stored in their order as blue, green, red."""
    with replacing(path) as temporary:
        encoded, data = cv2.imencode(".png", preview)
        if not encoded:
            raise OSError(f"{path}: the preview could not be encoded as PNG")
        temporary.write_bytes(data.tobytes())


def read_preview(path: Path) -> NDArray[np.uint8]:
    """Read a preview (224, 224, 3), uint8; raises OSError naming the file when it is none or missing."""
    try:
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such preview; snakemake --forcerun score_chunk makes it anew") from error
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if image is None or image.shape != (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX, 3) or image.dtype != np.uint8:
        raise OSError(f"{path}: not a preview of {PREVIEW_SIZE_PX} x {PREVIEW_SIZE_PX} x 3 pixels of 8 bits")
    return np.asarray(image, dtype=np.uint8)


def _shrink_to_peaks(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shrink so that each pixel shows the brightest of those it stands for, lightly smoothed against noise."""
    height, width = image.shape
    # Averaging over a few pixels smooths a large frame enough, and leaves less to be done.
    step = max(1, min(height, width) // (_PEAK_SAMPLES * PREVIEW_SIZE_PX))
    if step > 1:
        cropped = image[: height - height % step, : width - width % step]
        smooth = cv2.resize(cropped, (width // step, height // step), interpolation=cv2.INTER_AREA)
    else:
        smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    height, width = smooth.shape
    kernel = (max(1, -(-width // PREVIEW_SIZE_PX)), max(1, -(-height // PREVIEW_SIZE_PX)))
    widened = cv2.dilate(smooth, np.ones(kernel[::-1], np.uint8))
    size = (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX)
    return np.asarray(cv2.resize(widened, size, interpolation=cv2.INTER_NEAREST), dtype=np.float32)


def _star_mosaic(score: "FrameScore") -> NDArray[np.uint8]:
    """Return 7 x 7 cut-outs of the brightest unsaturated stars, each scaled to its own peak; 0 where there is none."""
    mosaic = np.zeros((PREVIEW_SIZE_PX, PREVIEW_SIZE_PX), dtype=np.uint8)
    residual, noise = score.residual, np.float32(score.background.noise_adu)
    height, width = residual.shape
    half = _CUT_OUT_PX // 2
    place = 0
    for x, y in zip(np.rint(score.stars.x_px).astype(int), np.rint(score.stars.y_px).astype(int), strict=True):
        if place == _MOSAIC_SIDE**2:
            break
        if not (half <= x < width - half and half <= y < height - half) or score.saturated[y, x]:
            continue
        cut_out = residual[y - half : y + half, x - half : x + half] / noise
        row, column = divmod(place, _MOSAIC_SIDE)
        target = np.s_[row * _CUT_OUT_PX : (row + 1) * _CUT_OUT_PX, column * _CUT_OUT_PX : (column + 1) * _CUT_OUT_PX]
        mosaic[target] = _stretch(cut_out, low=-3.0, high=max(10.0, float(cut_out.max())))
        place += 1
    return mosaic


def _stretch(image: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Bring [low, high] in units of the sky noise to 0 to 255 by an asinh curve (Lupton et al. 2004)."""
    share = np.clip((image - low) / (high - low), 0, 1)
    curve = np.arcsinh(share * 20) / np.arcsinh(20.0)
    return np.asarray(np.rint(255 * curve), dtype=np.uint8)
