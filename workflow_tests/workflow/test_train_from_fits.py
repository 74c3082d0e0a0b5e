"""The promised command and Python function, by real runs of the workflow behind them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nebulift.ml_model import complete_training_pipeline
from nebulift.model.checkpoint import load_model
from nebulift.model.onnx_file import load_onnx_model
from nebulift.simulate.night import tiny_night
from nebulift.simulate.recipe import FrameRecipe, Trail
from workflow.runs import CLEAN

# Snakemake leaves a file of its own open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty small frames, every third one crossed by a trail of its own: one that stays would be the camera's."""
    folder = tmp_path_factory.mktemp("season") / "night one"
    trails = [Trail.across(11.0 + 8 * index, index - 10.0, (200, 150), peak_sigma=60.0) for index in range(20)]
    recipes = [CLEAN if index % 3 else FrameRecipe(trails=(trails[index // 3],)) for index in range(60)]
    tiny_night(folder, frames=60, seed=2, recipes=recipes)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(frames: Path, home: Path) -> subprocess.CompletedProcess[str]:
    line = (
        f"train-from-fits|{frames}|--model_output|models/q.pth|--dataset_dir|datasets/d|--epochs|1"
        "|--batch_size|16|--clean_threshold|0.8|--contaminated_threshold|0.2|--weights|imagenet"
    )
    return subprocess.run(
        [sys.executable, "-m", "nebulift", *line.split("|")],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        # No address answers there: ImageNet's weights cannot be had, and the command still comes to its end.
        env={**os.environ, "TORCH_HOME": str(home / "torch"), "https_proxy": "http://127.0.0.1:9"},
    )


def test_the_command_ends_with_a_model_and_a_dataset(
    trained: subprocess.CompletedProcess[str], home: Path, frames: Path
) -> None:
    assert trained.returncode == 0, trained.stderr
    assert "% of the validation frames right: models/q.pth" in trained.stdout
    assert load_model(home / "models" / "q.pth").description.weights == "none"
    assert load_onnx_model(home / "models" / "q.onnx").description == load_model(home / "models" / "q.pth").description
    folder = home / "datasets" / "d"
    links = [link for side in ("train", "val", "review") for link in (folder / side).rglob("*.fits")]
    # What was taken near to frames that validate is on no side; it is counted, not lost.
    in_margins = json.loads((folder / "metadata.json").read_text())["left_out_in_margins"]
    assert 0 < in_margins < 15
    assert len(links) + in_margins == 60
    assert {link.parts[len(folder.parts)] for link in links} >= {"train", "val"}
    assert all(link.is_symlink() and link.resolve().parent == frames for link in links)
    assert not (home / "results").exists()


def test_missing_imagenet_weights_are_told(trained: subprocess.CompletedProcess[str]) -> None:
    assert "ImageNet weights could not be downloaded" in trained.stderr


def test_the_function_gives_what_was_promised_and_does_nothing_twice(
    trained: subprocess.CompletedProcess[str], home: Path, frames: Path
) -> None:
    assert trained.returncode == 0
    folder = home / "datasets" / "d" / "run" / "results"
    scored = {path: path.stat().st_mtime_ns for path in (folder / "scores").rglob("*.tsv")}
    results = complete_training_pipeline(
        fits_directory=frames,
        model_output_path=home / "models" / "other.pth",
        dataset_output_dir=home / "datasets" / "d",
        epochs=2,
        batch_size=32,
        clean_threshold=0.75,
        contaminated_threshold=0.25,
        weights="none",
        cores=2,
    )
    assert 0 <= results["final_metrics"]["best_val_accuracy"] <= 100
    stats = results["dataset_stats"]
    on_a_side = stats["training_samples"] + stats["validation_samples"] + stats["review_files"]
    assert on_a_side + stats["left_out_in_margins"] == 60
    assert stats["training_samples"] > stats["validation_samples"] > 0
    assert stats["review_files"] == sum(stats["counts"]["review"].values()) < 30
    assert len(results["history"]) == 2
    assert (home / "models" / "other.pth").is_file()
    assert {path: path.stat().st_mtime_ns for path in (folder / "scores").rglob("*.tsv")} == scored


def test_too_few_frames_are_explained(tmp_path: Path) -> None:
    tiny_night(tmp_path / "night", frames=6)
    results = complete_training_pipeline(tmp_path / "night", tmp_path / "m.pth", tmp_path / "d", weights="none")
    assert results["final_metrics"]["best_val_accuracy"] is None
    assert "0 contaminated" in results["final_metrics"]["reason"]
    assert results["model_path"] is None
    assert not (tmp_path / "m.pth").exists()


def test_a_folder_with_files_of_others_is_not_touched(tmp_path: Path) -> None:
    tiny_night(tmp_path / "night", frames=2)
    foreign = tmp_path / "d" / "train" / "mine.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("keep me")
    with pytest.raises(OSError, match=r"mine\.txt.*not a link made by Nebulift"):
        complete_training_pipeline(tmp_path / "night", tmp_path / "m.pth", tmp_path / "d")
    assert foreign.read_text() == "keep me"
