"""The registry: models are kept with what is known of them, and only one that passes its gates decides."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nebulift import cli
from nebulift.config import ConfigError
from nebulift.dataset.description import describe
from nebulift.dataset.preview import write_preview
from nebulift.dataset.splits import SplitRule
from nebulift.labels.risk import count_calls, frames_needed
from nebulift.labels.verdict import CLEAN, CONTAMINATED
from nebulift.model.description import ModelDescription, ModelFileError
from nebulift.model.export import export_no_model, export_onnx
from nebulift.model.gates import Comparison, failed_gates
from nebulift.model.network import new_network
from nebulift.model.registry import RegistryError, promoted_model, read_registry
from nebulift.stages.models import PromotionRefused, promote_model, register_model
from nebulift.stages.plan import ready_model
from nebulift.tables import write_table
from unit.builders import label_row

ENOUGH = frames_needed(0.01)
CALLS = count_calls([0.97] * ENOUGH + [0.3] * 20, [1] * ENOUGH + [0] * 20)
METRICS = {
    "accuracy": 0.93,
    "balanced_accuracy": 0.91,
    "auc": 0.97,
    "expected_calibration_error": 0.02,
    "classes": {"clean": {"precision": 0.9, "recall": None}, "contaminated": {"precision": 1.0, "recall": 0.8}},
    "confusion_matrix": {"clean_called_clean": 9},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two models: what one calls clean the other calls contaminated."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(1)
    network = new_network().eval()
    made = {}
    for name, lead in (("hopeful", 50.0), ("gloomy", -50.0)):
        assert isinstance(network.fc, nn.Linear)
        with torch.no_grad():
            network.fc.bias.copy_(torch.tensor([0.0, lead]))
        made[name] = folder / f"{name}.onnx"
        export_onnx(made[name], network, ModelDescription(1.0, "none", CALLS))
    return made


def dataset(folder: Path, leak: bool = False) -> Path:
    """Lay out the tables of a dataset of two blocks, far apart in time or near."""
    rows = [
        {
            "night": "n",
            "frame": f"{side}_{number}.fits",
            "path": "x",
            "date_obs": f"2024-09-09T{hour}:{minute + number:02d}:00.000",
            "label": CLEAN,
            "label_source": "cv",
            "reasons": "",
            "split": side,
            "block": f"n/{side}",
            "preview_path": "gone.png",
            "context": "",
            "link": "",
        }
        for side, hour, minute in (("train", "21", 0), ("val", "21" if leak else "23", 3))
        for number in range(2)
    ]
    write_table(folder / "dataset.tsv", "dataset", rows)
    (folder / "metadata.json").write_text(json.dumps(describe(rows, SplitRule())))
    return folder


@pytest.fixture
def trained(tmp_path: Path, exported: dict[str, Path]) -> Path:
    dataset(tmp_path / "results" / "dataset")
    folder = tmp_path / "results" / "model"
    folder.mkdir()
    shutil.copyfile(exported["hopeful"], folder / "model.onnx")
    (folder / "model.pth").write_bytes(b"weights")
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


def reviewed(folder: Path, frames: Sequence[tuple[str, str]]) -> tuple[Path, Path, list[Path]]:
    """Return a table of labels, the previews and the reviews of frames of the night n with these labels."""
    preview = np.random.default_rng(0).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    write_preview(folder / "previews" / "n" / "a.png", preview)
    rows = [label_row(frame) | {"night": "n", "preview": "a.png"} for frame, _ in frames]
    write_table(folder / "labels.tsv", "labels", rows)
    (folder / "reviews").mkdir(parents=True, exist_ok=True)
    (folder / "reviews" / "n.tsv").write_text("frame\tlabel\n" + "".join(f"{f}\t{label}\n" for f, label in frames))
    return folder / "labels.tsv", folder / "previews", [folder / "reviews"]


def test_what_training_wrote_is_kept_with_a_card(tmp_path: Path, trained: Path) -> None:
    models = tmp_path / "models"
    first = register_model(models, trained, trained.parent / "dataset")
    second = register_model(models, trained, None, "later")
    assert (first.name, second.name) == ("model-1", "later")
    assert read_registry(models).models == {"model-1": first, "later": second}
    assert (models / "model-1" / "model.onnx").read_bytes() == (trained / "model.onnx").read_bytes()
    assert (models / "model-1" / "model.pth").read_bytes() == b"weights"
    assert first.metrics["accuracy"] == 0.93
    assert first.fingerprint == json.loads((trained.parent / "dataset" / "metadata.json").read_text())["fingerprint"]
    assert first.thresholds == {CLEAN: 0.5, CONTAMINATED: None}
    card = (models / "model-1" / "card.md").read_text()
    for told in (
        first.sha256,
        first.fingerprint,
        "- train: 2 clean",
        "accuracy: 0.93",
        "clean: precision 0.9, recall none",
    ):
        assert told in card
    assert "as clean: from a probability of clean of 0.5, at a risk of 1 %" in card
    assert "as contaminated: nothing at a risk of 1 %" in card
    assert "Not known: registered without its dataset" in (models / "later" / "card.md").read_text()
    assert promoted_model(models) is None


def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, trained: Path) -> None:
    register_model(tmp_path / "models", trained, None, "mine")
    with pytest.raises(RegistryError, match="'mine' is registered already; choose another --name"):
        register_model(tmp_path / "models", trained, None, "mine")
    for name in ("../mine", "a/b", ".hidden"):
        with pytest.raises(RegistryError, match="is no name for a model"):
            register_model(tmp_path / "models", trained, None, name)


def test_a_dataset_that_it_was_not_trained_on_is_refused(tmp_path: Path, trained: Path) -> None:
    later = dataset(tmp_path / "later")
    with pytest.raises(RegistryError, match=r"dataset\.tsv was laid out after .*model\.onnx was trained.*train again"):
        register_model(tmp_path / "models", trained, later)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("file", ["model/metrics.json", "dataset/metadata.json"])
@pytest.mark.parametrize("content", ['{"other": 1}', "[1]", "{"])
def test_records_of_another_form_are_named_and_nothing_is_written(
    tmp_path: Path, trained: Path, file: str, content: str
) -> None:
    (trained.parent / file).write_text(content)
    with pytest.raises(RegistryError, match=file):
        register_model(tmp_path / "models", trained, trained.parent / "dataset")
    assert not (tmp_path / "models").exists()


def test_no_model_is_not_registered(tmp_path: Path, trained: Path) -> None:
    export_no_model(trained / "model.onnx", "too few frames")
    with pytest.raises(ModelFileError, match="too few frames"):
        register_model(tmp_path / "models", trained, None)
    assert not (tmp_path / "models").exists()


def test_the_first_is_promoted_if_its_dataset_does_not_leak(tmp_path: Path, trained: Path) -> None:
    models = tmp_path / "models"
    register_model(models, trained, trained.parent / "dataset", "sound")
    leaking = dataset(tmp_path / "leaking", leak=True)
    (trained / "model.onnx").touch()
    register_model(models, trained, leaking, "leaking")
    register_model(models, trained, None, "unknown")
    for name, why in (
        ("leaking", r"its dataset leaks: .* minutes apart"),
        ("unknown", "nothing is known of its dataset"),
    ):
        with pytest.raises(PromotionRefused, match=rf"{name} is not promoted: {why}.*--force"):
            promote_model(models, name, tmp_path, None, [])
        assert promoted_model(models) is None
    assert promote_model(models, "sound", tmp_path, None, []) == []
    assert promoted_model(models) == models / "sound" / "model.onnx"
    (reason,) = promote_model(models, "leaking", tmp_path, None, [], force=True)[:1]
    assert "leaks" in reason
    assert read_registry(models).promoted == "leaking"


def test_a_model_worse_on_reviewed_frames_is_refused(tmp_path: Path, trained: Path, exported: dict[str, Path]) -> None:
    models = tmp_path / "models"
    register_model(models, trained, trained.parent / "dataset", "current")
    shutil.copyfile(exported["gloomy"], trained / "model.onnx")
    register_model(models, trained, trained.parent / "dataset", "new")
    promote_model(models, "current", tmp_path, None, [])
    with pytest.raises(PromotionRefused, match="not compared with the current model"):
        promote_model(models, "new", tmp_path, None, [])
    mostly_clean = reviewed(tmp_path / "a", [("1", CLEAN), ("2", CLEAN), ("3", CONTAMINATED)])
    with pytest.raises(PromotionRefused, match="of 3 reviewed frames 1 are right, by the current one 2"):
        promote_model(models, "new", *mostly_clean)
    # What either was trained on says nothing; what is left speaks for the new one.
    seen = [("train_0.fits", CLEAN), ("val_1.fits", CLEAN), ("3", CONTAMINATED)]
    assert promote_model(models, "new", *reviewed(tmp_path / "b", seen)) == []
    assert read_registry(models).promoted == "new"
    with pytest.raises(PromotionRefused, match="no reviewed frame that neither was trained on"):
        promote_model(models, "current", *reviewed(tmp_path / "c", seen[:2]))


def test_as_good_is_good_enough() -> None:
    metadata: dict[str, Any] = {"blocks": [], "split_rule": {}}
    assert failed_gates(metadata, Comparison(5, 4, 4), has_current=True) == []
    assert failed_gates(metadata, Comparison(5, 3, 4), has_current=True)
    assert failed_gates({}, None, has_current=False)


def test_the_promoted_model_is_that_of_new_nights(tmp_path: Path, trained: Path) -> None:
    models = tmp_path / "models"
    section = {"path": None, "registry": str(models)}
    assert ready_model(section) is None
    register_model(models, trained, trained.parent / "dataset", "mine")
    assert ready_model(section) is None
    promote_model(models, "mine", tmp_path, None, [])
    assert ready_model(section) == str(models / "mine" / "model.onnx")
    own = trained / "model.onnx"
    assert ready_model({**section, "path": str(own)}) == str(own)
    with pytest.raises(ConfigError, match=r"model: path: gone\.onnx: no such file"):
        ready_model({**section, "path": "gone.onnx"})
    (models / "mine" / "model.onnx").unlink()
    with pytest.raises(ConfigError, match=r"model: registry: .*the promoted model is gone"):
        ready_model(section)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": "other"}', '{"format": "nebulift-registry", "version": 1, "promoted": "x", "models": {}}'],
)
def test_a_registry_that_is_none_is_named_and_left(tmp_path: Path, trained: Path, content: str) -> None:
    path = tmp_path / "models" / "registry.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(RegistryError, match=r"registry\.json: .*mend it, or move it away"):
        register_model(path.parent, trained, None)
    assert path.read_text() == content


def test_the_command_keeps_lists_shows_and_promotes(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, results = ["--registry", str(tmp_path / "models")], ["--results", str(trained.parent)]
    assert cli.main(["models", "list", *models]) == 0
    assert "no model is registered" in capsys.readouterr().out
    assert cli.main(["models", "register", *models, *results, "--name", "mine"]) == 0
    assert cli.main(["models", "promote", "mine", *models, *results]) == 0
    assert "mine decides on new nights from now on" in capsys.readouterr().out
    assert cli.main(["models", "list", *models]) == 0
    assert "* mine" in capsys.readouterr().out
    assert cli.main(["models", "show", "mine", *models]) == 0
    assert capsys.readouterr().out == (tmp_path / "models" / "mine" / "card.md").read_text()
    # Reviews that were asked for and are not there are no reason to promote without them.
    assert cli.main(["models", "register", *models, *results, "--name", "next"]) == 0
    (trained.parent / "labels.tsv").touch()
    assert cli.main(["models", "promote", "next", *models, *results, "--reviews", "gone.tsv", "--force"]) == 2
    assert "gone.tsv" in capsys.readouterr().err
    assert cli.main(["models", "show", "other", *models]) == 2
    assert "no model 'other' is registered; registered are: mine, next" in capsys.readouterr().err
