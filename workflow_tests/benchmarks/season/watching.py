"""How soon a frame that lands has its label in the table that `nebulift watch` keeps."""

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.season.frames import SEED, write_large_night
from nebulift.tables import read_table

LIMIT_S = 600.0
_PAUSES_S = (5.0, 20.0)


@dataclass(frozen=True)
class Landings:
    """Seconds from the moment a frame was written whole until its row was in the table."""

    there_before: int
    mpix: float
    seconds: list[float]


def watch_landings(folder: Path, there_before: int, landings: int, mpix: float, seed: int = SEED) -> Landings:
    """Watch a folder that holds a night so far; let further frames land, one at a time, some seconds apart."""
    chance = random.Random(seed)
    made = sorted(write_large_night(folder, there_before + landings, mpix).glob("*.fits"))
    night, table = folder / "landing", folder / "run" / "results" / "watch" / "landing.tsv"
    night.mkdir()
    for path in made[:there_before]:
        path.rename(night / path.name)
    command = [sys.executable, "-m", "nebulift", "watch", str(night), "--run", str(folder / "run")]
    with (folder / "watch.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(table, made[there_before - 1].name, process)
            seconds = []
            for path in made[there_before:]:
                time.sleep(chance.uniform(*_PAUSES_S))
                (night / path.name).write_bytes(path.read_bytes())
                begun = time.perf_counter()
                _wait(table, path.name, process)
                seconds.append(time.perf_counter() - begun)
        finally:
            process.terminate()
            process.wait()
    return Landings(there_before, mpix, seconds)


def _wait(table: Path, frame: str, process: "subprocess.Popen[bytes]") -> None:
    end, known = time.monotonic() + LIMIT_S, 0
    while True:
        changed = table.stat().st_mtime_ns if table.exists() else 0
        if changed != known:
            known = changed
            if any(row["frame"] == frame for row in read_table(table, "labels")):
                return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{frame} was not graded by the watch")
        time.sleep(0.1)
