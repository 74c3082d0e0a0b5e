"""Progress in words: how many, how fast, how long still; and not too often."""

import logging
import threading
import time
from pathlib import Path

import pytest

from nebulift import progress
from nebulift.progress import Progress, duration, stop_watching, watch_tables


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (119, "119 s"), (130, "2 min"), (7200, "2 h"), (3 * 86400, "3 days"), (7e7, "810 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_it_speaks_now_and_then_of_speed_and_time_left() -> None:
    now = 100.0
    counted = Progress(1000, clock=lambda: now)
    assert counted.words(5) == ""
    now += 40.0
    assert counted.words(100) == "100 of 1000 frames: 2.5 frames/s, 6 min left"
    now += 10.0
    assert counted.words(120) == "", "too early"
    now += 50.0
    assert counted.words(100) == "", "nothing new"
    assert counted.words(900) == "900 of 1000 frames: 9 frames/s, 11 s left"


def test_tables_that_are_written_count_with_their_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    caplog.set_level(logging.INFO)
    tables = {tmp_path / f"{number}.tsv": 10 + number for number in range(3)}
    (tmp_path / "0.tsv").write_text("of an earlier run")
    watch_tables(tables, logging.getLogger("progress"))
    (tmp_path / "1.tsv").write_text("new")
    _wait(caplog, "Scored 11 of 33 frames")
    (tmp_path / "0.tsv").unlink()
    (tmp_path / "0.tsv").write_text("new")
    (tmp_path / "2.tsv").write_text("new")
    _wait(caplog, "Scored 33 of 33 frames")


def test_it_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 60.0)
    watch_tables({tmp_path / "never written.tsv": 1}, logging.getLogger("progress"))
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "progress")
    stop_watching()
    thread.join(timeout=30)
    assert not thread.is_alive()


def _wait(caplog: pytest.LogCaptureFixture, words: str) -> None:
    end = time.monotonic() + 30
    while words not in caplog.text:
        assert time.monotonic() < end, caplog.text
        time.sleep(0.01)
