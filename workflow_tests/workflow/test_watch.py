"""A night while it happens: files that land, one being written slowly, and a watch that is killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from nebulift.frames.listing import ListedFrame
from nebulift.running import LOCK_NAME, ResultsInUseError, begin_run
from nebulift.simulate.night import tiny_night
from nebulift.stages.landing import Landing, is_whole
from nebulift.stages.watch import AnotherWatchError, Watch
from nebulift.tables import read_table
from workflow.runs import PROJECT, start

LIMIT_S = 240.0


def listed(path: Path) -> list[ListedFrame]:
    return [ListedFrame(path.name, path)]


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((100, 100), np.uint16))]).writeto(path)
    return path


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_file_has_landed_when_it_has_stayed_as_it_is(frame: Path) -> None:
    clock = Clock()
    landing = Landing(2.0, clock)
    for second, landed in ((0.0, False), (1.9, False), (2.0, True)):
        clock.now = 1000 + second
        assert (frame.name in landing.look(listed(frame))) is landed
        assert landing.waiting is not landed
    os.utime(frame, ns=(1, 1))
    assert not landing.look(listed(frame))
    clock.now += 2.0
    assert landing.look(listed(frame)) == {frame.name: (frame.stat().st_size, 1)}
    frame.unlink()
    assert not landing.look(listed(frame))


def test_half_a_file_is_waited_for_and_then_taken_as_broken(frame: Path) -> None:
    content, clock = frame.read_bytes(), Clock()
    landing = Landing(2.0, clock)
    # In the first header, behind it, in the second, and in its pixels.
    for length in (0, 100, 2880, 4000, 2 * 2880 + 1000, len(content) - 2880):
        frame.write_bytes(content[:length])
        assert not is_whole(frame), length
        landing.look(listed(frame))
        for waited, landed in ((30.0, False), (29.9, False), (0.1, True)):
            clock.now += waited
            assert bool(landing.look(listed(frame))) is landed, (length, waited)


def test_what_has_all_its_pixels_is_whole_and_so_is_what_is_no_fits(tmp_path: Path, frame: Path) -> None:
    assert is_whole(frame)
    # 20,000 bytes of pixels behind two headers; the rest fills the last block.
    frame.write_bytes(frame.read_bytes()[: 2 * 2880 + 20_000])
    assert is_whole(frame)
    for name in ("a.png", "b.fits", "c.fits.gz"):
        (tmp_path / name).write_bytes(b"anything")
        assert is_whole(tmp_path / name)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Give a function that starts a watch of night/ in run/."""
    started = []

    def watch() -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "nebulift", "watch", str(tmp_path / "night"), "--run", str(tmp_path / "run")]
        # -m finds the library of this checkout.
        started.append(start(["env", f"PYTHONPATH={PROJECT / 'scripts'}", *command], tmp_path))
        return started[-1]

    yield watch
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_frames_are_graded_as_they_land_whatever_happens(
    tmp_path: Path, watching: Callable[[], "subprocess.Popen[str]"]
) -> None:
    tiny_night(tmp_path / "made", frames=3, seed=1)
    first, slow, last = sorted((tmp_path / "made").glob("*.fits"))
    night, table = tmp_path / "night", tmp_path / "run" / "results" / "watch" / "night.tsv"
    night.mkdir()
    watch = watching()
    (night / first.name).write_bytes(first.read_bytes())
    content = slow.read_bytes()
    with (night / slow.name).open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        # While one is written, the other one is graded, and nothing is said of it.
        wait(table.exists, watch)
        assert frames(table) == {first.name}
        file.write(content[len(content) // 2 :])
    wait(lambda: frames(table) == {first.name, slow.name}, watch)

    # Killed while Snakemake runs, which leaves its lock when it is killed, too.
    (night / last.name).write_bytes(last.read_bytes())
    locks = tmp_path / "run" / ".snakemake" / "locks"
    wait(lambda: any(locks.glob("*.lock")), watch)
    snakemake = children(watch.pid)
    for number in (watch.pid, *snakemake):
        os.kill(number, signal.SIGKILL)
    watch.wait()
    assert any(locks.glob("*.lock"))
    watch = watching()
    wait(lambda: frames(table) == {first.name, slow.name, last.name}, watch)
    assert {row["label"] for row in read_table(table, "labels")} == {"clean"}

    # A workflow that cannot run does not end the watch.
    scores = tmp_path / "run" / "results" / "scores" / "night.tsv"
    scores.unlink()
    scores.mkdir()
    (scores / "in the way").touch()
    (night / "again.fits").write_bytes(last.read_bytes())
    time.sleep(10)
    assert watch.poll() is None
    (scores / "in the way").unlink()
    scores.rmdir()
    wait(lambda: "again.fits" in frames(table), watch)

    os.kill(watch.pid, signal.SIGINT)
    output, _ = watch.communicate(timeout=60)
    assert watch.returncode == 0
    assert f"{last.name} clean" in output
    assert "started again it goes on" in output
    assert not any(locks.glob("*.lock"))


def test_a_run_of_somebody_else_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    with (results / LOCK_NAME).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ResultsInUseError) as refused:
            begin_run(results)
    (tmp_path / "night").mkdir()
    watch = Watch(tmp_path / "night", tmp_path)
    monkeypatch.setattr(watch, "_snakemake", lambda *_: (1, f"WorkflowError:\n{refused.value}\n"))
    (tmp_path / ".nebulift").mkdir()
    assert not watch._run({})
    assert "waiting for its end" in caplog.text


def test_a_second_watch_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    first, second = (Watch(tmp_path / "night", tmp_path) for _ in range(2))
    with first._alone(), pytest.raises(AnotherWatchError, match="another nebulift watch works here"):
        second.go_on_until_interrupted()
    with second._alone():
        pass


def frames(table: Path) -> set[str]:
    return {row["frame"] for row in read_table(table, "labels")}


def children(number: int) -> list[int]:
    """Give the processes that a process has started, and theirs."""
    text = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    direct = [int(child) for child in text.split()]
    return direct + [one for child in direct for one in children(child)]


def wait(holds: Callable[[], bool], watch: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert watch.poll() is None, watch.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)
