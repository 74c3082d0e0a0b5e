"""Nights of small frames, and finished runs that tests begin with."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nebulift.simulate.night import tiny_night
from nebulift.simulate.recipe import FrameRecipe
from workflow.runs import CLEAN, QUICK, SPOILT_NIGHT, KeptRuns, Run, copy_project


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
def kept_runs(tmp_path_factory: pytest.TempPathFactory) -> KeptRuns:
    return KeptRuns(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def stages(kept_runs: KeptRuns) -> dict[str, set[str]]:
    """Keep what lay in results after a run up to each target, filled in by the fixtures that run."""
    return {}


@pytest.fixture(scope="session")
def graded_once(kept_runs: KeptRuns, make_night: Callable[..., Path], stages: dict[str, set[str]]) -> str:
    """Grade three nights up to the dataset: a of 9 frames in 3 chunks, b and c of 4 frames."""
    kept_runs.clear()
    made = {"a": make_night(recipes=SPOILT_NIGHT), "b": make_night(seed=2), "c": make_night(seed=3)}
    for name, frames in made.items():
        shutil.copytree(frames, kept_runs.stage / "nights" / name)
    run = Run(kept_runs.stage / "run")
    run.configure({"nights": {name: str(kept_runs.stage / "nights" / name) for name in made}} | QUICK)
    assert run.succeed("labels").scored_and_reused == (17, 0)
    stages["labels"] = run.made()
    run.succeed("dataset")
    stages["dataset"] = run.made()
    kept_runs.keep("graded")
    return "graded"


@pytest.fixture(scope="session")
def finished_once(kept_runs: KeptRuns, graded_once: str, stages: dict[str, set[str]]) -> str:
    """Bring the three graded nights to the end."""
    run = kept_runs.put_back(graded_once)
    for target in ("model", "sorted"):
        run.succeed(target)
        stages[target] = run.made()
    run.succeed()
    stages[""] = run.made()
    kept_runs.keep("finished")
    return "finished"


@pytest.fixture
def graded(kept_runs: KeptRuns, graded_once: str) -> Run:
    """Give a run that graded three nights up to the dataset."""
    return kept_runs.put_back(graded_once)


@pytest.fixture
def finished(kept_runs: KeptRuns, finished_once: str) -> Run:
    """Give a run that graded and sorted three nights."""
    return kept_runs.put_back(finished_once)


@pytest.fixture
def nights(kept_runs: KeptRuns) -> Path:
    """Give the folder of the nights that `graded` and `finished` are about."""
    return kept_runs.stage / "nights"


@pytest.fixture
def new_run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")
