"""Nights of small frames, and finished runs that tests begin with."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from nebulift.simulate.night import tiny_night
from nebulift.simulate.recipe import FrameRecipe, Trail
from workflow.runs import QUICK, Run, copy_project

CLEAN = FrameRecipe()
STREAK = FrameRecipe(trails=(Trail.across(30.0, 5.0, (200, 150), 60.0),))
CLOUD = FrameRecipe(transparency=0.3)
# Satellites and clouds on both sides of the split, so that a model can be trained.
SPOILT_NIGHT = (CLEAN, STREAK, CLEAN, CLOUD, CLEAN, CLEAN, STREAK, CLEAN, CLOUD)


@pytest.fixture(scope="session")
def make_night(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that returns a folder of small frames, made once for each number of frames, seed and recipes."""
    folder = tmp_path_factory.mktemp("nights")
    made: dict[tuple[int, tuple[FrameRecipe, ...]], Path] = {}

    def make(frames: int = 4, seed: int = 1, recipes: Sequence[FrameRecipe] = ()) -> Path:
        recipes = tuple(recipes) or (CLEAN,) * frames
        if (seed, recipes) not in made:
            made[seed, recipes] = folder / f"night-{len(made)}"
            tiny_night(made[seed, recipes], frames=len(recipes), seed=seed, recipes=recipes)
        return made[seed, recipes]

    return make


@pytest.fixture(scope="session")
def kept_runs(tmp_path_factory: pytest.TempPathFactory) -> "KeptRuns":
    return KeptRuns(tmp_path_factory.mktemp("stage"))


class KeptRuns:
    """Finished runs with their nights, put back at the very same place for each test: Snakemake knows files by path."""

    def __init__(self, folder: Path) -> None:
        self.stage = folder / "stage"
        self.kept = folder / "kept"

    def keep(self, name: str) -> None:
        shutil.copytree(self.stage, self.kept / name, symlinks=True)

    def put_back(self, name: str) -> Run:
        self.clear()
        shutil.copytree(self.kept / name, self.stage, symlinks=True)
        return Run(self.stage / "run")

    def clear(self) -> None:
        if self.stage.exists():
            shutil.rmtree(self.stage)


@pytest.fixture(scope="session")
def graded_once(kept_runs: KeptRuns, make_night: Callable[..., Path]) -> str:
    """Grade three nights up to the dataset: a of 9 frames in 3 chunks, b and c of 4 frames."""
    kept_runs.clear()
    nights = {"a": make_night(recipes=SPOILT_NIGHT), "b": make_night(seed=2), "c": make_night(seed=3)}
    for name, frames in nights.items():
        shutil.copytree(frames, kept_runs.stage / "nights" / name)
    run = Run(kept_runs.stage / "run").configure({"nights": {name: f"../nights/{name}" for name in nights}} | QUICK)
    outcome = run.succeed("dataset")
    assert outcome.scored_and_reused == (17, 0)
    kept_runs.keep("graded")
    return "graded"


@pytest.fixture
def graded(kept_runs: KeptRuns, graded_once: str) -> Iterator[Run]:
    """Give a run that graded three nights up to the dataset; its nights lie in ../nights."""
    yield kept_runs.put_back(graded_once)


@pytest.fixture
def nights(graded: Run) -> Path:
    """Give the folder of the nights that `graded` graded."""
    return graded.folder.parent / "nights"


@pytest.fixture
def new_run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")
