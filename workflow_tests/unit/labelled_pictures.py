"""Small pictures with labels, the settings of a short training, and what several tests of training do with them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model.checkpoint import load_model
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.network import new_network
from nebulift.model.training import TrainingResult, TrainingSettings, train_or_explain
from nebulift.tables import columns

SIDE_PX = 64


ALL_FILES = {"model.pth", "model.onnx", "metrics.json", "history.tsv", "history.png", "metrics.png", "args.yaml"}


def picture(path: Path) -> NDArray[np.uint8]:
    """Return a small preview made from the number in its name: blobs, and across an odd one's a bright line."""
    number = int(path.stem)
    random = np.random.default_rng(number)
    pixels = random.normal(60, 6, (SIDE_PX, SIDE_PX, 3))
    for row, column in random.integers(2, SIDE_PX - 2, (12, 2)):
        pixels[row - 1 : row + 2, column - 1 : column + 2] += random.uniform(40, 150)
    preview = np.clip(pixels, 0, 255).astype(np.uint8)
    if number % 2:
        angle, middle = random.uniform(0, math.pi), random.uniform(0.3, 0.7, 2) * SIDE_PX
        reach = SIDE_PX * np.array([math.cos(angle), math.sin(angle)])
        ends = [tuple(map(int, middle + sign * reach)) for sign in (-1, 1)]
        cv2.line(preview, *ends, (255, 255, 255), 3)
    return preview


def previews(first: int, number: int, *, augment: bool = False) -> AstroImageDataset:
    """Return as many clean previews as contaminated ones."""
    paths = [Path(f"{index}.png") for index in range(first, first + number)]
    labels = [1 - index % 2 for index in range(first, first + number)]
    facts = [FrameFacts(context=told(index)) for index in range(first, first + number)]
    return AstroImageDataset(paths, labels, augment=augment, load=picture, facts=facts)


def told(number: int) -> NDArray[np.float32]:
    """Return a context that tells nothing of the label."""
    return np.random.default_rng(number).normal(0, 1, CONTEXT_SIZE).astype(np.float32)


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(**({"weights": "none", "epochs": 4, "batch_size": 8, "threads": 1} | changes))


Script = Callable[[list[tuple[float, float] | None]], None]


def run(folder: Path, **changes: Any) -> tuple[TrainingResult, float]:
    """Return what training made and the number of the epoch whose weights are in the file."""
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(**changes), folder)
    return result, float(load_model(result.model).network.state_dict()["fc.bias"][0])


def random_weights(folder: Path) -> Path:
    torch.save(new_network().state_dict(), folder / "start.pth")
    return folder / "start.pth"


def dataset_row(name: str, side: str, source: str) -> dict[str, Any]:
    """Return a row of the dataset's table: a clean frame, and who said so."""
    return dict.fromkeys(columns("dataset"), "") | {
        "night": "a",
        "frame": name,
        "split": side,
        "label": "clean",
        "label_source": source,
        "preview_path": f"{name}.png",
    }
