"""What a measurement was made with: machine, versions, date, command."""

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nebulift
from nebulift.scoring.version import SCORER_VERSION

PACKAGES = ("numpy", "opencv-python-headless", "sep", "numba", "astropy")
_PLACES = {"--folder", "--output", "--page"}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def described(arguments: Sequence[str], command: str, packages: Sequence[str] = PACKAGES) -> str:
    """Return lines of Markdown: when, on what, with which versions and by which command line.

    Where files were put (--folder, --output, --page) is left out: it changes nothing that is measured.
    """
    versions = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in packages)]
    told = [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if not {before, argument.partition("=")[0]} & _PLACES
    ]
    written = shlex.join(["python", f"workflow_tests/benchmarks/{command}", *told])
    return (
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Nebulift {nebulift.__version__}, scorer {SCORER_VERSION}\n"
        f"- {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}\n"
        f"- {', '.join(versions)}\n"
        f"- `{written}`\n"
    )


def processor() -> str:
    """Return the processor's model."""
    listed = Path("/proc/cpuinfo")
    for line in listed.read_text(encoding="utf-8").splitlines() if listed.exists() else ():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def program_version(program: str) -> str:
    """Return what `program --version` prints first, "" where it is not installed."""
    if shutil.which(program) is None:
        return ""
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (printed.stdout or printed.stderr).strip().splitlines()[0]


def single_threaded() -> None:
    """Keep the libraries from threads of their own; to be called before they are imported."""
    for name in _THREADS:
        os.environ[name] = "1"
