"""A season whose runs are killed at random moments, over and over, against one that nothing disturbs."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.season.frames import SEED, write_season
from benchmarks.season.runs import configured, watched
from nebulift.tables import TableError, read_table
from workflow.runs import Run, contents

FRAMES, CHUNK = 16, 4
SETTINGS = {"chunk_size": CHUNK}


@dataclass
class Kills:
    """What came of it."""

    kills: int = 0
    main_process_alone: int = 0
    """Kills of Snakemake alone, whose jobs then went on."""
    ended_before: int = 0
    """Runs that were through before their kill: another night was then added."""
    nights: int = 0
    frames: int = 0
    half_written: int = 0
    """Tables found after a kill that could not be read."""
    lost: int = 0
    twice: int = 0
    different: int = 0
    """Tables that differ from those of the undisturbed run."""


def kill_again_and_again(folder: Path, kills: int, seed: int = SEED) -> Kills:
    """Grade a season while Snakemake is killed `kills` times, alone or with all its jobs; compare in the end.

    Ctrl-C ends the killing early.
    """
    chance = random.Random(seed)
    found = Kills()
    nights = write_season(folder / "frames", 2 + kills // 2, FRAMES)
    known = dict(list(nights.items())[:2])
    place = folder / "run"
    # Moments are drawn over the time that a night takes on this machine, from the start of Snakemake on.
    begun = time.monotonic()
    configured(folder / "timed", {"n000": nights["n000"]}, **SETTINGS).succeed("labels")
    longest_s = time.monotonic() - begun
    run = configured(place, known, **SETTINGS)
    with contextlib.suppress(KeyboardInterrupt):  # then what was done so far is compared
        while found.kills < kills:
            if _killed(run, chance, found, longest_s):
                found.half_written += _unreadable(run)
                if found.kills % 10 == 0:
                    print(f"{found.kills} of {kills} kills", flush=True)
            else:
                found.ended_before += 1
                known = dict(list(nights.items())[: len(known) + 1])
                run = configured(place, known, **SETTINGS)
    time.sleep(longest_s)  # what a killed Snakemake left running may still write
    watched(run, "labels")
    found.nights, found.frames = len(known), FRAMES * len(known)
    _compare(run, known, folder, found)
    return found


def _killed(run: Run, chance: random.Random, found: Kills, longest_s: float) -> bool:
    """Start a run and kill it; tells whether it was still at work."""
    process = run.start("labels", cores=chance.choice((1, 2)))
    try:
        process.communicate(timeout=chance.uniform(0.0, longest_s))
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    except subprocess.TimeoutExpired:
        alone = chance.random() < 0.25
        os.kill(process.pid, signal.SIGKILL) if alone else os.killpg(process.pid, signal.SIGKILL)
        if alone:
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
        else:
            process.communicate()
        found.kills += 1
        found.main_process_alone += alone
        return True
    if process.returncode != 0:
        raise RuntimeError(f"a run failed after {found.kills} kills; its logs are in {run.folder}") from None
    return False


def _unreadable(run: Run) -> int:
    bad = 0
    for name, kind in _tables(run).items():
        try:
            read_table(run.results / name, kind)
        except TableError:
            bad += 1
    return bad


def _tables(run: Run) -> Mapping[str, str]:
    """Give the tables of scores and labels, and which each is."""
    kinds = {"scores": "scores", "labels": "labels", "labels.tsv": "labels"}
    return {name: kinds[name.split("/")[0]] for name in run.tables() if name.split("/")[0] in kinds}


def _compare(run: Run, nights: Mapping[str, Path], folder: Path, found: Kills) -> None:
    rows = [(row["night"], row["frame"]) for row in run.table("labels.tsv", "labels")]
    expected = {(night, path.name) for night, frames in nights.items() for path in frames.glob("*.fits")}
    found.lost, found.twice = len(expected - set(rows)), len(rows) - len(set(rows))
    disturbed, previews = contents(run.tables()), sorted(p.name for p in run.results.glob("previews/*/*.png"))
    shutil.rmtree(run.folder)
    undisturbed = configured(folder / "run", nights, **SETTINGS)
    watched(undisturbed, "labels")
    tables = contents(undisturbed.tables())
    found.different = sum(tables.get(name) != disturbed.get(name) for name in {*tables, *disturbed})
    found.different += previews != sorted(p.name for p in undisturbed.results.glob("previews/*/*.png"))
