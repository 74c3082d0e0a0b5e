"""The command: how much faster several processes train, on this machine; writes the section on scaling of RESULTS.md.

Each process has one thread, so that as many of them as there are cores have one each. They are on one machine: what a
network between nodes costs comes on top.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting.machine import described
from benchmarks.reporting.page import RESULTS, write_section
from benchmarks.reporting.tables import markdown_table, percent
from nebulift.model.processes import free_port

PACKAGES = ("numpy", "torch")
_NAMES = {"frozen": "last layers alone, on kept features", "full": "the whole network"}
_GIGABIT_MB_PER_S = 118.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    given.processes.sort()
    # By turns, so that what else the machine does meets all of them alike.
    measured: dict[int, list[dict[str, float]]] = {number: [] for number in given.processes}
    for _ in range(given.repetitions):
        for number in given.processes:
            measured[number].append(_steps(number, given.batch_size, given.steps))
    about = described(sys.argv[1:] if arguments is None else arguments, "scaling", PACKAGES)
    text = text_of(measured, given.batch_size, about)
    write_section(given.page, "scaling", text)
    print(text)
    return 0


def text_of(measured: Mapping[int, Sequence[Mapping[str, float]]], batch_size: int, about: str) -> str:
    """Return the section: the median step of each number of processes, and what share of their number is gained."""
    median = {
        number: {name: statistics.median(one[name] for one in all_of_them) for name in all_of_them[0]}
        for number, all_of_them in measured.items()
    }
    rows = []
    for phase, name in _NAMES.items():
        alone = median[min(median)][phase]
        for number, taken in median.items():
            gain = alone / taken[phase]
            figures = (f"{taken[phase]:.3f}", f"{batch_size / taken[phase]:.1f}", f"{gain:.2f}", percent(gain / number))
            rows.append([name, number, *figures])
    header = ["what is trained", "processes", "step (s)", "frames per second", "gain", "efficiency"]
    most = median[max(median)]
    gigabit = most["megabytes"] / _GIGABIT_MB_PER_S
    runs = len(next(iter(measured.values())))
    return (
        f"## Training by several processes\n\n{about}- batches of {batch_size}, median of {runs} runs, one thread per"
        f" process, all on this machine's {os.cpu_count()} cores\n\n{markdown_table(header, rows)}\n"
        f"Putting {most['megabytes']:.0f} MB of gradients together takes {most['exchange']:.3f} s between processes of"
        f" one machine. Two nodes with a gigabit cable would need about {gigabit:.1f} s, by arithmetic, as each sends"
        " all of it once; that was not measured.\n"
    )


def _steps(number: int, batch_size: int, steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", str(number)]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    command += ["-m", "benchmarks.scaling.steps", str(batch_size), str(steps)]
    tests = Path(__file__).parents[2]
    paths = [str(tests), str(tests.parent / "scripts"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tests, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return taken


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scaling", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    return parser.parse_args(arguments)
