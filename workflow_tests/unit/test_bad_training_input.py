"""What training cannot use, and what befalls it: a clear sentence each, and nothing lost that was there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nebulift.dataset.preview import write_preview
from nebulift.model import checkpoint, training
from nebulift.model.checkpoint import NoModel, load_model
from nebulift.model.examples import Previews
from nebulift.model.inference import load_any_model
from nebulift.model.network import Inputs, new_network
from nebulift.model.training import train, train_or_explain
from nebulift.model.unfinished import FILE
from nebulift.stages.train import train_model
from nebulift.tables import columns, write_table
from unit.labelled_pictures import ALL_FILES, previews, settings


def dataset(folder: Path, *frames: tuple[str, str]) -> Path:
    """Write the table of a dataset of (side, label), and its previews."""
    rows: list[dict[str, Any]] = []
    for number, (side, label) in enumerate(frames):
        preview = folder / f"{number}.png"
        write_preview(preview, np.full((224, 224, 3), number, dtype=np.uint8))
        given = {"night": "a", "frame": str(number), "split": side, "label": label, "label_source": "cv"}
        rows.append(dict.fromkeys(columns("dataset"), "") | given | {"preview_path": str(preview)})
    write_table(folder / "dataset.tsv", "dataset", rows)
    return folder / "dataset.tsv"


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        # What every frame unreadable leaves.
        ([], "too few contaminated and too few clean frames to train on: 0 contaminated and 0 clean"),
        ([("train", "clean"), ("val", "contaminated")], "0 contaminated and 1 clean, and 8 of each class are needed"),
        ([("train", "clean"), ("train", "contaminated")], "1 contaminated and 1 clean, and 8 of each class are needed"),
        ([("train", "clean")] * 20 + [("val", "clean")] * 5, "too few contaminated frames to train on: 0 contaminated"),
        (
            [("train", "clean"), ("train", "contaminated")] * 8 + [("val", "contaminated")] * 3,
            "no clean frame to validate on: 3 contaminated and 0 clean",
        ),
        ([("train", "clean"), ("train", "contaminated")] * 8, "no contaminated and no clean frame to validate on"),
        ([("review", "review")] * 9, "too few contaminated and too few clean frames"),
    ],
)
def test_frames_that_make_no_model_leave_every_file_with_the_reason(
    tmp_path: Path, frames: list[tuple[str, str]], reason: str
) -> None:
    output = tmp_path / "model"
    train_model(dataset(tmp_path, *frames), output, settings())
    assert {path.name for path in output.iterdir()} == ALL_FILES
    told = json.loads((output / "metrics.json").read_text())
    assert told["trained"] is False
    assert reason in told["reason"]
    for name in ("model.pth", "model.onnx"):
        with pytest.raises(NoModel, match="frame"):
            load_any_model(output / name)


def test_a_preview_that_is_gone_is_named(tmp_path: Path) -> None:
    table = dataset(
        tmp_path, *[("train", "clean"), ("train", "contaminated")] * 8, ("val", "clean"), ("val", "contaminated")
    )
    (tmp_path / "3.png").unlink()
    with pytest.raises(OSError, match=r"3\.png"):
        train_model(table, tmp_path / "model", settings(epochs=1))


def test_a_learning_rate_that_bursts_the_network_makes_no_model(tmp_path: Path) -> None:
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(learning_rate=1e30), tmp_path)
    assert not result.trained
    assert "lower train: learning_rate (1e+30)" in result.metrics["reason"]
    assert {path.name for path in tmp_path.iterdir()} == ALL_FILES


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    torch.save(new_network().state_dict(), tmp_path / "start.pth")
    return tmp_path / "start.pth"


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch_and_says_so(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_exported", lambda *_: {})
    how: dict[str, Any] = {"weights": str(start), "freeze": "none", "batch_size": 16, "patience": 9}
    train(previews(0, 16), previews(1000, 8), settings(epochs=9, **how), tmp_path / "unbroken")
    best = json.loads((tmp_path / "unbroken" / "metrics.json").read_text())["best_epoch"]
    whole, calls = Previews.batch, []

    def burst(self: Previews, indices: Sequence[int]) -> Inputs:
        calls.append(1)
        inputs, contexts = whole(self, indices)
        # An epoch reads one batch to train and one to validate.
        return inputs * (float("nan") if len(calls) > 2 * best else 1.0), contexts

    monkeypatch.setattr(Previews, "batch", burst)
    result = train(previews(0, 16), previews(1000, 8), settings(epochs=9, **how), tmp_path / "burst")
    assert result.metrics["stopped"] == (f"training stopped in epoch {best + 1}: the loss is no finite number any more")
    assert (result.metrics["epochs_run"], result.metrics["best_epoch"]) == (best, best)
    assert (tmp_path / "burst" / "model.pth").read_bytes() == (tmp_path / "unbroken" / "model.pth").read_bytes()
    assert all(bool(torch.isfinite(one).all()) for one in load_model(result.model).network.state_dict().values())


def test_a_disk_that_is_full_at_the_end_keeps_the_old_model_and_what_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_exported", lambda *_: {})
    frames = previews(0, 16), previews(1000, 8)
    train(*frames, settings(epochs=1, seed=1), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, *_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write", full)
        with pytest.raises(OSError, match=r"No space left on device.*model\.pth"):
            train(*frames, settings(epochs=2, seed=2), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    lines: list[str] = []
    train(*frames, settings(epochs=2, seed=2), tmp_path, lines.append)
    assert "training goes on behind epoch 2" in lines
    assert not [line for line in lines if line.startswith("epoch ")]
    assert not (tmp_path / FILE).exists()
