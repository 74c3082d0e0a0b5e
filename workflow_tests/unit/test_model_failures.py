"""Training that cannot be: it stops, says why, and keeps what it has."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from nebulift.model import training
from nebulift.model.checkpoint import NoModel, load_model
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import ModelDescription
from nebulift.model.export import export_onnx
from nebulift.model.inference import load_any_model
from nebulift.model.network import new_network
from nebulift.model.training import TrainingSettings, train_or_explain, untrainable
from nebulift.tables import columns
from unit.labelled_pictures import Script, picture, previews, random_weights, run, settings


def test_a_model_onnx_that_answers_otherwise_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def another(path: Path, network: nn.Module, description: ModelDescription) -> None:
        export_onnx(path, new_network(), description)

    monkeypatch.setattr(training, "export_onnx", another)
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(epochs=1), tmp_path)
    assert not result.trained
    for file in ("model.pth", "model.onnx"):
        with pytest.raises(NoModel, match="the exported network answers otherwise"):
            load_any_model(tmp_path / file)


def test_a_loss_that_is_no_number_keeps_the_best_so_far(
    tmp_path: Path, scripted: Script, caplog: pytest.LogCaptureFixture
) -> None:
    scripted([(0.5, 1.0), (0.9, 0.2), (0.8, 0.2), None])
    with caplog.at_level(logging.WARNING):
        _, kept = run(tmp_path, epochs=12, weights=str(random_weights(tmp_path)), freeze="none")
    assert kept == 2
    assert "stopped in epoch 4" in caplog.text
    assert "best epoch so far is kept" in caplog.text


def test_a_loss_that_is_no_number_from_the_start_makes_no_model(tmp_path: Path, scripted: Script) -> None:
    scripted([None])
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(), tmp_path)
    assert not result.trained
    with pytest.raises(NoModel, match="lower train: learning_rate"):
        load_model(result.model)


def test_too_few_frames_make_no_model_but_all_files_with_the_reason(tmp_path: Path) -> None:
    few = previews(0, 10)
    result = train_or_explain(few, previews(1000, 8), settings(), tmp_path)
    reason = json.loads((tmp_path / "metrics.json").read_text())["reason"]
    assert "5 contaminated and 5 clean, and 8 of each class are needed" in reason
    assert not result.trained
    assert (tmp_path / "history.tsv").read_text() == "\t".join(columns("history")) + "\n"
    assert yaml.safe_load((tmp_path / "args.yaml").read_text())["minimum_per_class"] == 8
    with pytest.raises(NoModel) as caught:
        load_model(tmp_path / "model.pth")
    assert caught.value.reason == reason


def test_the_reason_names_the_class_that_is_missing() -> None:
    clean_only = AstroImageDataset([Path("2.png")] * 3, [1] * 3, load=picture)
    assert untrainable(previews(0, 16), previews(1000, 2), settings()) is None
    reason = untrainable(previews(0, 16), clean_only, settings())
    assert reason is not None
    assert reason.startswith("no contaminated frame to validate on: 0 contaminated and 3 clean")
    assert "validation_fraction" in reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"freeze": "all"},
        {"precision": "float16"},
        {"review_weight": 0.0},
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        TrainingSettings(**wrong)
