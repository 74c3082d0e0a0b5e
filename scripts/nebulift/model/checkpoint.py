"""model.pth, the file that training goes on from: a plain dictionary, read without running anything in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nebulift.files import replacing
from nebulift.model.description import (
    ModelDescription,
    ModelFileError,
    NoModel,
    content_of_no_model,
    damaged,
    read_description,
)
from nebulift.model.model_file import read_weights_file
from nebulift.model.network import new_network

__all__ = ["ModelFileError", "NoModel", "TorchModel", "load_model", "save_model", "save_no_model"]


@dataclass(frozen=True)
class TorchModel:
    """A trained network, ready to be asked."""

    network: nn.Module
    description: ModelDescription

    @torch.inference_mode()
    def logits(self, inputs: NDArray[np.float32], contexts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (N, 2) of inputs (N, 3, height, width) with contexts (N, CONTEXT_SIZE)."""
        given = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
        answered: NDArray[np.float32] = self.network((given, torch.from_numpy(contexts))).numpy()
        return answered


def save_model(path: Path, network: nn.Module, description: ModelDescription) -> None:
    """Write a trained network, atomically; the same network gives the same bytes."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    _write(path, {**description.content(), "state_dict": state})


def save_no_model(path: Path, reason: str) -> None:
    """Write a file of the same format that says why there is no model."""
    _write(path, content_of_no_model(reason))


def load_model(path: Path) -> TorchModel:
    """Read a trained network, in evaluation mode.

    Raises NoModel when the file says that none could be trained, ModelFileError when it cannot be used.
    """
    content = read_weights_file(path)
    description = read_description(path, content)
    network = new_network()
    try:
        network.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise damaged(path, error) from error
    return TorchModel(network.to(memory_format=torch.channels_last).eval(), description)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    # Through an open file: given a path, torch puts its name into the file.
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(dict(content), file)
