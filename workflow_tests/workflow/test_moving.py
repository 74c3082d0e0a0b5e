"""Sorting by moving: no frame is lost, none is scored twice, and all of it can be undone."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.runs import QUICK, SPOILT_NIGHT, KeptRuns, Run

FRAMES = sorted([*(f"light_{number:04d}.fits" for number in range(1, 10)), "later/light_0001.fits"])


@pytest.fixture(scope="module")
def moved_once(kept_runs: KeptRuns, make_night: Callable[..., Path]) -> str:
    """Move the frames of a night that holds one name twice; the rules decide, because training needs more frames."""
    kept_runs.clear()
    night = kept_runs.stage / "night"
    shutil.copytree(make_night(recipes=SPOILT_NIGHT), night)
    (night / "later").mkdir()
    shutil.copy2(make_night(seed=6) / "light_0002.fits", night / "later" / "light_0001.fits")
    settings = {"nights": {"n": "../night"}, "sort": {"mode": "move", "destination": "~/sorted"}}
    run = Run(kept_runs.stage / "run").configure(
        settings | QUICK | {"chunk_size": 32, "train": {"minimum_per_class": 1000}}
    )
    shutil.copytree(night, kept_runs.stage / "originals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(kept_runs.stage))
        run.succeed("sorted")
    kept_runs.keep("moved")
    return "moved"


@pytest.fixture
def moved(kept_runs: KeptRuns, moved_once: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a run whose frames have been moved to ~/sorted."""
    monkeypatch.setenv("HOME", str(kept_runs.stage))
    return kept_runs.put_back(moved_once)


def lying_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.fits")}


def assert_all_are_sorted(run: Run) -> None:
    """Every frame lies, unchanged, where the table says, in the folder of its decision, and nowhere else."""
    sorted_night = run.folder.parent / "sorted" / "n"
    assert lying_in(run.folder.parent / "night") == {}
    originals = lying_in(run.folder.parent / "originals")
    rows = run.table("sorted/n.tsv", "sorted")
    assert sorted(row["frame"] for row in rows) == FRAMES
    for row in rows:
        place = Path(row["sorted_path"])
        assert place.resolve() == (sorted_night / row["decision"] / row["frame"]).resolve()
        assert not place.is_symlink()
        assert place.read_bytes() == originals[row["frame"]]
    assert len(lying_in(sorted_night)) == len(FRAMES)
    assert {row["decision"] for row in rows} >= {"clean", "contaminated"}


def undo(run: Run) -> None:
    command = [sys.executable, "-m", "nebulift", "undo-sort", str(run.folder.parent / "sorted" / "n")]
    done = subprocess.run(
        command, cwd=run.folder, env={"PYTHONPATH": str(run.project / "scripts")}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(FRAMES)} moved frames are back" in done.stdout


def test_moved_frames_lie_unchanged_in_the_folders_of_their_decision(moved: Run) -> None:
    assert_all_are_sorted(moved)


def test_further_runs_lose_nothing_and_score_nothing(moved: Run) -> None:
    outcome = moved.succeed("sorted")
    assert outcome.scored_and_reused in ((0, 0), (0, len(FRAMES)))
    for kind in ("scores", "labels", "predictions"):
        assert sorted(moved.frames(f"{kind}/n.tsv", kind)) == FRAMES
    assert_all_are_sorted(moved)
    assert moved("sorted").nothing_to_do


def test_a_new_frame_is_moved_to_the_others_and_a_persons_word_moves_a_moved_one(
    moved: Run, make_night: Callable[..., Path]
) -> None:
    night, sorted_night = moved.folder.parent / "night", moved.folder.parent / "sorted" / "n"
    night.mkdir(exist_ok=True)
    shutil.copy2(make_night(seed=7) / "light_0001.fits", night / "light_0010.fits")
    (moved.folder / "reviews").mkdir()
    (moved.folder / "reviews" / "n.tsv").write_text("frame\tlabel\nlight_0002.fits\tclean\n")
    assert moved.succeed("sorted").scored == ["light_0010.fits"]
    (row,) = (row for row in moved.table("sorted/n.tsv", "sorted") if row["frame"] == "light_0010.fits")
    assert Path(row["sorted_path"]).read_bytes() == (make_night(seed=7) / "light_0001.fits").read_bytes()
    original = moved.folder.parent / "originals" / "light_0002.fits"
    assert (sorted_night / "clean" / "light_0002.fits").read_bytes() == original.read_bytes()
    assert lying_in(night) == {}
    assert len(lying_in(sorted_night)) == len(FRAMES) + 1


def test_moving_is_undone_and_a_run_with_links_follows(moved: Run) -> None:
    night, originals = moved.folder.parent / "night", lying_in(moved.folder.parent / "originals")
    undo(moved)
    assert lying_in(night) == originals
    assert lying_in(moved.folder.parent / "sorted") == {}

    moved.change(sort={"mode": "link", "destination": None})
    assert moved.succeed("sorted").scored == []
    assert lying_in(night) == originals
    for row in moved.table("sorted/n.tsv", "sorted"):
        assert Path(row["sorted_path"]).is_symlink()
        assert Path(row["sorted_path"]).samefile(night / row["frame"])
    assert moved("sorted").nothing_to_do


def test_what_was_undone_is_moved_again_when_asked(moved: Run) -> None:
    undo(moved)
    assert moved.succeed("sorted", options=("--forcerun", "sort_night")).scored == []
    assert_all_are_sorted(moved)
