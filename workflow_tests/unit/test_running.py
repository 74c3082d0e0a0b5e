"""Only one run at a time holds the results, and one that was cut off is cleared up after."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulift import running
from nebulift.running import LOCK_NAME, ResultsInUseError, begin_run, end_run

HOLD = "import sys; from pathlib import Path; from nebulift.running import begin_run; begin_run(Path(sys.argv[1]));"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    end_run()


def hold(results: Path, then: str) -> "subprocess.Popen[str]":
    """Let another process hold the results; it says when it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{HOLD} print('held', flush=True); {then}", str(results)],
        env={"PYTHONPATH": str(Path(running.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_that_holds_the_results_is_named(folder: Path) -> None:
    other = hold(folder / "results", "sys.stdin.read()")
    with pytest.raises(ResultsInUseError) as refused:
        begin_run(folder / "results")
    message = str(refused.value)
    assert f"{folder / 'results'}: another run is at work" in message
    assert f"process {other.pid} on" in message and f"kill -INT {other.pid}" in message and str(folder) in message
    begin_run(folder / "others")
    other.communicate("")
    assert begin_run(folder / "results") == []


def test_a_run_that_ended_leaves_no_trace(folder: Path) -> None:
    (folder / ".snakemake" / "locks").mkdir(parents=True)
    (folder / ".snakemake" / "locks" / "0.input.lock").write_text("of another workflow")
    for _ in range(2):
        assert begin_run(Path("results")) == []
        assert begin_run(Path("results")) == [], "the same process may ask again"
        end_run()
    hold(folder / "results", "sys.exit(1)").communicate()
    assert begin_run(Path("results")) == []
    assert (folder / ".snakemake" / "locks" / "0.input.lock").exists()


def killed(folder: Path) -> None:
    other = hold(folder / "results", "sys.stdin.read()")
    other.send_signal(signal.SIGKILL)
    other.communicate()


def test_the_lock_of_a_run_that_was_killed_here_is_removed(folder: Path) -> None:
    killed(folder)
    (folder / ".snakemake" / "locks").mkdir(parents=True)
    (folder / ".snakemake" / "locks" / "0.input.lock").write_text("frame\n")
    (message,) = begin_run(Path("results"))
    assert "was cut off; its lock is removed" in message
    assert not (folder / ".snakemake" / "locks").exists()


def test_the_lock_of_another_folder_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(folder)
    elsewhere = folder / "elsewhere"
    (elsewhere / ".snakemake" / "locks").mkdir(parents=True)
    (elsewhere / ".snakemake" / "locks" / "0.input.lock").write_text("frame\n")
    monkeypatch.chdir(elsewhere)
    assert begin_run(folder / "results") == []
    assert (elsewhere / ".snakemake" / "locks" / "0.input.lock").exists()


def test_jobs_that_slurm_still_has_of_it_are_cancelled_and_no_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(folder)
    records = folder / ".snakemake" / "incomplete"
    records.mkdir(parents=True)
    (records / "cmVzdWx0cy9zY29yZXMvbjEvMDAwMC50c3Y=").write_text("{}")
    programs = folder / "bin"
    programs.mkdir()
    # 8 is no job of Snakemake, 9 one of another folder.
    listed = f"7|rule_score_chunk_wildcards_n1_0000|{folder}\\n8|(null)|{folder}\\n9|rule_model|/elsewhere\\n"
    (programs / "squeue").write_text(f"#!/bin/sh\nprintf '{listed}'\n")
    (programs / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {folder}/cancelled\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    assert begin_run(Path("results")) == ["Jobs that Slurm still had of it are cancelled: 7"]
    assert (folder / "cancelled").read_text() == "7\n"
    end_run()
    killed(folder)
    (records / "cmVzdWx0cy9zY29yZXMvbjEvMDAwMC50c3Y=").unlink()
    assert begin_run(Path("results")) == [], "nothing was unfinished"


def test_a_record_that_is_cut_off_does_not_stop_the_next_run(folder: Path) -> None:
    (folder / "results").mkdir()
    (folder / "results" / LOCK_NAME).write_text('{"host": "pi-1", "proc')
    assert begin_run(Path("results")) == []
    assert json.loads((folder / "results" / LOCK_NAME).read_text())["process"] == os.getpid()


def test_where_the_file_system_has_no_locks_the_run_goes_on_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(running.fcntl, "flock", no_locks)
    (message,) = begin_run(Path("results"))
    assert "has no locks" in message and "No locks available" in message
