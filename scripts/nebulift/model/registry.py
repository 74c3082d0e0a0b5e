"""The registry: a folder of models with what is known of each, and the one that decides on new nights.

    models/registry.json       the names in the order of their registration, and which one is promoted
    models/<name>/model.onnx   and model.pth, metrics.json, metadata.json (its dataset), frames.json, card.md

Nothing heavy is imported here: the workflow asks while it is parsed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nebulift.files import write_text

FORMAT = "nebulift-registry"
FORMAT_VERSION = 1
REGISTRY_FILE = "registry.json"
MODEL_FILE, CARD_FILE = "model.onnx", "card.md"
METRICS_FILE, DATASET_FILE, FRAMES_FILE = "metrics.json", "metadata.json", "frames.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RegistryError(ValueError):
    """The registry cannot be read, or what is asked of it cannot be done; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """What the registry tells of a model.

    `registered` is a time in UTC, `sha256` that of its model.onnx, `metrics` the main figures on its validation frames,
    `fingerprint` that of what it was trained on, `thresholds` from which and up to which probability of clean it may
    settle a frame at the default risk (None where it promises nothing), `promoted` when it was, "" if never.
    """

    name: str
    registered: str
    sha256: str
    metrics: Mapping[str, float]
    fingerprint: str
    thresholds: Mapping[str, float | None]
    promoted: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """A folder of models; `promoted` is the name of the one that decides, None if there is none."""

    folder: Path
    models: Mapping[str, RegisteredModel] = field(default_factory=dict)
    promoted: str | None = None

    def model(self, name: str) -> RegisteredModel:
        """Return what is known of a model; raises RegistryError naming those there are."""
        if name not in self.models:
            known = ", ".join(self.models) or "none"
            raise RegistryError(f"{self.folder}: no model {name!r} is registered; registered are: {known}")
        return self.models[name]

    def file(self, name: str, file: str) -> Path:
        """Return the path of a file kept with a model."""
        return self.folder / name / file

    def with_model(self, model: RegisteredModel) -> "Registry":
        """Return the registry with one model more, or in the place of the one with its name."""
        return replace(self, models={**self.models, model.name: model})

    def with_promoted(self, name: str, when: str) -> "Registry":
        """Return the registry with this model promoted."""
        return replace(self.with_model(replace(self.model(name), promoted=when)), promoted=name)


def read_registry(folder: Path) -> Registry:
    """Read a registry; one that was never written is empty. Raises RegistryError."""
    path = folder / REGISTRY_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Registry(folder)
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: cannot be read: {error}; mend it, or move it away and register again") from error
    try:
        if (content["format"], content["version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError(f"{content['format']}, version {content['version']}")
        models = {name: RegisteredModel(name=name, **known) for name, known in content["models"].items()}
        promoted = content["promoted"]
        if promoted is not None and promoted not in models:
            raise ValueError(f"the promoted model {promoted!r} is not registered")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryError(f"{path}: not a registry of this Nebulift ({error}); mend it, or move it away") from error
    for name in models:
        check_name(name)
    return Registry(folder, models, promoted)


def write_registry(registry: Registry) -> None:
    """Write the registry's file, atomically."""
    models = {
        name: {part: getattr(model, part) for part in RegisteredModel.__dataclass_fields__ if part != "name"}
        for name, model in registry.models.items()
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "promoted": registry.promoted,
        "models": models,
    }
    write_text(registry.folder / REGISTRY_FILE, json.dumps(content, indent=2) + "\n")


def check_name(name: str) -> str:
    """Return a name that can be that of a folder; raises RegistryError for any other."""
    if not _NAME.fullmatch(name):
        raise RegistryError(f"{name!r} is no name for a model: letters, digits, dots, hyphens and underscores make one")
    return name


def promoted_model(folder: Path) -> Path | None:
    """Return the file of the model that decides on new nights, None if none is promoted. Raises RegistryError."""
    registry = read_registry(folder)
    if registry.promoted is None:
        return None
    path = registry.file(registry.promoted, MODEL_FILE)
    if not path.is_file():
        raise RegistryError(f"{path}: the promoted model is gone; promote another: nebulift models promote NAME")
    return path
