"""The command: options in both spellings, help, and messages instead of tracebacks."""

from pathlib import Path
from typing import Any

import pytest

from nebulift import cli, ml_model
from nebulift.simulate.night import tiny_night


def test_the_promised_command_reaches_the_pipeline_word_for_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def pipeline(**arguments: Any) -> dict[str, Any]:
        given.update(arguments)
        return {
            "dataset_dir": "datasets/d",
            "model_path": "models/q.pth",
            "dataset_stats": {
                "training_samples": 40,
                "validation_samples": 10,
                "left_out_in_margins": 4,
                "review_files": 3,
            },
            "final_metrics": {"trained": True, "best_val_accuracy": 97.5},
        }

    monkeypatch.setattr(ml_model, "complete_training_pipeline", pipeline)
    line = (
        "train-from-fits DIR --model_output models/q.pth --dataset_dir datasets/d --epochs 50"
        " --batch_size 16 --clean_threshold 0.8 --contaminated_threshold 0.2"
    )
    assert cli.main(line.split()) == 0
    assert given["fits_directory"] == Path("DIR")
    assert given["model_output_path"] == Path("models/q.pth")
    assert given["dataset_output_dir"] == Path("datasets/d")
    assert (given["epochs"], given["batch_size"]) == (50, 16)
    assert (given["clean_threshold"], given["contaminated_threshold"]) == (0.8, 0.2)
    assert "97.5 %" in capsys.readouterr().out
    with_underscores = dict(given)
    assert cli.main(line.replace("_", "-").split()) == 0
    assert given == with_underscores


def test_values_keep_their_underscores() -> None:
    chosen = cli.build_parser().parse_args(
        [cli._with_hyphens(a) for a in ["train-from-fits", "my_dir", "--model_output=a_b.pth"]]
    )
    assert (chosen.directory, chosen.model_output) == (Path("my_dir"), Path("a_b.pth"))


@pytest.mark.parametrize(
    "command",
    ["analyze", "train-from-fits", "evaluate", "calibrate", "models", "simulate", "undo-sort", "merge-labels"],
)
def test_help_explains_each_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    parser = cli.build_parser()
    (commands,) = (action for action in parser._actions if action.nargs == "A...")
    assert commands.choices is not None
    for action in commands.choices[command]._actions:  # type: ignore[call-overload]
        assert action.help, action
    assert "usage: nebulift " + command in text


def test_wrong_thresholds_are_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_night(tmp_path / "night", frames=2)
    line = ["train-from-fits", str(tmp_path / "night"), "--dataset-dir", str(tmp_path / "d")]
    assert cli.main([*line, "--clean-threshold", "0.2", "--contaminated-threshold", "0.8"]) == 2
    error = capsys.readouterr().err
    assert "contaminated_threshold (0.8) must be lower than label: clean_threshold (0.2)" in error
    assert "Traceback" not in error


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train-from-fits", str(tmp_path / "nowhere"), "--dataset-dir", str(tmp_path / "d")]
    assert cli.main(line) == 2
    assert "nowhere" in capsys.readouterr().err


def test_undo_sort_of_a_folder_without_journal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["undo-sort", str(tmp_path)]) == 2
    assert "journal.tsv" in capsys.readouterr().err


def test_simulate_writes_nights_and_their_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--width-px", "200", "--height-px", "150"]
    assert cli.main(["simulate", str(tmp_path), "--nights", "2", "--frames", "3", *size]) == 0
    assert len(list(tmp_path.glob("*/*.fits"))) == 6
    assert (tmp_path / "truth.tsv").is_file()
    assert "truth.tsv" in capsys.readouterr().out
