"""The command: time frames beside other programs, and write the section on speed of RESULTS.md.

Everything runs on one core, one program at a time; repetitions alternate between the programs, so that what else
the machine does meets all of them alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.reporting.machine import described, program_version
from benchmarks.reporting.page import RESULTS, write_section
from benchmarks.speed import peers
from benchmarks.speed.frames import SEED
from benchmarks.speed.report import Timing, text_of

SIZES_MPIX = (1.0, 4.0, 16.8, 61.0, 150.0)
COMPARED_MPIX = 16.8
SMALL_MPIX = 0.25
QUICK = {"sizes": (SMALL_MPIX,), "compared": SMALL_MPIX, "repetitions": 1, "flat": 4, "siril": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    with one_core(given.core), tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measured = measure(given, Path(folder))
    about = described(sys.argv[1:] if arguments is None else arguments, "speed")
    programs = ", ".join(filter(None, map(program_version, (peers.SOURCE_EXTRACTOR, peers.SIRIL))))
    about += f"- peers: {programs or 'none found'}\n- seed {SEED}, one core, {given.repetitions} repetitions\n"
    text = text_of(measured, about)
    write_section(given.page, "speed", text)
    print(text)
    return 0


@contextmanager
def one_core(core: int | None) -> Iterator[None]:
    """Keep this process and those that it starts on one core, the last where none is named, as far as Linux goes."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before) if core is None else core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=_numbers, default=SIZES_MPIX, help="frames, million pixels: 1,4,16.8,61,150")
    parser.add_argument("--compared", type=float, default=COMPARED_MPIX, help="size that the others measure too")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--flat", type=int, default=1000, help="small frames in a row whose memory is watched")
    parser.add_argument("--siril", type=int, default=5, help="frames that Siril registers, 0 for none")
    parser.add_argument("--core", type=int, help="number of the core to run on")
    parser.add_argument("--folder", type=Path, help="where the frames are written for a while")
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    parser.add_argument("--quick", action="store_true", help="tiny frames: to see that it runs")
    given = parser.parse_args(arguments)
    if given.quick:
        vars(given).update(QUICK)
    return given


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Take all measurements; returns them by name, in seconds and MiB."""
    frames = _frames(folder / "compared", given.compared, max(1, given.siril))
    measured: dict[str, Any] = {"compared": _side_by_side(frames[0], folder, given.repetitions)}
    measured["profile"] = _whole_frame(frames[0], "--profile", "--times", str(min(3, given.repetitions)))
    measured["siril"] = None
    if given.siril and program_version(peers.SIRIL):
        measured["siril"] = Timing(*([value] for value in peers.time_siril(frames, _made(folder / "siril"))))
    measured["sizes"] = []
    for number, mpix in enumerate(sorted(given.sizes)):
        frame = frames[0] if mpix == given.compared else _frames(folder / f"size{number}", mpix, 1)[0]
        measured["sizes"].append(_whole_frame(frame, "--times", "2"))
        if frame is not frames[0]:
            frame.unlink()
    small = frames[0] if given.compared == SMALL_MPIX else _frames(folder / "small", SMALL_MPIX, 1)[0]
    measured["flat"] = _whole_frame(small, "--times", str(given.flat))["memory_mib"] if given.flat else []
    return measured


def _side_by_side(frame: Path, folder: Path, repetitions: int) -> dict[str, Any]:
    """Measure one frame by turns with source-extractor, each time in a new process."""
    ours, whole, theirs = Timing(), Timing(), Timing()
    counts = {"ours": 0, "theirs": 0}
    for _ in range(repetitions):
        took = _whole_frame(frame)
        ours.add(took["wall_s"][0], took["cpu_s"][0])
        whole.add(*took["process_s"])
        counts["ours"] = took["stars"]
        if program_version(peers.SOURCE_EXTRACTOR):
            wall, cpu, counts["theirs"] = peers.time_source_extractor(frame, folder)
            theirs.add(wall, cpu)
    return {"ours": ours, "start": statistics.median(whole.wall) - statistics.median(ours.wall), "theirs": theirs} | {
        "stars": counts,
        "pixels": took["pixels"],
    }


def _whole_frame(frame: Path, *options: str) -> dict[str, Any]:
    """Measure a frame in a process of its own; `process_s` are the wall and CPU seconds of all of that."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "benchmarks.speed.whole_frame", *options, str(frame)]
    printed = frame.parent / "measured.json"
    with printed.open("w", encoding="utf-8") as output:
        seconds = peers.run_timed(command, Path(tests), output)
    return {**json.loads(printed.read_text(encoding="utf-8")), "process_s": seconds}


def _frames(folder: Path, mpix: float, number: int) -> list[Path]:
    """Write frames in a process of their own, whose memory then is free again."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "benchmarks.speed.frames", str(folder), str(mpix), str(number)]
    subprocess.run(command, cwd=tests, check=True)
    return sorted(folder.glob("*.fits"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
