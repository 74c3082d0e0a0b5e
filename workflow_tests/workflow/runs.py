"""Real runs of the workflow: a folder with a night.yaml, Snakemake in a process of its own, and what came of it."""

import ctypes
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nebulift.simulate.recipe import FrameRecipe, Trail
from nebulift.tables import Row, read_table

PROJECT = Path(__file__).parents[2]
CLEAN = FrameRecipe()
STREAK = FrameRecipe(trails=(Trail.across(30.0, 5.0, (200, 150), 60.0),))
CLOUD = FrameRecipe(transparency=0.3)
# Satellites and clouds on both sides of the split, so that a model can be trained.
SPOILT_NIGHT = (CLEAN, STREAK, CLEAN, CLOUD, CLEAN, CLEAN, STREAK, CLEAN, CLOUD)
# Settings that make the whole way short for a handful of small frames: each is a block of its own, one epoch trains.
QUICK: dict[str, Any] = {
    "chunk_size": 4,
    "dataset": {"block_minutes": 1, "margin_minutes": 0},
    "train": {"weights": "none", "epochs": 1, "batch_size": 4, "minimum_per_class": 2, "threads": 1},
}
TIME_LIMIT_S = 300.0
_FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$", re.MULTILINE)
_SCORED = re.compile(r"\d+ of \d+: (.+) scored$", re.MULTILINE)
_COUNTS = re.compile(r": (\d+) scored, (\d+) reused$", re.MULTILINE)
Files = dict[str, tuple[int, bytes]]
"""Of each file below a folder its time of change and its content."""


@dataclass(frozen=True)
class Outcome:
    """How a call of Snakemake ended."""

    code: int
    output: str
    logs: Mapping[str, str] = field(repr=False)
    """The logs that this call wrote, by their path below results/logs."""

    @property
    def jobs(self) -> Counter[str]:
        """How often each rule ran to its end."""
        return Counter(_FINISHED.findall(self.output))

    @property
    def planned(self) -> Counter[str]:
        """How often each rule would run, after --dry-run."""
        _, _, table = self.output.partition("Job stats:\n")
        rows = (line.split() for line in table.partition("\n\n")[0].splitlines()[2:])
        return Counter({rule: int(number) for rule, number in rows if rule != "total"})

    @property
    def nothing_to_do(self) -> bool:
        return self.code == 0 and "Nothing to be done" in self.output and not self.jobs

    @property
    def scored(self) -> list[str]:
        """The frames that were read and measured, as the logs of scoring show them (in quotes)."""
        return sorted(name.strip("'\"") for log in self._scoring_logs() for name in _SCORED.findall(log))

    @property
    def scored_and_reused(self) -> tuple[int, int]:
        """How many frames the jobs of scoring measured, and how many rows they used again."""
        counts = [_COUNTS.findall(log)[-1] for log in self._scoring_logs()]
        return sum(int(scored) for scored, _ in counts), sum(int(reused) for _, reused in counts)

    def _scoring_logs(self) -> list[str]:
        return [text for name, text in self.logs.items() if name.startswith("score_chunk/")]


@dataclass(frozen=True)
class Run:
    """A folder in which the workflow runs. `project` is the checkout that it runs from."""

    folder: Path
    project: Path = PROJECT

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def configure(self, settings: Mapping[str, Any]) -> "Run":
        """Write night.yaml."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
        (self.folder / "night.yaml").write_text(text, encoding="utf-8")
        return self

    def change(self, **settings: Any) -> None:
        """Lay settings over those of night.yaml, section by section."""
        written = yaml.safe_load((self.folder / "night.yaml").read_text(encoding="utf-8"))
        for key, value in settings.items():
            written[key] = {**written.get(key, {}), **value} if isinstance(value, dict) else value
        self.configure(written)

    def command(self, *targets: str, cores: int = 2, options: tuple[str, ...] = ()) -> list[str]:
        """Give the command line; targets stand first because --configfile takes all that follows it."""
        return [
            *(sys.executable, "-m", "snakemake", *targets, "--snakefile", str(self.project / "Snakefile")),
            *("--directory", str(self.folder), "--cores", str(cores), *options, "--configfile"),
            str(self.folder / "night.yaml"),
        ]

    def start(
        self, *targets: str, cores: int = 2, options: tuple[str, ...] = (), privileged: bool = True
    ) -> "subprocess.Popen[str]":
        """Start Snakemake in a group of processes of its own."""
        return start(self.command(*targets, cores=cores, options=options), self.folder, privileged)

    def __call__(
        self, *targets: str, cores: int = 2, options: tuple[str, ...] = (), privileged: bool = True
    ) -> Outcome:
        """Run Snakemake to its end. Without `privileged` even root must obey the permissions of files."""
        before = files_below(self.results / "logs", ".log")
        code, output = finish(self.start(*targets, cores=cores, options=options, privileged=privileged))
        after = files_below(self.results / "logs", ".log")
        new = {name: log.decode("utf-8") for name, (time, log) in after.items() if before.get(name) != (time, log)}
        return Outcome(code, output, new)

    def succeed(self, *targets: str, **how: Any) -> Outcome:
        """Run Snakemake and expect that it ends well."""
        outcome = self(*targets, **how)
        assert outcome.code == 0, outcome.output
        return outcome

    def table(self, path: str, name: str) -> list[Row]:
        """Read a table below results."""
        return read_table(self.results / path, name)

    def frames(self, path: str, name: str) -> list[str]:
        return [row["frame"] for row in self.table(path, name)]

    def made(self) -> set[str]:
        """Name what stands in results, but neither logs nor benchmarks, nor what is hidden."""
        names = {path.name for path in self.results.iterdir()} - {"logs", "benchmarks"}
        return {name for name in names if not name.startswith(".")}

    def tables(self, below: str = "") -> Files:
        """Give all tables below a folder of results; neither benchmarks nor logs, nor what a kill left half-written."""
        found = files_below(self.results / below, ".tsv")
        left_out = ("benchmarks/", "logs/")
        return {
            name: file
            for name, file in found.items()
            if not name.startswith(left_out) and not Path(name).name.startswith(".")
        }


class KeptRuns:
    """Finished runs with their nights, put back at the very same place for each test: Snakemake knows files by path."""

    def __init__(self, folder: Path) -> None:
        self.stage = folder / "stage"
        self.kept = folder / "kept"

    def keep(self, name: str) -> None:
        shutil.copytree(self.stage, self.kept / name, symlinks=True)

    def put_back(self, name: str) -> Run:
        self.clear()
        shutil.copytree(self.kept / name, self.stage, symlinks=True)
        return Run(self.stage / "run")

    def clear(self) -> None:
        if self.stage.exists():
            shutil.rmtree(self.stage)


def start(command: list[str], folder: Path, privileged: bool = True) -> "subprocess.Popen[str]":
    """Start a command in a group of processes of its own, with the environment a user has."""
    hidden = ("PYTHONPATH", "SNAKEMAKE_PROFILE", "PYTEST_CURRENT_TEST")
    return subprocess.Popen(
        command,
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key not in hidden},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
        preexec_fn=functools.partial(_prepare, privileged),
    )


def finish(process: "subprocess.Popen[str]", time_limit_s: float = TIME_LIMIT_S) -> tuple[int, str]:
    """Wait for the end of a process; return its exit code and what it printed."""
    try:
        output, _ = process.communicate(timeout=time_limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"did not end within {time_limit_s:g} s:\n{output}") from None
    return process.returncode, output


def files_below(folder: Path, suffix: str = "") -> Files:
    """Give the files below a folder by their path in it; links count as what they say."""
    found = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        name, status = str(path.relative_to(folder)), path.lstat()
        if path.is_symlink():
            found[name] = (status.st_mtime_ns, os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = (status.st_mtime_ns, path.read_bytes())
    return found


def contents(files: Files) -> dict[str, bytes]:
    return {name: content for name, (_, content) in files.items()}


def copy_project(folder: Path) -> Path:
    """Copy what a clone holds that a run needs."""
    left = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("config", "envs", "profiles", "rules", "scripts"):
        shutil.copytree(PROJECT / name, folder / name, ignore=left)
    for name in ("Snakefile", ".gitignore"):
        shutil.copy2(PROJECT / name, folder / name)
    return folder


def _prepare(privileged: bool) -> None:
    """Let Ctrl-C work, which what runs in the background ignores, and let root obey the permissions of files.

    Root may read everything by CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, which leave the bounding set here.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not privileged and os.geteuid() == 0:
        drop_from_bounding_set = 24
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)
