"""The command: what a Raspberry Pi 5 would need for frames, estimated; writes the section on the Pi of RESULTS.md.

Measured here: CPU seconds and instructions of a frame, the memory of four workers at once, and how many MIPS this
machine has in 7-Zip's benchmark (`7z b -mmt1`, Debian: p7zip-full). The Pi's figures in the same benchmark are
published. Nothing was run on a Pi.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting.machine import described
from benchmarks.reporting.page import RESULTS, write_section
from benchmarks.reporting.tables import markdown_table
from benchmarks.speed.frames import write_frames

# sbc-bench 0.9.65 on a Raspberry Pi 5 of 4 GB at 2400 MHz, 7-Zip 16.02:
SOURCE = "https://github.com/ThomasKaiser/sbc-bench/blob/master/results/1ULtUe.txt"
PI_ONE_THREAD_MIPS, PI_FOUR_THREADS_MIPS = 3270.0, 11415.0
WORKERS = 4
# A Pi's vectors are 128 bits wide, those of x86 256 or 512, and 7-Zip uses none.
_MARGIN = 2.0
_TOTAL = re.compile(r"^Tot:\s+\d+\s+(\d+)\s+\d+", re.MULTILINE)
_NODES_MB = {"4 GB": 3600, "8 GB": 7600}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    if shutil.which("7z") is None:
        print("pi: needs 7z (Debian: apt-get install p7zip-full)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        (frame,) = write_frames(Path(folder), given.mpix)
        alone = [_workers(frame, 1, given.times)[0] for _ in range(given.repetitions)]
        together = _workers(frame, WORKERS, given.times)
        instructions = _instructions(frame)
    mips = statistics.median(_mips() for _ in range(given.repetitions))
    measured = {
        "cpu_s": statistics.median(second for one in alone for second in one["cpu_s"]),
        "peak_mib": max(one["peak_mib"] for one in together),
        "mpix": alone[0]["pixels"] / 1e6,
        "instructions": instructions,
        "mips": mips,
    }
    text = text_of(measured, described(sys.argv[1:] if arguments is None else arguments, "pi"))
    write_section(given.page, "pi", text)
    print(text)
    return 0


def estimate(cpu_s: float, mips: float) -> tuple[float, float, float]:
    """Return a Pi's seconds for a frame in one worker, and frames per hour of four: at most, and with a margin."""
    seconds = cpu_s * mips / PI_ONE_THREAD_MIPS
    # Four threads of a Pi are not four times one: they share its memory.
    workers = PI_FOUR_THREADS_MIPS / PI_ONE_THREAD_MIPS
    most = 3600 * workers / seconds
    return seconds, most, most / _MARGIN


def text_of(measured: Mapping[str, Any], about: str) -> str:
    """Return the section."""
    seconds, most, fewest = estimate(measured["cpu_s"], measured["mips"])
    counted = measured["instructions"]
    memory = measured["peak_mib"] * WORKERS * 1.048576
    rows = [
        ["CPU time of a frame here", f"{measured['cpu_s']:.2f} s"],
        ["instructions of a frame here", f"{counted / 1e9:.1f} billion" if counted else "this machine counts none"],
        ["7-Zip, one thread, here", f"{measured['mips']:.0f} MIPS"],
        ["7-Zip, one thread, Pi 5 (published)", f"{PI_ONE_THREAD_MIPS:.0f} MIPS"],
        ["7-Zip, four threads, Pi 5 (published)", f"{PI_FOUR_THREADS_MIPS:.0f} MIPS"],
        ["a frame on a Pi 5, one worker (estimate)", f"{seconds:.1f} to {_MARGIN * seconds:.1f} s"],
        ["frames per hour and Pi 5, four workers (estimate)", f"{fewest:,.0f} to {most:,.0f}"],
        ["peak memory of a worker", f"{measured['peak_mib']:.0f} MiB"],
        ["of four workers", f"{memory:.0f} MB"],
    ]
    rows += [
        [f"four workers on a Pi of {name}", "fit" if memory <= room else f"do not fit in {room} MB"]
        for name, room in _NODES_MB.items()
    ]
    table = markdown_table([f"a frame of {measured['mpix']:.1f} Mpix", ""], rows)
    return (
        f"## A Raspberry Pi 5, estimated\n\n{about}- the Pi's MIPS: {SOURCE}\n\n{table}\n"
        "The better figure takes a frame's time here by the ratio of the MIPS; the worse one is twice as slow, for"
        " vectors that are half as wide or less, which 7-Zip does not use. Reading over a network and starting jobs"
        " come on top.\n"
    )


def _workers(frame: Path, number: int, times: int) -> list[dict[str, Any]]:
    """Let so many processes measure a frame at once; return what each took."""
    command = [sys.executable, "-m", "benchmarks.speed.whole_frame", "--times", str(times), str(frame)]
    tests = Path(__file__).parents[2]
    started = [subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, text=True) for _ in range(number)]
    printed = [one.communicate()[0] for one in started]
    if any(one.returncode for one in started):
        raise RuntimeError("a worker failed")
    return [json.loads(text) for text in printed]


def _instructions(frame: Path) -> float | None:
    """Return the instructions of one frame more in a process, None where the processor does not count."""
    if shutil.which("perf") is None:
        return None
    counts = []
    for times in ("1", "2"):
        own = [sys.executable, "-m", "benchmarks.speed.whole_frame", "--times", times, str(frame)]
        counting = ["perf", "stat", "-x", ",", "-e", "instructions:u", "--", *own]
        done = subprocess.run(counting, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
        found = re.search(r"^(\d+),.*instructions", done.stderr, re.MULTILINE)
        if found is None:
            return None
        counts.append(float(found[1]))
    return counts[1] - counts[0]


def _mips() -> float:
    """Return 7-Zip's rating of one thread, by the time it was really given."""
    done = subprocess.run(["7z", "b", "-mmt1"], capture_output=True, text=True, check=True)
    found = _TOTAL.search(done.stdout)
    if found is None:
        raise RuntimeError("7z b printed no rating")
    return float(found[1])


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pi", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mpix", type=float, default=16.8, help="size of the frame in million pixels")
    parser.add_argument("--times", type=int, default=3, help="frames that each worker measures")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    return parser.parse_args(arguments)
