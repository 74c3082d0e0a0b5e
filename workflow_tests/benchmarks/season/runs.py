"""Calls of Snakemake whose time and memory are watched."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow.runs import Outcome, Run, files_below, finish

LIMIT_S = 3600.0


@dataclass(frozen=True)
class Watched:
    """How a call ended, how long it took, and the most memory that Snakemake's main process had."""

    outcome: Outcome
    wall_s: float
    cpu_s: float
    """Of it and all that it started."""
    peak_mib: float


def configured(folder: Path, nights: Mapping[str, Path], **settings: object) -> Run:
    """Give a run of some nights in a folder."""
    return Run(folder).configure({"nights": {name: str(path) for name, path in nights.items()}, **settings})


def watched(run: Run, *targets: str, cores: int = 2, options: tuple[str, ...] = ()) -> Watched:
    """Run Snakemake to its end; raises RuntimeError with what it printed where it fails."""
    before = files_below(run.results / "logs", ".log")
    times = os.times()
    begun = time.perf_counter()
    process = run.start(*targets, cores=cores, options=options)
    memory = _Memory(process.pid)
    memory.start()
    code, output = finish(process, LIMIT_S)
    wall_s = time.perf_counter() - begun
    memory.join()
    after = os.times()
    if code != 0:
        raise RuntimeError(output)
    logs = files_below(run.results / "logs", ".log")
    new = {name: log.decode() for name, (changed, log) in logs.items() if before.get(name) != (changed, log)}
    cpu_s = after.children_user + after.children_system - times.children_user - times.children_system
    return Watched(Outcome(code, output, new), wall_s, cpu_s, memory.peak_mib)


def peak_of(command: Sequence[str]) -> float:
    """Run a command that must succeed; return the most resident memory it had, in MiB."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        memory = _Memory(process.pid)
        memory.start()
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)
    memory.join()
    return memory.peak_mib


class _Memory(threading.Thread):
    """Asks the kernel for the most resident memory of a process until it ends."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0.0
        self._status = Path(f"/proc/{process}/status")

    def run(self) -> None:
        while True:
            try:
                text = self._status.read_text(encoding="ascii", errors="replace")
            except OSError:
                return
            peaks = [int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")]
            if not peaks:  # ended and not yet waited for
                return
            self.peak_mib = max(self.peak_mib, peaks[0] / 1024)
            time.sleep(0.02)
