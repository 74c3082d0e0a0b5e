"""Labelled previews as PyTorch wants them."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from nebulift.dataset.context import alone, without_group
from nebulift.dataset.preview import read_preview
from nebulift.model.network_input import Preview, network_input

# Up to so many previews are kept in memory once they are decoded: 600 MB.
_KEPT_PREVIEWS = 4000
_BRIGHTNESS_RANGE = (0.9, 1.1)
_ALONE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What is known of a labelled frame besides its label.

    `weight` is how much its label counts in training, against 1; `reasons` name what its label was given for.
    `context` is what the night tells of it (CONTEXT_SIZE numbers), None where it is taken alone.
    `measured` are numbers of about unit spread, the same ones of every frame, that are learned along with the label.
    """

    night: str = ""
    reasons: tuple[str, ...] = ()
    weight: float = 1.0
    measured: tuple[float, ...] = ()
    context: NDArray[np.float32] | None = None


class AstroImageDataset(Dataset[tuple[Tensor, int]]):
    """Previews with labels, 1 clean and 0 contaminated; an item is (float32 tensor (3, 224, 224), label).

    `load` turns a path into a preview. With `augment`, every read of an item gives another variant, the same sequence
    of variants for the same `seed`; `reads` counts the reads of each item. `facts` are those of the frames, if any are
    known. Raises ValueError for other labels, or another number of labels or facts than of images.
    """

    def __init__(
        self,
        images: Sequence[Path],
        labels: Sequence[int],
        *,
        augment: bool = False,
        load: Callable[[Path], Preview] = read_preview,
        seed: int = 0,
        facts: Sequence[FrameFacts] | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels: give one label per image")
        if facts is not None and len(facts) != len(labels):
            raise ValueError(f"{len(images)} images but {len(facts)} facts: give one per image")
        if facts is not None and not all(one.weight > 0 and math.isfinite(one.weight) for one in facts):
            raise ValueError("the weight of a label is a number above 0")
        if facts and len({len(one.measured) for one in facts}) > 1:
            raise ValueError("the same numbers are to be measured of every frame")
        wrong = sorted({str(label) for label in labels if label not in (0, 1)})
        if wrong:
            raise ValueError(f"labels are 1 (clean) or 0 (contaminated), not {', '.join(wrong)}")
        self.image_paths = [Path(image) for image in images]
        self.labels = [int(label) for label in labels]
        self.facts = [FrameFacts()] * len(self.labels) if facts is None else list(facts)
        self.augment = augment
        self.seed = seed
        self._load = load
        self._contexts = [alone(1)[0] if one.context is None else one.context for one in self.facts]
        self._kept: dict[int, Preview] = {}
        self.reads = [0] * len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self.labels))[index]
        return self.input(index)[0], self.labels[index]

    def input(self, index: int) -> tuple[Tensor, Tensor]:
        """Return what the network is given of an item: the preview (3, 224, 224) and its context (CONTEXT_SIZE).

        With `augment` the frame is now and then taken without its group, so that the network learns to do without.
        """
        preview, context = self._preview(index), self._contexts[index]
        if self.augment:
            rng = np.random.default_rng((self.seed, index, self.reads[index]))
            preview = augmented(preview, rng)
            if rng.random() < _ALONE_SHARE:
                context = without_group(context)
            self.reads[index] += 1
        return torch.from_numpy(network_input(preview)), torch.from_numpy(context)

    def contexts(self) -> Tensor:
        """Return the contexts (N, CONTEXT_SIZE) of all items."""
        return torch.from_numpy(np.stack(self._contexts))

    def pass_over(self, indices: Sequence[int]) -> None:
        """Count reads of items that another process does: whoever reads one next gets the same variant."""
        if self.augment:
            for index in indices:
                self.reads[index] += 1

    def fingerprint(self) -> str:
        """Return a SHA-256 of what is learned from: previews, labels and how they vary, in their order."""
        learned = [[facts.weight, *facts.measured] for facts in self.facts]
        digest = hashlib.sha256(json.dumps([self.labels, learned, self.augment, self.seed, self.reads]).encode())
        for index in range(len(self)):
            digest.update(self._contexts[index].tobytes())
            digest.update(np.ascontiguousarray(self._preview(index)).tobytes())
        return digest.hexdigest()

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
