"""One run at a time on a folder of results, and what a run that was cut off leaves behind.

Snakemake's own lock outlives a run that was killed, and knows nothing of runs in other folders. This one is a lock of
the operating system on a file in the results: it ends with its process, whatever ended that.
"""

import atexit
import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

LOCK_NAME = ".running"
_SNAKEMAKE = Path(".snakemake")
_NO_LOCKS_HERE = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
_held: dict[Path, int] = {}


ANOTHER_RUN = "another run is at work on these results"
"""How a run is refused; Snakemake prints it, and who started Snakemake may look for it."""


class ResultsInUseError(RuntimeError):
    """Another run is at work on the results; the message says which, and what to do."""


def begin_run(results: Path) -> list[str]:
    """Hold `results` for this process until `end_run` or its end; to be called in the folder that Snakemake works in.

    After a run that was cut off in this folder its Snakemake lock is removed and those of its jobs that Slurm still has
    are cancelled; what was done is returned as messages. Raises ResultsInUseError if another process holds them.
    """
    place = results.absolute() / LOCK_NAME
    if place in _held:
        return []
    place.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    messages = []
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ResultsInUseError(_refusal(results, _record(place))) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            os.close(handle)
            raise
        messages.append(f"{results}: this file system has no locks, so nothing keeps two runs apart: {error.strerror}")
    before = _record(place)
    if before.get("folder") == str(Path.cwd()):
        messages += _clear_up(before)
    record = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "folder": str(Path.cwd()),
        "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(record).encode(), 0)
    if not _held:
        atexit.register(end_run)
    _held[place] = handle
    return messages


def end_run() -> None:
    """Let go of all results that this process holds, and leave no trace of it."""
    while _held:
        _, handle = _held.popitem()
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
        os.close(handle)


def _record(place: Path) -> Mapping[str, Any]:
    """Return what the lock says of the run that holds it or was cut off with it; empty after one that ended."""
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _refusal(results: Path, record: Mapping[str, Any]) -> str:
    host, process = record.get("host", "an unknown machine"), record.get("process", "?")
    return (
        f"{results}: {ANOTHER_RUN}: process {process} on {host}, since"
        f" {record.get('since', '?')}, in {record.get('folder', '?')}.\n"
        f"Wait until it has ended, or stop it (on {host}: kill -INT {process}), or let this run have results of its own"
        " (--directory)."
    )


def _clear_up(before: Mapping[str, Any]) -> list[str]:
    """Remove the lock of a run that was cut off and cancel its jobs; return what was done."""
    messages = []
    locks = _SNAKEMAKE / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        shutil.rmtree(locks)
        messages.append(
            f"A run that began {before.get('since', '?')} on {before.get('host', '?')} was cut off; its lock is removed"
            " and this run goes on where it was."
        )
    cancelled = _cancel_jobs()
    if cancelled:
        messages.append(f"Jobs that Slurm still had of it are cancelled: {', '.join(cancelled)}")
    return messages


def _cancel_jobs() -> list[str]:
    """Cancel this user's Slurm jobs that a Snakemake handed in from this folder, if some of its outputs are unfinished.

    Snakemake's own record of a job's number is lost once the job runs; but jobs say where they came from and carry
    their rule as a comment.
    """
    if shutil.which("squeue") is None or not any(_SNAKEMAKE.joinpath("incomplete").glob("*")):
        return []
    listed = _asked("squeue", "--noheader", "--me", "--format", "%i|%k|%Z")
    jobs = (line.strip().split("|", 2) for line in listed.splitlines() if line.count("|") >= 2)
    here = os.path.realpath(".")
    cancelled = [
        number for number, comment, folder in jobs if comment.startswith("rule_") and os.path.realpath(folder) == here
    ]
    if cancelled:
        _asked("scancel", *cancelled)
    return sorted(cancelled)


def _asked(*command: str) -> str:
    """Return what a command prints, nothing where it fails: then there is no Slurm to speak of."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
