"""What a model's file says of the network in it, the same in model.pth and in model.onnx."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nebulift.dataset.version import CONTEXT_VERSION, PREVIEW_VERSION

ARCHITECTURE = f"resnet18 with context {CONTEXT_VERSION}"
"""A ResNet18 whose last layer sees, too, what the night tells of the frame (`dataset.context`), in this version."""
CLASSES = ("contaminated", "clean")
"""The outputs of the network in their order, which is also the order of the labels 0 and 1."""
BUILT_IN_WEIGHTS = ("nebulift", "imagenet", "none")
"""What training may start from by name; anything else is a file."""
FORMAT = "nebulift-model"
FORMAT_VERSION = 1


class ModelFileError(ValueError):
    """A model file cannot be used; the message names it and says what to do."""


class NoModel(ModelFileError):  # noqa: N818  (an answer rather than a failure)
    """The file says that no model could be trained; `reason` says why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: holds no model: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What has to be known of a trained network.

    `temperature` divides its logits (calibration), `weights` is what training started from, `classes` its outputs.
    `calls` are the counts behind what it may promise (`count_calls` in `labels.risk`), None where none were kept.
    """

    temperature: float
    weights: str
    calls: Mapping[str, Any] | None = None
    preview_version: int = PREVIEW_VERSION
    architecture: str = ARCHITECTURE
    classes: tuple[str, ...] = CLASSES

    def content(self) -> dict[str, Any]:
        """Return what a file keeps: plain values only."""
        return {**_header(), "trained": True, **asdict(self), "classes": list(self.classes)}


def content_of_no_model(reason: str) -> dict[str, Any]:
    """Return what a file keeps that says why there is no model."""
    return {**_header(), "trained": False, "reason": reason}


def read_description(path: Path, content: Mapping[str, Any]) -> ModelDescription:
    """Check what a file keeps; raises NoModel when it says that none could be trained, ModelFileError otherwise."""
    if content.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: not a model written by Nebulift; give a model.onnx or model.pth that Nebulift trained "
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
    if content.get("architecture") != ARCHITECTURE:
        raise ModelFileError(
            f"{path}: a network of another form ({content.get('architecture')}), this Nebulift runs {ARCHITECTURE}; "
            "train again"
        )
    try:
        return _checked(content)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error


def require_file(path: Path) -> None:
    """Raise ModelFileError unless there is a file at `path`."""
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such model file; check the path")


def damaged(path: Path, error: Exception) -> ModelFileError:
    """Return the error for a file that starts as a model of Nebulift but is none to the end."""
    return ModelFileError(f"{path}: the model file is incomplete or damaged ({error!r:.200}); train again")


def _checked(content: Mapping[str, Any]) -> ModelDescription:
    temperature = float(content["temperature"])
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature {temperature}")
    if tuple(content["classes"]) != CLASSES:
        raise ValueError(f"classes {content['classes']}")
    return ModelDescription(temperature, str(content["weights"]), content.get("calls"), int(content["preview_version"]))


def _header() -> dict[str, Any]:
    return {"format": FORMAT, "version": FORMAT_VERSION}
