"""Several processes for a chunk: the same table, and a clear error where one of them is ended from outside."""

import subprocess
import sys
from pathlib import Path

import pytest

from nebulift.simulate.night import tiny_night
from nebulift.tables import read_table

# In a process of its own, as a job is: a fork of this one would also copy the threads of other tests.
CODE = """
import logging, os, signal, sys
from pathlib import Path
from nebulift.frames.listing import list_frames
from nebulift.scoring.score import ScoringSettings
from nebulift.stages import score

night, output, processes, killed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
measured_well = score.score_file

def measured(frame, settings):
    if frame.name == killed:
        os.kill(os.getpid(), signal.SIGKILL)
    return measured_well(frame, settings)

score.score_file = measured
logging.basicConfig(level=logging.INFO, format="%(message)s")
settings = ScoringSettings(star_sigma=5.0, hot_pixel_sigma=10.0, streak_sigma=5.5)
score.score_chunk("n", list_frames(night), output, output.parent / "previews", settings, processes=processes)
"""


@pytest.fixture
def night(tmp_path: Path) -> Path:
    tiny_night(tmp_path / "night", frames=5)
    (tmp_path / "night" / "broken.fits").write_bytes(b"no frame")
    return tmp_path / "night"


def score(night: Path, output: Path, processes: int, killed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, str(night), str(output), str(processes), killed],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "scripts")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_any_number_of_processes_gives_the_same_table_and_previews(night: Path, tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("three", 3)):
        finished = score(night, tmp_path / name / "scores.tsv", processes)
        assert finished.returncode == 0, finished.stderr
        assert "n: 6 scored, 0 reused" in finished.stderr
    assert files(tmp_path / "one") == files(tmp_path / "three")
    assert len(read_table(tmp_path / "three" / "scores.tsv", "scores")) == 6


def test_a_process_that_is_ended_ends_the_job_and_keeps_the_old_table(night: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "scores.tsv"
    output.parent.mkdir()
    output.write_text("the old table")
    finished = score(night, output, 2, killed="light_0002.fits")
    assert finished.returncode == 1
    assert "ended from outside, most likely for want of memory: give the job fewer threads" in finished.stderr
    assert output.read_text() == "the old table"
