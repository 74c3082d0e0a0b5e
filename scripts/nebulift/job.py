"""What every job of the workflow does around its work: threads, log, errors."""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def hand_library_to_jobs() -> None:
    """Let the processes started from here import the library from where this one did, whichever is installed."""
    library = str(Path(__file__).parents[1])
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([library, *(path for path in given if path not in ("", library))])


def limit_threads(threads: int) -> None:
    """Limit the native threads of this process and of those it starts; to be called before numpy is imported."""
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)


def ended_with_this_process() -> None:
    """Let the process that is just being started be told to end when the one that starts it is killed (Linux).

    To be called in the child, as Popen's preexec_fn.
    """
    if sys.platform.startswith("linux"):
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM, 0, 0, 0)


@contextmanager
def job(log: str, threads: int = 1) -> Iterator[None]:
    """Limit native threads, log to the job's file and to stderr, and put an error into both before it ends the job.

    To be entered before numpy and its kin are imported: they read their number of threads only once.
    """
    limit_threads(threads)
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(log, mode="w", encoding="utf-8", errors="backslashreplace"), _stderr()],
        force=True,
    )
    try:
        yield
    except (ValueError, OSError) as error:  # what a user can mend: the message says it all
        logging.getLogger("nebulift").error("%s: %s", type(error).__name__, error)
        logging.getLogger("nebulift").debug("", exc_info=True)
        sys.exit(1)
    except Exception:
        logging.getLogger("nebulift").exception("this should not happen")
        raise


def _stderr() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return handler
