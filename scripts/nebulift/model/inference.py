"""What a trained network says of previews."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nebulift.dataset.context import alone
from nebulift.dataset.preview import read_preview
from nebulift.model.description import ModelDescription, ModelFileError
from nebulift.model.network_input import Preview, network_input


class Model(Protocol):
    """A trained network, whatever runs it."""

    @property
    def description(self) -> ModelDescription:
        """Return what has to be known of it."""

    def logits(self, inputs: NDArray[np.float32], contexts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (N, 2) of inputs (N, 3, height, width) with contexts (N, CONTEXT_SIZE)."""


def load_any_model(path: Path) -> Model:
    """Read a model.onnx, by ONNX Runtime and without torch, or a model.pth, by torch.

    Raises ModelFileError, and NoModel when the file says that none could be trained.
    """
    if path.suffix == ".onnx":
        from nebulift.model.onnx_file import load_onnx_model

        return load_onnx_model(path)
    try:
        from nebulift.model.checkpoint import load_model
    except ModuleNotFoundError as error:
        raise ModelFileError(
            f"{path}: reading it needs {error.name}, which is not installed here; give the model.onnx that was written"
            " beside it"
        ) from error
    return load_model(path)


class Predictor:
    """A trained model that gives the calibrated probability that a frame is clean."""

    def __init__(self, model: Model, load: Callable[[Path], Preview] = read_preview) -> None:
        self.model = model
        self._load = load

    @classmethod
    def load(cls, path: Path) -> "Predictor":
        """Read a model's file; raises ModelFileError, and NoModel when the file says that none could be trained."""
        return cls(load_any_model(path))

    def predict(
        self, previews: Sequence[Path], contexts: NDArray[np.float32] | None = None, batch_size: int = 16
    ) -> NDArray[np.float64]:
        """Return the probability of clean, 0 to 1, of each preview, in their order.

        `contexts` (N, CONTEXT_SIZE) are what the night tells of each; without, every frame is asked about alone. A
        preview's value does not depend on those beside it but for rounding in the seventh digit. Raises OSError naming
        a preview that cannot be read.
        """
        told = alone(len(previews)) if contexts is None else contexts
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
        p_clean = np.empty(len(previews), dtype=np.float64)
        for start in range(0, len(previews), batch_size):
            some = slice(start, start + batch_size)
            p_clean[some] = self.predict_pictures([self._load(path) for path in previews[some]], told[some])
        return p_clean

    def predict_pictures(self, previews: Sequence[Preview], contexts: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of clean, 0 to 1, of a few previews (height, width, 3), uint8, with contexts."""
        logits = self.model.logits(np.stack([network_input(preview) for preview in previews]), contexts)
        return probability_of_clean(logits, self.model.description.temperature)


def probability_of_clean(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return the calibrated probability of clean, 0 to 1, of logits (N, 2)."""
    # Of two classes the softmax is the logistic function of the difference.
    probabilities: NDArray[np.float64] = expit((logits[:, 1].astype(np.float64) - logits[:, 0]) / temperature)
    return probabilities
