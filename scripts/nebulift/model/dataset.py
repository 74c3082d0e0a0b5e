"""Labelled previews as PyTorch wants them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from nebulift.dataset.preview import read_preview

Preview = NDArray[np.uint8]

# Up to so many previews are kept in memory once they are decoded: 600 MB.
_KEPT_PREVIEWS = 4000
_BRIGHTNESS_RANGE = (0.9, 1.1)
# ImageNet's, whose weights expect them; for random weights they are as good as others.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_STANDARD_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def network_input(preview: Preview) -> Tensor:
    """Return a preview (height, width, 3), uint8, as the network takes it: float32 (3, height, width)."""
    if preview.dtype != np.uint8 or preview.ndim != 3 or preview.shape[2] != 3:
        raise ValueError(f"a preview is uint8 (height, width, 3), not {preview.dtype} {preview.shape}")
    channels_first = torch.from_numpy(np.ascontiguousarray(preview.transpose(2, 0, 1)))
    return (channels_first.float() / 255 - _MEAN) / _STANDARD_DEVIATION


class AstroImageDataset(Dataset[tuple[Tensor, int]]):
    """Previews with labels, 1 clean and 0 contaminated; an item is (float32 tensor (3, 224, 224), label).

    `load` turns a path into a preview. With `augment`, every read of an item gives another variant, the same sequence
    of variants for the same `seed`. Raises ValueError for other labels, or another number of labels than of images.
    """

    def __init__(
        self,
        images: Sequence[Path],
        labels: Sequence[int],
        *,
        augment: bool = False,
        load: Callable[[Path], Preview] = read_preview,
        seed: int = 0,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels: give one label per image")
        wrong = sorted({str(label) for label in labels if label not in (0, 1)})
        if wrong:
            raise ValueError(f"labels are 1 (clean) or 0 (contaminated), not {', '.join(wrong)}")
        self.image_paths = [Path(image) for image in images]
        self.labels = [int(label) for label in labels]
        self.augment = augment
        self.seed = seed
        self._load = load
        self._kept: dict[int, Preview] = {}
        self._reads = [0] * len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self.labels))[index]
        preview = self._preview(index)
        if self.augment:
            preview = augmented(preview, np.random.default_rng((self.seed, index, self._reads[index])))
            self._reads[index] += 1
        return network_input(preview), self.labels[index]

    def _preview(self, index: int) -> Preview:
        preview = self._kept.get(index)
        if preview is None:
            preview = self._load(self.image_paths[index])
            if len(self.labels) <= _KEPT_PREVIEWS:
                self._kept[index] = preview
        return preview


def augmented(preview: Preview, rng: np.random.Generator) -> Preview:
    """Return a preview as another orientation of the camera and a slightly other brightness would show it.

    The sky has no up: the eight flips and quarter turns. All three channels turn together, so that
    elongation in the mosaic keeps its direction against the thumbnails; the mosaic's cells fall on cells. Nothing
    is shifted, blurred or recoloured: focus, tracking and the channels' meaning are what is to be learned.
    """
    turned = np.rot90(preview, int(rng.integers(4)))
    if rng.integers(2):
        turned = turned[:, ::-1]
    brightness = rng.uniform(*_BRIGHTNESS_RANGE)
    return np.asarray(np.clip(np.rint(turned * brightness), 0, 255), dtype=np.uint8)
