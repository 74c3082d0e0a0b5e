"""Deciding on a night: what people, rules and model say becomes one word for each frame."""

import json
import os
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.dataset import preview
from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.dataset.preview_features import FEATURES
from nebulift.labels.decision import DecisionPolicy
from nebulift.labels.risk import count_calls, frames_needed
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE
from nebulift.stages import predict as stage
from nebulift.stages.predict import predict_night
from nebulift.tables import Row, TableError, read_table, write_table
from unit.builders import label_row

BY_PROBABILITY = DecisionPolicy(clean_probability=0.9, contaminated_probability=0.1, risk=1)


class FakeModel:
    """Stands for the module of inference: tells what it was asked, and says what it is told to say."""

    def __init__(self, *p_clean: float) -> None:
        self.p_clean = p_clean
        self.asked: list[Path] = []
        self.loaded: list[Path] = []
        self.model = types.SimpleNamespace(description=types.SimpleNamespace(calls=None))

    def load(self, path: Path) -> "FakeModel":
        self.loaded.append(path)
        return self

    def predict(self, previews: Sequence[Path], contexts: NDArray[np.float32]) -> list[float]:
        self.asked += previews
        self.told = contexts
        return list(self.p_clean)


def decided(
    folder: Path,
    labels: Sequence[Row],
    metrics: dict[str, Any] | None,
    model: str = "model.pth",
    policy: DecisionPolicy = BY_PROBABILITY,
) -> list[Row]:
    write_table(folder / "labels.tsv", "labels", labels)
    metrics_path = None
    if metrics is not None:
        metrics_path = folder / "metrics.json"
        metrics_path.write_text(json.dumps(metrics))
    output = folder / "predictions.tsv"
    predict_night(folder / "labels.tsv", folder / "previews", folder / model, metrics_path, output, policy)
    return read_table(output, "predictions")


@pytest.fixture(autouse=True)
def previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preview is a grey picture, but that of c.fits a bright one."""
    monkeypatch.setattr(
        preview, "read_preview", lambda path: np.full((224, 224, 3), 200 if path.name[0] == "c" else 40, np.uint8)
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*p_clean: float) -> FakeModel:
        model = FakeModel(*p_clean)
        module = types.ModuleType("nebulift.model.inference")
        module.Predictor = model  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "nebulift.model.inference", module)
        return model

    return install


def test_each_frame_is_asked_about_by_its_preview(tmp_path: Path, fake: Any) -> None:
    model = fake(0.97, 0.5, 0.0212345678)
    labels = [
        label_row("a.fits"),
        label_row("u.fits", UNREADABLE),
        label_row("b.fits", REVIEW),
        label_row("c.fits", REVIEW),
    ]
    rows = decided(tmp_path, labels, {"trained": True})
    assert model.loaded == [tmp_path / "model.pth"]
    assert model.asked == [tmp_path / "previews" / f"{name}.fits.png" for name in "abc"]
    assert [(row["frame"], row["p_clean"], row["decision"], row["decided_by"]) for row in rows] == [
        ("a.fits", 0.97, CLEAN, "agreement"),
        ("u.fits", None, UNREADABLE, "cv"),
        ("b.fits", 0.5, REVIEW, "cv"),
        ("c.fits", 0.021235, CONTAMINATED, "model"),
    ]
    assert [row["path"] for row in rows] == [row["path"] for row in labels]


def test_the_model_is_told_how_a_frame_stands_among_its_group(tmp_path: Path, fake: Any) -> None:
    model = fake(*[0.5] * 6)
    labels = [label_row(f"{name}.fits", REVIEW, group="one") for name in "abcde"]
    labels.append(label_row("f.fits", REVIEW, group="another", qualities=json.dumps({"streak_significance": 0.1})))
    decided(tmp_path, labels, None)
    assert model.told.shape == (6, CONTEXT_SIZE)
    assert model.told[:, 0].tolist() == [1, 1, 1, 1, 1, 0]
    unlike_the_group = np.abs(model.told[:, 1 : 1 + FEATURES]).max(axis=1)
    assert np.flatnonzero(unlike_the_group).tolist() == [2]
    assert (model.told[:, 1 + 2 * FEATURES] < 0).tolist() == [False] * 5 + [True]


def test_a_configured_model_needs_no_metrics(tmp_path: Path, fake: Any) -> None:
    model = fake(0.97)
    (row,) = decided(tmp_path, [label_row(label=REVIEW)], None, "other.pth")
    assert model.loaded == [tmp_path / "other.pth"]
    assert row["decided_by"] == "model"


@pytest.mark.parametrize("as_configured", [False, True])
def test_what_training_counted_tells_what_the_model_may_settle(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture, as_configured: bool
) -> None:
    """The model's file keeps the counts: what lies beside a configured model may be another's."""
    enough = count_calls([0.97] * frames_needed(0.01) + [0.3] * 20, [1] * frames_needed(0.01) + [0] * 20)
    labels = [label_row("a.fits", REVIEW), label_row("b.fits", REVIEW), label_row("c.fits", REVIEW)]
    (tmp_path / "metrics.json").write_text(json.dumps({"trained": True, "calls": count_calls([], [])}))
    fake(0.97, 0.02, 0.5).model.description.calls = enough
    rows = decided(tmp_path, labels, None if as_configured else {"trained": True}, policy=DecisionPolicy())
    assert [(row["decision"], row["decided_by"]) for row in rows] == [(CLEAN, "model"), (REVIEW, "cv"), (REVIEW, "cv")]
    assert "it calls 20 contaminated, and 339 are needed to promise that at most 1 % are not" in rows[1]["reasons"]
    assert "settles nothing as contaminated" in caplog.text
    assert "as clean" not in caplog.text


def test_counts_that_are_none_name_the_model(tmp_path: Path, fake: Any) -> None:
    fake(0.97).model.description.calls = {"probabilities": [0.9]}
    with pytest.raises(ValueError, match=r"other\.pth: the counts behind .* train again"):
        decided(tmp_path, [label_row(label=REVIEW)], None, "other.pth", DecisionPolicy())


def test_what_the_audit_has_against_a_label_is_settled_by_the_model_or_a_person(tmp_path: Path, fake: Any) -> None:
    fake(0.97, 0.5, 0.5)
    labels = [label_row(f"{name}.fits", CLEAN) for name in "abc"]
    write_table(tmp_path / "labels.tsv", "labels", labels)
    suspected = {"split": "review", "label": CLEAN, "looks_like": CONTAMINATED, "confidence": 0.1}
    rows = [
        {**suspected, "night": "2024-09-09", "frame": "a.fits", "reasons": "label audit: a"},
        {**suspected, "night": "2024-09-09", "frame": "b.fits", "reasons": "label audit: b"},
        {**suspected, "night": "another", "frame": "c.fits", "reasons": "label audit: c"},
    ]
    write_table(tmp_path / "audit.tsv", "audit", rows)
    output = tmp_path / "out.tsv"
    predict_night(
        tmp_path / "labels.tsv", tmp_path, tmp_path / "m", None, output, BY_PROBABILITY, audit=tmp_path / "audit.tsv"
    )
    assert [(row["decision"], row["decided_by"], row["reasons"]) for row in read_table(output, "predictions")] == [
        (CLEAN, "agreement", ""),
        (REVIEW, "audit", "label audit: b"),
        (CLEAN, "cv", ""),
    ]


def test_a_model_of_which_nothing_is_known_settles_nothing(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake(0.97)
    (row,) = decided(tmp_path, [label_row(label=REVIEW)], None, "other/model.pth", DecisionPolicy())
    assert row["decision"] == REVIEW
    assert "nothing is known of how often it errs" in row["reasons"]
    assert "predict: risk: 1" in caplog.text


def test_where_none_was_trained_the_rules_decide_and_the_log_says_why(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = fake()
    labels = [label_row("a.fits"), label_row("b.fits", REVIEW), label_row("c.fits", CONTAMINATED)]
    rows = decided(tmp_path, labels, {"trained": False, "reason": "3 clean frames, 8 needed"})
    assert not model.loaded
    assert [(row["p_clean"], row["decision"], row["decided_by"]) for row in rows] == [
        (None, CLEAN, "cv"),
        (None, REVIEW, "cv"),
        (None, CONTAMINATED, "cv"),
    ]
    assert "3 clean frames, 8 needed" in caplog.text


def test_without_a_model_nothing_of_torch_is_imported(tmp_path: Path) -> None:
    write_table(tmp_path / "labels.tsv", "labels", [label_row()])
    (tmp_path / "metrics.json").write_text('{"trained": false, "reason": "too few"}')
    code = """
import sys
from pathlib import Path
from nebulift.labels.decision import DecisionPolicy
from nebulift.stages.predict import predict_night
here = Path(sys.argv[1])
predict_night(here / "labels.tsv", here, here / "model", here / "metrics.json", here / "out.tsv", DecisionPolicy())
sys.exit(any(name in sys.modules for name in ("torch", "torchvision", "numpy", "scipy", "onnxruntime")))
"""
    scripts = Path(stage.__file__).parents[2]
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(scripts)}, check=False
    )
    assert finished.returncode == 0
    assert read_table(tmp_path / "out.tsv", "predictions")[0]["decision"] == CLEAN


def test_a_model_that_cannot_be_asked_keeps_the_old_decisions(tmp_path: Path, fake: Any) -> None:
    fake(0.97)
    decided(tmp_path, [label_row()], None)
    before = (tmp_path / "predictions.tsv").read_bytes()

    def broken(_: Any) -> Any:
        raise OSError("model.pth: not a model")

    fake().load = broken
    with pytest.raises(OSError, match=r"model\.pth"):
        decided(tmp_path, [label_row()], None)
    assert (tmp_path / "predictions.tsv").read_bytes() == before


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("x\n")
    with pytest.raises(TableError, match=r"labels\.tsv"):
        predict_night(tmp_path / "labels.tsv", tmp_path, tmp_path, None, tmp_path / "out.tsv", BY_PROBABILITY)
