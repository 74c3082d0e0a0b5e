"""The file that a model is kept in: a plain dictionary written by `torch.save`, read without running anything."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.files import replacing
from nebulift.model.model_file import ModelFileError, NoModel, read_weights_file
from nebulift.model.network import ARCHITECTURE, CLASSES, FORMAT, new_network

__all__ = ["LoadedModel", "ModelFileError", "NoModel", "load_model", "save_model", "save_no_model"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class LoadedModel:
    """A trained network, ready to be asked.

    `temperature` divides its logits (calibration), `weights` is what training started from, `classes` its outputs.
    `calls` are the counts behind what it may promise (`count_calls` in `labels.risk`), None where none were kept.
    """

    network: nn.Module
    temperature: float
    preview_version: int
    weights: str
    classes: tuple[str, ...] = CLASSES
    calls: Mapping[str, Any] | None = None


def save_model(
    path: Path, network: nn.Module, temperature: float, weights: str, calls: Mapping[str, Any] | None = None
) -> None:
    """Write a trained network, atomically; the same network gives the same bytes. `LoadedModel` tells what is kept."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    content = {
        "trained": True,
        "architecture": ARCHITECTURE,
        "classes": list(CLASSES),
        "preview_version": PREVIEW_VERSION,
        "temperature": float(temperature),
        "weights": weights,
        "calls": calls,
        "state_dict": state,
    }
    _write(path, content)


def save_no_model(path: Path, reason: str) -> None:
    """Write a file of the same format that says why there is no model."""
    _write(path, {"trained": False, "reason": reason})


def load_model(path: Path) -> LoadedModel:
    """Read a trained network, in evaluation mode.

    Raises NoModel when the file says that none could be trained, ModelFileError when it cannot be used.
    """
    content = read_weights_file(path)
    if content.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: not a model written by Nebulift; give a model.pth that Nebulift trained "
            "(bare weights can only be trained from: train: weights)"
        )
    if content.get("version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: a model file of version {content.get('version')}, this Nebulift reads version "
            f"{FORMAT_VERSION}; train again, or use the Nebulift that wrote it"
        )
    if content.get("trained") is False:
        raise NoModel(path, str(content.get("reason")))
    if content.get("preview_version") != PREVIEW_VERSION:
        raise ModelFileError(
            f"{path}: trained on previews of version {content.get('preview_version')}, this Nebulift makes version "
            f"{PREVIEW_VERSION}; train again"
        )
    try:
        return _loaded(content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        message = f"{path}: the model file is incomplete or damaged ({error!r:.200}); train again"
        raise ModelFileError(message) from error


def _loaded(content: Mapping[str, Any]) -> LoadedModel:
    temperature = float(content["temperature"])
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature {temperature}")
    if content["architecture"] != ARCHITECTURE or tuple(content["classes"]) != CLASSES:
        raise ValueError(f"{content['architecture']} for {content['classes']}")
    network = new_network()
    network.load_state_dict(content["state_dict"])
    network.eval()
    return LoadedModel(
        network,
        temperature,
        int(content["preview_version"]),
        str(content["weights"]),
        calls=content.get("calls"),
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    # Through an open file: given a path, torch puts its name into the file.
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": FORMAT, "version": FORMAT_VERSION, **content}, file)
