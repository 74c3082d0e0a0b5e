"""Models in 8-bit integers: smaller, by the same path, and only where they decide alike."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model import training
from nebulift.model.description import ModelDescription
from nebulift.model.export import ExportCheck, check_export, export_onnx
from nebulift.model.network import new_network
from nebulift.model.onnx_file import load_onnx_model
from nebulift.model.quantized import export_quantized
from nebulift.model.training import train
from unit.labelled_pictures import previews, settings

FrameInput = tuple[NDArray[np.float32], NDArray[np.float32]]


def frames(number: int, seed: int = 0) -> list[FrameInput]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(0, 1, (3, 64, 64)).astype(np.float32), rng.normal(0, 1, CONTEXT_SIZE).astype(np.float32))
        for _ in range(number)
    ]


def test_it_is_smaller_says_the_same_of_itself_and_answers_nearly_alike(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = new_network().eval()
    torch.nn.init.normal_(network.fc.weight, std=0.05)
    single, small = tmp_path / "single.onnx", tmp_path / "small.onnx"
    export_onnx(single, network, ModelDescription(1.7, "none"))
    export_quantized(small, single, frames(8))
    assert small.stat().st_size < 0.3 * single.stat().st_size
    made, original = load_onnx_model(small), load_onnx_model(single)
    assert made.description == original.description == ModelDescription(1.7, "none")
    check = check_export(made, original, frames(6, seed=1))
    assert 0 < check.largest_difference_of_logits < 0.5
    export_quantized(tmp_path / "again.onnx", single, frames(8))
    assert (tmp_path / "again.onnx").read_bytes() == small.read_bytes()


@pytest.mark.parametrize("other", [0, 1])
def test_training_keeps_single_precision_where_integers_decide_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    monkeypatch.setattr(training, "export_quantized", lambda path, *_: path.write_bytes(b"in integers"))
    original = training.load_onnx_model
    monkeypatch.setattr(
        training, "load_onnx_model", lambda path: original(path) if path.parent == tmp_path else "in integers"
    )
    check = training.check_export
    monkeypatch.setattr(
        training,
        "check_export",
        lambda made, *rest: ExportCheck(8, 0.1, other) if made == "in integers" else check(made, *rest),
    )
    lines: list[str] = []
    train(previews(0, 16), previews(1000, 8), settings(epochs=1, int8=True), tmp_path, lines.append)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["onnx"]["int8"]["used"] is (other == 0)
    assert ((tmp_path / "model.onnx").read_bytes() == b"in integers") is (other == 0)
    assert any(f"of 8 validation frames {other} would be decided otherwise" in line for line in lines)
