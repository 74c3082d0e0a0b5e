"""Results dated in the future: what a clock that was put back, or that starts in the past, leaves behind.

Snakemake tells by dates what is out of date, and fails a job whose output is older than its input. A Raspberry Pi
without a battery begins in the past after a power cut, so everything it made before would be of the future.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nebulift.files import TEMPORARY_PREFIX

# Folders of which Snakemake tracks nothing inside: previews by name, and sorted frames, which may be the raw ones.
_NOT_TRACKED = ("previews", "sorted")
_DATE_OF_FOLDER = ".snakemake_timestamp"


def now_of(folder: Path) -> int:
    """Return the time in ns that a file written into a folder now is dated with: on a network share, the server's."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX) as file:
        os.utime(file.name)
        return Path(file.name).stat().st_mtime_ns


def date_back(results: Path, dataset: Path, now_ns: int) -> float:
    """Move the dates of all results back by so much that none is later than `now_ns`; return the seconds, mostly 0.

    Their order stays, so what was out of date still is and what was not is not. Frames, previews and links are left
    alone.
    """
    dated = {path: path.lstat().st_mtime_ns for path in {*_tracked(results), *_tracked_dataset(dataset)}}
    ahead = max(dated.values(), default=now_ns) - now_ns
    if ahead <= 0:
        return 0.0
    for path, modified_ns in dated.items():
        os.utime(path, ns=(modified_ns - ahead,) * 2, follow_symlinks=False)
    return ahead / 1e9


def _tracked(results: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(results):
        inside = Path(place).relative_to(results)
        if inside == Path():
            folders[:] = [name for name in folders if name not in ("logs", *_NOT_TRACKED)]
            yield from (results / "sorted").glob("*.tsv")
        if _DATE_OF_FOLDER in names:  # a folder that is itself an output
            folders.clear()
            names = [_DATE_OF_FOLDER]
        yield from (Path(place) / name for name in names if not (Path(place) / name).is_symlink())


def _tracked_dataset(dataset: Path) -> Iterator[Path]:
    return _tracked(dataset) if dataset.is_dir() else iter(())
