"""The whole workflow over a real Slurm with the project's profile, against the same without."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.slurm import SlurmCluster
from nebulift.simulate.night import tiny_night
from workflow.runs import PROJECT, QUICK, SPOILT_NIGHT, Run, contents

ON_SLURM = (
    *("--profile", str(PROJECT / "profiles" / "slurm")),
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
)


@pytest.fixture
def season(tmp_path: Path) -> Callable[[], Run]:
    """Give a function that starts anew, always in the same place: a folder with two small nights."""
    for number, recipes in enumerate((SPOILT_NIGHT, SPOILT_NIGHT[:4]), start=1):
        tiny_night(tmp_path / f"night-{number}", frames=len(recipes), seed=number, recipes=recipes)

    def anew() -> Run:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        nights = {f"n{number}": str(tmp_path / f"night-{number}") for number in (1, 2)}
        return Run(tmp_path / "run").configure({"nights": nights} | QUICK)

    return anew


def test_the_tables_are_those_of_a_run_on_one_machine(slurm: SlurmCluster, season: Callable[[], Run]) -> None:
    here = season()
    here.succeed()
    expected = contents(here.tables())
    before = set(slurm.jobs("all"))

    run = season()
    outcome = run.succeed(cores=4, options=ON_SLURM)
    tables = contents(run.tables())
    assert tables.keys() == expected.keys()
    # A journal tells when frames were placed.
    assert [name for name in tables if tables[name] != expected[name] and not name.endswith("journal.tsv")] == []
    # Four chunks, two predictions and the training went through Slurm; what is small did not.
    assert outcome.jobs["score_chunk"] == 4
    assert len(set(slurm.jobs("all")) - before) == 4 + 2 + 1
    assert run(options=ON_SLURM, cores=4).nothing_to_do


def test_a_job_beyond_its_memory_is_handed_in_again_with_more(slurm: SlurmCluster, season: Callable[[], Run]) -> None:
    before = set(slurm.jobs("all"))
    # Four processes that score take more than 200 MB together, and much less than 4000.
    little = ("--set-resources", "score_chunk:mem_mb=200 if attempt == 1 else 4000")
    outcome = season().succeed("results/scores/n2.tsv", cores=4, options=(*ON_SLURM, *little))
    assert outcome.jobs["score_chunk"] == 1
    jobs = ",".join(set(slurm.jobs("all")) - before)
    # Slurm calls a job that it killed for its memory out of memory or just failed.
    ended = slurm.ask("squeue", "-h", "-S", "i", "-j", jobs, "-t", "all", "-o", "%m %T").split()
    assert ended[0::2] == ["200M", "4000M"], outcome.output
    assert ended[1] in ("OUT_OF_MEMORY", "FAILED") and ended[3] == "COMPLETED"
    assert "Trying to restart job" in outcome.output
