"""The file that a training under way leaves after each epoch, so that one that was ended from outside goes on."""

import hashlib
import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.files import TEMPORARY_PREFIX, replacing
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import ModelFileError
from nebulift.model.model_file import read_weights_file

if TYPE_CHECKING:
    from nebulift.model.training import TrainingSettings

logger = logging.getLogger(__name__)

FILE = "unfinished.pth"
"""Beside the model, and no output of any rule: what a failed job has made is deleted, this stays."""


class UnfinishedTraining:
    """What is kept of a training under way, for a training that would do the very same.

    Another training, told by its settings, start, frames or versions, takes no notice of it and writes over it.
    """

    def __init__(self, folder: Path, key: str = "") -> None:
        self.path = folder / FILE
        self._key = key

    def read(self) -> dict[str, Any] | None:
        """Return what was kept, or None where there is nothing of this training; nothing in the file is executed."""
        if not self.path.is_file():
            return None
        try:
            content = read_weights_file(self.path)
        except ModelFileError as error:
            logger.warning("%s; training begins anew", error)
            return None
        if content.get("key") != self._key:
            logger.info("%s is of another training (settings, frames or versions): training begins anew", self.path)
            return None
        state: dict[str, Any] = content["state"]
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Keep a state in the place of an earlier one, atomically; a disk that is full is no reason to stop."""
        try:
            with replacing(self.path) as temporary, temporary.open("wb") as file:
                torch.save({"key": self._key, "state": dict(state)}, file)
        # torch tells of a full disk by RuntimeError, too.
        except (OSError, RuntimeError) as error:
            logger.warning("%s cannot be written (%s): training goes on, but could not be resumed", self.path, error)

    def remove(self) -> None:
        """Remove the file, and what a process killed while writing it left."""
        self.path.unlink(missing_ok=True)
        for left in self.path.parent.glob(f"{TEMPORARY_PREFIX}*{self.path.suffix}"):
            left.unlink(missing_ok=True)


def training_key(
    settings: "TrainingSettings", network: nn.Module, train: AstroImageDataset, validation: AstroImageDataset
) -> str:
    """Return a SHA-256 of all that a training's result follows from: settings, first weights, frames, versions.

    The number of nodes is no part of it, nor is what follows from it, how many threads each process has.
    """
    told = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "nodes"},
        "threads": settings.threads or torch.get_num_threads(),
        "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
        "versions": [PREVIEW_VERSION, np.__version__, *(version(name) for name in ("torch", "torchvision"))],
        "frames": [dataset.fingerprint() for dataset in (train, validation)],
    }
    digest = hashlib.sha256(json.dumps(told).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
