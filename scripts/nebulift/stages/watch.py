"""A night while it happens: the workflow, run on the frames that have landed, again and again."""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from nebulift.config import read_config
from nebulift.files import replacing, write_text
from nebulift.frames.listing import list_frames
from nebulift.job import ended_with_this_process
from nebulift.running import ANOTHER_RUN
from nebulift.stages.landing import Landing, State
from nebulift.stages.plan import night_name
from nebulift.tables import Row, read_table
from nebulift.workflow import SNAKEFILE

logger = logging.getLogger(__name__)

LOOK_EVERY_S, _LOOK_AGAIN_S = 1.0, 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0
_LINES_OF_A_FAILURE = 12
_REFUSED = (ANOTHER_RUN, "LockException")


class AnotherWatchError(OSError):
    """Another `nebulift watch` works in this folder."""


class Watch:
    """Grades the frames of the folder `directory` as they land, in a run in `folder`.

    `night` is its name, None for that of the folder; `configfiles` are laid over one another for all else. The table
    results/watch/<night>.tsv, a copy of the night's labels, is there once something was graded, and always whole:
    Snakemake takes results/labels/<night>.tsv away while it makes it anew. Raises ConfigError for a configuration that
    cannot be used, NotADirectoryError or FileNotFoundError for a folder that is none.
    """

    def __init__(
        self,
        directory: Path,
        folder: Path,
        night: str | None = None,
        configfiles: Sequence[Path] = (),
        cores: int | None = None,
        settled: float = 1.0,
    ) -> None:
        self._directory, self._folder = directory.absolute(), folder.absolute()
        list_frames(self._directory)
        self._night = night_name(self._directory.name) if night is None else night
        mine = self._folder / ".nebulift" / f"watch-{self._night}"
        self._configfile, self._frames_file = mine.with_suffix(".yaml"), mine.with_suffix(".txt")
        self._running = self._folder / ".nebulift" / "watching"
        settings = read_config(configfiles) if configfiles else {}
        frames = {"path": str(self._directory), "frames_file": str(self._frames_file)}
        self._config: dict[str, Any] = {**settings, "nights": {self._night: frames}}
        self._cores = cores or os.cpu_count() or 1
        self._landing = Landing(settled, time.monotonic)
        results = Path(settings.get("pathvars", {}).get("results", "results"))
        self._target = results / "labels" / f"{self._night}.tsv"
        self.table = self._folder / results / "watch" / f"{self._night}.tsv"
        self._told: dict[str, tuple[Any, ...]] = {}

    def go_on_until_interrupted(self) -> None:
        """Grade what lands until Ctrl-C or a signal to end; a job that runs then is let finish.

        A run that fails is told of and tried again, at once when something else lands, else after a pause that grows.
        Raises AnotherWatchError when another watch works in the same folder.
        """
        with self._alone(), _interrupted_by(signal.SIGTERM):
            write_text(self._configfile, yaml.safe_dump(self._config, sort_keys=False, allow_unicode=True))
            logger.info("watching %s; labels: %s; Ctrl-C ends it", self._directory, self.table)
            try:
                self._go_on()
            except KeyboardInterrupt:
                logger.info("ended; started again it goes on")

    def _go_on(self) -> None:
        graded: Mapping[str, State] | None = None
        pause, again = _FIRST_PAUSE_S, 0.0
        tried: Mapping[str, State] = {}
        while True:
            landed = self._look()
            changed = landed != tried or time.monotonic() >= again
            if landed and landed != graded and changed:
                tried = landed
                if self._run(landed):
                    graded, pause = landed, _FIRST_PAUSE_S
                else:
                    again = time.monotonic() + pause
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                time.sleep(_LOOK_AGAIN_S if self._landing.waiting else LOOK_EVERY_S)

    def _look(self) -> Mapping[str, State]:
        try:
            return self._landing.look(list_frames(self._directory))
        except OSError as error:  # a share that is away for a while
            logger.warning("%s cannot be looked at: %s", self._directory, error)
            time.sleep(_FIRST_PAUSE_S)
            return {}

    def _run(self, landed: Mapping[str, State]) -> bool:
        """Run the workflow up to this night's labels; say whether it came to its end."""
        write_text(self._frames_file, "\n".join(sorted(landed)) + "\n")
        code, output = self._snakemake()
        if code == 0:
            self._tell()
            return True
        if any(words in output for words in _REFUSED):
            logger.warning("another run works on these results: waiting for its end")
        else:
            lines = output.rstrip().splitlines()[-_LINES_OF_A_FAILURE:]
            logger.warning("the workflow failed, and is tried again later:\n  %s", "\n  ".join(lines))
        return False

    def _snakemake(self) -> tuple[int, str]:
        """Run Snakemake; return its exit code and what it printed."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", str(self._target), "--snakefile", str(SNAKEFILE)),
                *("--directory", str(self._folder), "--cores", str(self._cores)),
                *("--configfile", str(self._configfile)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            # Ctrl-C is for this process, which lets a job finish; when it is killed, Snakemake ends behind that, too.
            start_new_session=True,
            preexec_fn=ended_with_this_process,
        )
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            logger.info("ending behind the jobs that run; Ctrl-C again cancels them")
            process.terminate()
            try:
                process.communicate()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.communicate()
            raise
        return process.returncode, output

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder. What a watch that was killed has left is cleared up by the next run."""
        self._running.parent.mkdir(parents=True, exist_ok=True)
        with self._running.open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"{self._folder}: another nebulift watch works here; end it first"
                raise AnotherWatchError(message) from None
            yield

    def _tell(self) -> None:
        """Replace the table that others follow, and tell of each frame whose label is new or another."""
        rows = read_table(self._folder / self._target, "labels")
        with replacing(self.table) as temporary:
            shutil.copyfile(self._folder / self._target, temporary)
        for row in rows:
            said = (row["label"], row["reasons"])
            if self._told.get(row["frame"]) != said:
                self._told[row["frame"]] = said
                logger.info("%s", _line(row))


def _line(row: Row) -> str:
    reasons = f": {row['reasons']}" if row["reasons"] else ""
    return f"{time.strftime('%H:%M:%S')} {row['frame']} {row['label']}{reasons}"


@contextmanager
def _interrupted_by(number: int) -> Iterator[None]:
    """Let a signal do what Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)
