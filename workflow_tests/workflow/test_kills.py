"""Runs that are killed or interrupted: the next one goes on, and nothing is different in the end."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow.runs import KeptRuns, Run, contents, files_below


@pytest.fixture(scope="module")
def undisturbed(kept_runs: KeptRuns, finished_once: str) -> Run:
    return Run(kept_runs.kept / finished_once / "run")


@pytest.fixture
def other(finished: Run) -> Run:
    """Give a run of the same nights in a folder of its own, in which nothing has happened yet."""
    run = Run(finished.folder.parent / "other")
    return run.configure(yaml.safe_load((finished.folder / "night.yaml").read_text()))


def signal_in(run: Run, number: int, seconds: float, *targets: str, **how: Any) -> tuple[int, str]:
    """Start a run, send a signal to all its processes some time after its first job began; return how it ended."""
    process = run.start(*targets, **how)
    assert process.stdout is not None
    head = []
    for line in process.stdout:
        head.append(line)
        if line.startswith("Execute "):
            break
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, number)
    tail, _ = process.communicate(timeout=120)
    return process.returncode, "".join(head) + tail


def without_folder(run: Run, folder: Path) -> dict[str, bytes]:
    """Give the tables without the path of the folder they were made in; a journal keeps what a kill had begun."""
    return {
        name: text.replace(str(folder).encode(), b"RUN")
        for name, text in contents(run.tables()).items()
        if not name.endswith("/journal.tsv")
    }


def test_killed_again_and_again_a_run_ends_as_if_it_had_not_been(undisturbed: Run, finished: Run, other: Run) -> None:
    chance = random.Random(20240909)
    killed = 0
    for _ in range(6):
        seconds, cores = chance.uniform(0.2, 3.0), chance.choice((1, 2))
        code, _ = signal_in(other, signal.SIGKILL, seconds, cores=cores)
        killed += code == -signal.SIGKILL
    assert killed >= 3
    other.succeed(cores=1)

    # What is kept was made where `finished` stands now.
    assert without_folder(other, other.folder) == without_folder(undisturbed, finished.folder)
    previews = [contents(files_below(run.results / "previews")) for run in (undisturbed, other)]
    assert previews[0] == previews[1]
    links = [set(files_below(run.results / "dataset")) for run in (undisturbed, other)]
    assert links[0] == links[1]
    for name in ("model/metrics.json", "dataset/metadata.json"):
        assert (other.results / name).read_bytes() == (undisturbed.results / name).read_bytes()
    assert other().nothing_to_do


def test_an_interrupted_run_goes_on(undisturbed: Run, other: Run) -> None:
    """Ctrl-C leaves no lock."""
    code, _ = signal_in(other, signal.SIGINT, 0.0, "results/scores/b.tsv")
    assert code != 0
    assert not (other.results / "scores" / "b.tsv").exists()
    other.succeed("results/scores/b.tsv")
    assert (other.results / "scores" / "b.tsv").read_bytes() == (undisturbed.results / "scores" / "b.tsv").read_bytes()


def test_chunks_that_were_scored_before_a_kill_are_kept(other: Run) -> None:
    process = other.start("results/scores/a.tsv", cores=1)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Finished jobid"):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    kept = other.tables("scores")
    ((_, kept_table),) = kept.values()
    # The kill left Snakemake's lock behind.
    assert any((other.folder / ".snakemake" / "locks").iterdir())
    outcome = other.succeed("results/scores/a.tsv")
    assert "was cut off; its lock is removed and this run goes on where it was" in outcome.output
    assert outcome.scored_and_reused == (9 - (len(kept_table.splitlines()) - 1), 0)
    assert {name: file for name, file in other.tables("scores").items() if name in kept} == kept
