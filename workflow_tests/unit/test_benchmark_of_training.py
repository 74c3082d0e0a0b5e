"""The benchmark of training: its tables say what its records say, and what was measured is not measured again."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.training import command, inference, starts


def record(weights: str, seed: int, accuracy: float, auc: float) -> dict[str, Any]:
    return {"set_up": "a", "weights": weights, "seed": seed, "frames": 120, "accuracy": accuracy, "auc": auc}


def test_the_gain_is_that_of_pairs_of_the_same_seed() -> None:
    records = [record("none", seed, 0.5 + 0.1 * seed, 0.6) for seed in range(3)]
    records += [record("nebulift", seed, 0.6 + 0.1 * seed, 0.65) for seed in (2, 0, 1)]
    lines = starts.text(records).splitlines()
    gains = [line for line in lines if "| gain" in line]
    # Seeds differ, but the gain is the same in each.
    assert "10.0 %" in gains[0] and "10.0 to 10.0 %" in gains[0]
    assert "0.050" in gains[1]
    assert next(line for line in lines if "our weights" in line).count("70.0 %") == 1


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def observe(set_up: Any, nights_seed: int, weights: str, seed: int, *_: Any) -> dict[str, Any]:
        asked.append((nights_seed, weights, seed))
        return record(weights, seed, 0.7, 0.8)

    monkeypatch.setattr(starts, "observe", observe)
    monkeypatch.setattr(
        inference, "observe", lambda frames: {"frames": frames, "torch_s": 0.3, "onnx_s": 0.1, "other": 0}
    )
    line = ["--output", str(tmp_path), "--page", str(tmp_path / "page.md"), "--seeds", "2", "--set-ups", "1"]
    assert command.main(line) == 0
    assert asked == [(5_000_000, weights, seed) for seed in (0, 1) for weights in starts.STARTS]
    assert command.main(line) == 0
    assert len(asked) == 4
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.count("## Training") == 1
    assert "| times faster" in page and "3.00" in page and "held" in page
    assert all(json.loads(path.read_text())["frames"] == 120 for path in tmp_path.glob("start-test-0-*.json"))
