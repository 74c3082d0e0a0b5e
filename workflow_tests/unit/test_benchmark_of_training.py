"""The benchmark of training: its tables say what its records say, and what was measured is not measured again."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.training import channels, command, inference, pace, starts, verdicts
from benchmarks.training.nights import FIRST_SEED
from benchmarks.training.records import Plan, Record
from nebulift.simulate.night import tiny_night


def started(weights: str, seed: int, accuracy: float, auc: float) -> Record:
    return {"set_up": "a", "weights": weights, "seed": seed, "frames": 120, "accuracy": accuracy, "auc": auc}


def test_the_gain_is_that_of_pairs_of_the_same_seed() -> None:
    records = [started("none", seed, 0.5 + 0.1 * seed, 0.6) for seed in range(3)]
    records += [started("nebulift", seed, 0.6 + 0.1 * seed, 0.65) for seed in (2, 0, 1)]
    page, _ = starts.text(records)
    gains = [line for line in page.splitlines() if "| gain" in line]
    # Seeds differ, but the gain is the same in each.
    assert "10.0 %" in gains[0] and "10.0 to 10.0 %" in gains[0]
    assert "0.050" in gains[1]
    assert next(line for line in page.splitlines() if "our weights" in line).count("70.0 %") == 1


def decided(truth: str, rules: str, p_clean: float, decision: str, **other: Any) -> Record:
    return {
        "kind": "simulated", "night": "n", "frame": "f", "truth": truth, "rules": rules, "p_clean": p_clean,
        "decision": decision, "by_probability": decision, "decided_by": "cv",
        "artifacts": "none", "note": "", "flipped": 0.0, **other,
    }  # fmt: skip


def line_of(page: str, name: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_decisions_rules_and_model_are_counted_apart() -> None:
    records = [decided("clean", "clean", 0.95, "clean") for _ in range(6)]
    records += [decided("contaminated", "contaminated", 0.05, "contaminated") for _ in range(2)]
    records.append(decided("contaminated", "review", 0.02, "contaminated"))
    records.append(decided("contaminated", "review", 0.6, "review"))
    page, judged = verdicts.text(records)
    assert line_of(page, "decisions right")[1:3] == ["9, 100 %", "9"]
    assert line_of(page, "frames left in review")[1:3] == ["1, 10.0 %", "10"]
    assert line_of(page, "rules alone: right")[1:3] == ["8, 100 %", "8"]
    assert line_of(page, "model alone: right")[1:3] == ["9, 90.0 %", "10"]
    assert line_of(page, "of what the rules left open, settled")[1:3] == ["1, 50.0 %", "2"]
    assert line_of(page, "of what the rules left open, settled")[-1] == "missed"
    assert line_of(page, "model alone: area under the ROC curve")[1] == "1.0000"
    assert (judged.count(True), judged.count(False)) == (3, 2)
    assert "The folder of real frames was not there." in page


def test_what_flipped_labels_cost_is_told_in_points() -> None:
    plain = [decided("clean", "clean", 0.9, "clean"), decided("contaminated", "contaminated", 0.1, "contaminated")]
    flipped = [one | {"flipped": 0.2} for one in (plain[0], plain[1] | {"p_clean": 0.7})]
    page, _ = verdicts.text([*plain, *flipped])
    cells = line_of(page, "points that the model loses with 20 % of the training labels flipped")
    assert cells[1] == "50.0000" and cells[-1] == "missed"


def test_every_real_frame_called_otherwise_is_listed() -> None:
    real = [
        decided("clean", "clean", 0.9, "clean", kind="real", frame="right.fits"),
        decided("clean", "clean", 0.2, "clean", kind="real", frame="model.fits"),
        decided("contaminated", "clean", 0.1, "clean", kind="real", frame="workflow.fits"),
        decided("contaminated", "review", 0.1, "review", kind="real", frame="open.fits"),
    ]
    page, _ = verdicts.text([decided("clean", "clean", 0.9, "clean"), *real])
    assert "All 2 frames that the workflow or the model alone calls otherwise:" in page
    assert "model.fits" in page and "workflow.fits" in page
    assert "right.fits" not in page and "open.fits" not in page


def test_labels_are_flipped_to_the_other_class_and_only_so_many() -> None:
    rows = [{"label": "clean"}] * 15 + [{"label": "contaminated"}] * 5 + [{"label": "review"}] * 5
    changed = [
        (before["label"], after["label"])
        for before, after in zip(rows, verdicts._flipped(rows, 0.2), strict=True)
        if before != after
    ]
    assert len(changed) == 4
    assert set(changed) <= {("clean", "contaminated"), ("contaminated", "clean")}
    assert verdicts._flipped(rows, 0.0) == rows


def test_the_pace_is_a_ratio_and_the_same_accuracy_a_target() -> None:
    ours, plain = {"epochs_per_hour": 500.0, "right": 0.9}, {"epochs_per_hour": 40.0, "right": 0.91}
    page, judged = pace.text([{"frames": 100, "asked": 100, "ours": ours, "plain": plain}])
    assert line_of(page, "times faster")[1] == "12.5"
    assert judged == [True, False]


def test_each_runtime_is_held_against_torch() -> None:
    asked = {"frames": 4, "torch": {"seconds": 0.03, "clean": [1, 0, 1, 0]}}
    asked["onnx"] = {"seconds": 0.01, "clean": [1, 0, 1, 0]}
    asked["int8"] = {"seconds": 0.005, "clean": [1, 0, 1, 1]}
    page, judged = inference.text([asked])
    assert line_of(page, "ONNX Runtime")[1:] == ["10.0 ms", "3.00", "100.0 %"]
    assert line_of(page, "ONNX Runtime, int8")[2:] == ["6.00", "75.0 %"]
    assert judged == [True, True]


def test_channels_that_are_not_shown_are_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(channels, "read_preview", lambda _: np.full((4, 4, 3), 7, np.uint8))
    assert channels._with_channels((0, 2))(Path("a.png"))[0, 0].tolist() == [7, 0, 7]


def test_what_was_measured_is_not_measured_again_and_what_failed_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int]] = []

    def observe(task: Record, _: Path) -> list[Record]:
        asked.append((task["weights"], task["seed"]))
        if len(asked) == 2:
            raise RuntimeError("the disk is gone")
        return [started(task["weights"], task["seed"], 0.7, 0.8)]

    monkeypatch.setattr(starts, "observe", observe)
    page = tmp_path / "page.md"
    line = ["--output", str(tmp_path / "kept"), "--page", str(page), "--only", "starts", "--quick", "--workers", "1"]
    assert command.main(line) == 0
    assert asked == [(weights, seed) for seed in (0, 1) for weights in starts.STARTS]
    assert "the disk is gone" in capsys.readouterr().err
    assert "1 of 4 pieces are missing: run the command again" in page.read_text(encoding="utf-8")
    assert command.main(line) == 0
    assert asked[4:] == [("none", 0)]
    assert command.main(line) == 0
    assert len(asked) == 5
    text = page.read_text(encoding="utf-8")
    assert text.count("## Training") == 1
    assert "| gain" in text and "missing" not in text


def test_the_halves_share_no_night() -> None:
    tasks = {half: [task for one in command.EXPERIMENTS.values() for task in one.tasks(Plan(half))] for half in
             ("development", "test")}  # fmt: skip
    assert all(task["half"] == half for half, some in tasks.items() for task in some)
    # Seeds are counted up from the first of a half, by less than lies between the two.
    first, second = (FIRST_SEED[half] for half in ("development", "test"))
    assert abs(first - second) >= 1_000_000


def test_the_plain_loop_learns_from_files_and_is_asked_about_others(tmp_path: Path) -> None:
    night = tiny_night(tmp_path, frames=6, seed=1)
    files = sorted(tmp_path.glob("*.fits"))
    assert len(files) == len(night)
    record = pace._plain(files[:4], [0, 1, 0, 1], files[4:], [0, 1], epochs=1)
    assert record["epochs_per_hour"] > 0 and record["right"] in (0.0, 0.5, 1.0)
