"""How far a long piece of work is: frames per second and the time left, now and then in the log."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

EVERY_S = 30.0
_stopped = threading.Event()


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 5 min, 3 h, 812 days."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


class Progress:
    """Counts frames and says in words how fast they come; `clock` gives seconds."""

    def __init__(self, frames: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._frames = frames
        self._clock = clock
        self._begun = self._said = clock()
        self._said_at = 0

    def words(self, done: int) -> str:
        """Return what there is to say when `done` frames are done; "" before it is time, and if none came since."""
        now = self._clock()
        if now - self._said < EVERY_S or done == self._said_at:
            return ""
        self._said, self._said_at = now, done
        rate = done / (now - self._begun)
        left = duration((self._frames - done) / rate)
        return f"{done} of {self._frames} frames: {rate:.3g} frames/s, {left} left"


def watch_tables(tables: Mapping[Path, int], logger: logging.Logger) -> None:
    """Tell the log until `stop_watching` how many frames are in those `tables` that were written since now.

    `tables` has the number of frames of each that will be written.
    """
    before = {table: _state(table) for table in tables}
    progress = Progress(sum(tables.values()))

    def tell() -> None:
        done = 0
        while done < sum(tables.values()) and not _stopped.wait(EVERY_S):
            done = sum(frames for table, frames in tables.items() if _state(table) != before[table])
            if words := progress.words(done):
                logger.info(f"Scored {words}")

    _stopped.clear()
    threading.Thread(target=tell, daemon=True, name="progress").start()


def stop_watching() -> None:
    """End what `watch_tables` began."""
    _stopped.set()


def _state(table: Path) -> tuple[int, int] | None:
    try:
        status = table.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
