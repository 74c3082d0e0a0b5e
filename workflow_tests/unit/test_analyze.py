"""Grading single files: the same scores, the same decision as the workflow's, for people and for programs."""

import json
from pathlib import Path

import pytest
import torch

from nebulift import cli
from nebulift.cv_prefilter import batch_analyze_images
from nebulift.model.description import ModelDescription, ModelFileError
from nebulift.model.export import export_onnx
from nebulift.model.network import new_network
from nebulift.simulate.night import tiny_night
from nebulift.stages.analyze import analyze_files


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("night")
    tiny_night(folder, frames=4)
    (folder / "broken.fits").write_bytes(b"no frame")
    return [str(path) for path in sorted(folder.glob("*.fits"))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that calls everything clean."""
    torch.manual_seed(0)
    network = new_network().eval()
    with torch.no_grad():
        network.fc.bias.copy_(torch.tensor([0.0, 50.0]))  # type: ignore[union-attr, operator]
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(path, network, ModelDescription(1.0, "none"))
    return path


def test_files_are_graded_as_by_the_rules_and_the_model(frames: list[str], model: Path) -> None:
    alone, asked = analyze_files(frames), analyze_files(frames, {"model": {"path": str(model)}})
    labels = batch_analyze_images(frames)
    assert len(alone) == len(asked) == 5
    for row, with_model in zip(alone, asked, strict=True):
        assert {key: row[key] for key in labels[row["frame"]]} == labels[row["frame"]]
        assert row["p_clean"] is None
        readable = row["label"] != "unreadable"
        assert (with_model["p_clean"] == 1) == readable
        assert (with_model["decided_by"] == "agreement") == (row["label"] == "clean")
        assert row["decided_by"] == "cv"


def test_a_person_is_told_score_reasons_and_the_models_word(
    frames: list[str], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["analyze", *frames, "--model", str(model)]) == 0
    told = capsys.readouterr().out
    assert told.count("model: clean with probability 1.000") == 4
    assert "broken.fits: unreadable" in told
    assert "rules: clean, quality" in told


def test_a_program_is_told_everything(frames: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", *frames, "--json"]) == 0

    def none_of_json(constant: str) -> None:
        raise ValueError(constant)  # NaN, which Python alone can read

    rows = json.loads(capsys.readouterr().out, parse_constant=none_of_json)
    assert len(rows) == 5
    assert {"frame", "quality_score", "label", "reasons", "p_clean", "decision", "decided_by"} <= set(rows[0])


def test_a_model_that_cannot_be_used_is_told_before_any_frame_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"none")
    with pytest.raises(ModelFileError, match=r"model\.onnx: not a model"):
        analyze_files(["gone.fits"], {"model": {"path": str(tmp_path / "model.onnx")}})


def test_a_missing_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", "a.fits", "--model", "gone.onnx"]) == 2
    assert "model: path: gone.onnx: no such file" in capsys.readouterr().err
