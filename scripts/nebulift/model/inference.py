"""What a trained network says of previews."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nebulift.dataset.preview import read_preview
from nebulift.model.checkpoint import LoadedModel, load_model
from nebulift.model.dataset import Preview, network_input


class Predictor:
    """A trained model that gives the calibrated probability that a frame is clean."""

    def __init__(self, model: LoadedModel, load: Callable[[Path], Preview] = read_preview) -> None:
        self.model = model
        self._load = load
        self._network = model.network.to(memory_format=torch.channels_last).eval()

    @classmethod
    def load(cls, path: Path) -> "Predictor":
        """Read a model.pth; raises ModelFileError, and NoModel when the file says that none could be trained."""
        return cls(load_model(path))

    def predict(self, previews: Sequence[Path], batch_size: int = 16) -> NDArray[np.float64]:
        """Return the probability of clean, 0 to 1, of each preview, in their order.

        A preview's value does not depend on those beside it but for rounding in the seventh digit. Raises OSError
        naming a preview that cannot be read.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
        p_clean = np.empty(len(previews), dtype=np.float64)
        for start in range(0, len(previews), batch_size):
            chosen = previews[start : start + batch_size]
            p_clean[start : start + batch_size] = self._predict_batch([self._load(path) for path in chosen])
        return p_clean

    @torch.inference_mode()
    def _predict_batch(self, previews: Sequence[Preview]) -> NDArray[np.float64]:
        inputs = torch.stack([network_input(preview) for preview in previews])
        logits = self._network(inputs.contiguous(memory_format=torch.channels_last)).double()
        probabilities: NDArray[np.float64] = torch.softmax(logits / self.model.temperature, dim=1)[:, 1].numpy()
        return probabilities
