"""Runs that are killed or interrupted: the next one goes on, and nothing is different in the end."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

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


def signal_in(run: Run, number: int, seconds: float, *targets: str) -> tuple[int, str]:
    """Start a run, send a signal to all its processes some time after its first job began; return how it ended."""
    process = run.start(*targets)
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
    return {name: text.replace(str(folder).encode(), b"RUN") for name, text in contents(run.tables()).items()}


def test_killed_again_and_again_a_run_ends_as_if_it_had_not_been(undisturbed: Run, finished: Run, other: Run) -> None:
    chance = random.Random(20240909)
    endings = []
    for _ in range(7):
        code, output = signal_in(other, signal.SIGKILL, chance.uniform(0.2, 3.0))
        if "--unlock" in output:
            assert other("--unlock").code == 0
            code, output = signal_in(other, signal.SIGKILL, chance.uniform(0.2, 3.0))
        endings.append(code)
    assert endings.count(-signal.SIGKILL) >= 3
    outcome = other()
    if "--unlock" in outcome.output:
        assert other("--unlock").code == 0
        outcome = other()
    assert outcome.code == 0, outcome.output

    # Tables hold the path of the folder they were made in, which is where `finished` stands.
    assert without_folder(other, other.folder) == without_folder(undisturbed, finished.folder)
    for name in ("previews", "model/metrics.json", "dataset/metadata.json"):
        assert contents(files_below(other.results / name)) == contents(files_below(undisturbed.results / name))
    left = [path for path in other.results.rglob("*") if path.name.startswith(".writing-")]
    assert left == []
    assert other().nothing_to_do
