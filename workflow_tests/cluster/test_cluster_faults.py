"""Nodes that die, jobs that never end, a controller that is started anew, and Snakemake killed while Slurm works."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.slurm import SlurmCluster
from nebulift.simulate.night import tiny_night
from workflow.runs import PROJECT, QUICK, SPOILT_NIGHT, Run, contents, finish

ON_SLURM = (
    *("--profile", str(PROJECT / "profiles" / "slurm")),
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
)
SCRIPT = ".score_chunk.py"
LONG_S = 400.0


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nights")
    tiny_night(folder / "n1", frames=len(SPOILT_NIGHT), seed=1, recipes=SPOILT_NIGHT)
    return folder


@pytest.fixture(scope="module")
def undisturbed(nights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Give the tables of a run on this machine alone."""
    run = Run(tmp_path_factory.mktemp("undisturbed")).configure({"nights": {"n1": str(nights / "n1")}} | QUICK)
    run.succeed("labels")
    return contents(run.tables())


@pytest.fixture
def run(tmp_path: Path, nights: Path) -> Run:
    return Run(tmp_path / "run").configure({"nights": {"n1": str(nights / "n1")}} | QUICK)


@contextlib.contextmanager
def started(run: Run, *options: str, target: str = "labels") -> Iterator["subprocess.Popen[str]"]:
    """Start a run over Slurm; whatever happens it is gone afterwards."""
    process = run.start(target, cores=4, options=(*ON_SLURM, *options))
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until_scoring(slurm: SlurmCluster, jobs: int = 1) -> dict[str, str]:
    """Wait until that many jobs measure frames; give the node of each."""
    found: dict[str, str] = {}

    def scoring() -> bool:
        found.clear()
        found.update({job: node for job, node in slurm.running().items() if slurm.processes_of(job, SCRIPT)})
        return len(found) >= jobs

    slurm.wait(scoring, f"{jobs} jobs score", LONG_S)
    return found


def test_jobs_of_a_node_that_dies_are_done_again(slurm: SlurmCluster, run: Run, undisturbed: dict[str, bytes]) -> None:
    with started(run) as process:
        job, node = next(iter(wait_until_scoring(slurm).items()))
        slurm.crash_node(node)
        slurm.wait(lambda: "down" in slurm.states()[node], "the node counts as down", LONG_S)
        code, output = finish(process, LONG_S)
    try:
        assert code == 0, output
        assert contents(run.tables()) == undisturbed
        assert slurm.ask("squeue", "-h", "-j", job, "-t", "all", "-o", "%T %N").split() != ["COMPLETED", node]
    finally:
        slurm.start_node(node)


def test_the_controller_may_be_started_anew(slurm: SlurmCluster, run: Run, undisturbed: dict[str, bytes]) -> None:
    with started(run) as process:
        wait_until_scoring(slurm)
        slurm.kill_controller()
        assert slurm.states() == {}
        slurm.start_controller()
        code, output = finish(process, LONG_S)
    assert code == 0, output
    assert contents(run.tables()) == undisturbed


def test_a_job_beyond_its_time_is_handed_in_again_with_more(slurm: SlurmCluster, run: Run) -> None:
    before = set(slurm.jobs("all"))
    with started(
        run, "--set-resources", "score_chunk:runtime=1 * attempt", target="results/scores/n1/0000.tsv"
    ) as process:
        (job,) = wait_until_scoring(slurm)
        assert slurm.ask("squeue", "-h", "-j", job, "-o", "%l").strip() == "1:00"
        for number in slurm.processes_of(job, SCRIPT):
            os.kill(number, signal.SIGSTOP)
        slurm.wait(lambda: job not in slurm.jobs(), "the job is ended", LONG_S)
        code, output = finish(process, LONG_S)
    assert code == 0, output
    (again,) = set(slurm.jobs("all")) - before - {job}
    assert slurm.ask("squeue", "-h", "-S", "i", "-j", f"{job},{again}", "-t", "all", "-o", "%T %l").split() == [
        *("TIMEOUT", "1:00"),
        *("COMPLETED", "2:00"),
    ]
    assert "TIMEOUT" in output and "Trying to restart job" in output


def test_a_job_for_which_no_memory_is_enough_is_named(slurm: SlurmCluster, run: Run) -> None:
    before = set(slurm.jobs("all"))
    outcome = run("labels", cores=4, options=(*ON_SLURM, "--retries", "1", "--set-resources", "score_chunk:mem_mb=100"))
    assert outcome.code != 0
    assert len(set(slurm.jobs("all")) - before) == 3 * 2
    assert "Error in rule score_chunk" in outcome.output
    assert "results/scores/n1/0002.tsv" in outcome.output
    assert "SLURM-job" in outcome.output and "failed" in outcome.output
    assert run.succeed("labels", cores=4, options=ON_SLURM).jobs["score_chunk"] == 3


def kept_chunks(run: Run) -> set[str]:
    return {name for name in run.tables("scores") if "/" in name}


def test_ctrl_c_cancels_the_jobs_and_the_next_run_goes_on(
    slurm: SlurmCluster, run: Run, undisturbed: dict[str, bytes]
) -> None:
    run.succeed("results/scores/n1/0001.tsv", cores=4, options=ON_SLURM)
    with started(run) as process:
        wait_until_scoring(slurm, 2)
        os.killpg(process.pid, signal.SIGINT)
        code, output = finish(process, LONG_S)
    assert code != 0
    slurm.wait(lambda: slurm.jobs() == [], "all jobs are cancelled")
    assert kept_chunks(run) == {"n1/0001.tsv"}, output
    outcome = run.succeed("labels", cores=4, options=ON_SLURM)
    assert outcome.jobs["score_chunk"] == 2
    assert contents(run.tables()) == undisturbed


def test_after_snakemake_was_killed_its_jobs_are_cancelled_and_the_next_run_goes_on(
    slurm: SlurmCluster, run: Run, undisturbed: dict[str, bytes]
) -> None:
    run.succeed("results/scores/n1/0001.tsv", cores=4, options=ON_SLURM)
    with started(run) as process:
        orphans = wait_until_scoring(slurm, 2)
        for job in orphans:  # else they might end before the next run begins
            for number in slurm.processes_of(job, SCRIPT):
                os.kill(number, signal.SIGSTOP)
        os.killpg(process.pid, signal.SIGKILL)
    assert set(slurm.jobs()) == set(orphans)
    outcome = run.succeed("labels", cores=4, options=ON_SLURM)
    assert f"Jobs that Slurm still had of it are cancelled: {', '.join(sorted(orphans))}" in outcome.output
    assert outcome.jobs["score_chunk"] == 2
    assert contents(run.tables()) == undisturbed
