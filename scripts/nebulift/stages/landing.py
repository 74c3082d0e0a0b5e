"""Which files of a folder have landed: those that nobody writes any more."""

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nebulift.frames.listing import FITS_SUFFIXES, ListedFrame

# A FITS file that ends too early is still being written for so long after its last change; then it is broken.
_GIVEN_UP_S = 60.0
State = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class _Seen:
    state: State
    since: float
    whole: bool | None = None


class Landing:
    """What was seen of the files of a folder, look by look.

    A file has landed when its size and time of change have stayed as they are for `settled` seconds, by this machine's
    running clock: the file's own time may be that of another machine. A FITS file also has to be as long as its headers
    say; one that is not is waited for longer, then taken as it is. That works on any file system: a network share tells
    of no changes that another machine makes, so folders are looked at.
    """

    def __init__(self, settled: float, now: Callable[[], float]) -> None:
        self._settled, self._now = settled, now
        self._seen: dict[str, _Seen] = {}

    @property
    def waiting(self) -> bool:
        """Whether a file was there at the last look that may have landed before long."""
        return any(one.whole is None for one in self._seen.values())

    def look(self, frames: Sequence[ListedFrame]) -> Mapping[str, State]:
        """Return the state of each frame that has landed, by its name."""
        now, seen, landed = self._now(), {}, {}
        for frame in frames:
            try:
                status = frame.path.stat()
            except OSError:  # gone again, or a broken link: not there yet
                continue
            state = (status.st_size, status.st_mtime_ns)
            before = self._seen.get(frame.name)
            one = before if before is not None and before.state == state else _Seen(state, now)
            waited = now - one.since
            if waited >= self._settled and one.whole is None:
                one = _Seen(state, one.since, is_whole(frame.path))
            if one.whole or (one.whole is False and waited >= _GIVEN_UP_S):
                landed[frame.name] = state
            seen[frame.name] = one
        self._seen = seen
        return landed


def is_whole(path: Path) -> bool:
    """Say whether a file is as long as it has to be, as far as can be told without reading all of it.

    A FITS file ends with the pixels that its last header tells of, or up to a block of 2880 bytes behind them; without
    any pixels it is no frame yet. Packed files and pictures are whole as soon as there is anything in them. So is what
    is no FITS at all: reading it says what is wrong.
    """
    size = path.stat().st_size
    if size == 0 or not os.access(path, os.R_OK):
        return size > 0
    if not path.name.lower().endswith(FITS_SUFFIXES):
        return True
    from astropy.io import fits  # takes a second, which only those should pay who watch

    try:
        with warnings.catch_warnings(action="ignore"), fits.open(path, memmap=False, lazy_load_hdus=False) as parts:
            spans = [part.fileinfo()["datSpan"] for part in parts]
            start = parts[-1].fileinfo()["datLoc"]
            return any(spans) and start + _bytes_of_pixels(parts[-1].header) <= size <= start + spans[-1]
    except OSError:  # a header that has no end yet, or none at all
        with path.open("rb") as file:
            return file.read(6) != b"SIMPLE"


def _bytes_of_pixels(header: Any) -> int:
    axes = [header[f"NAXIS{axis}"] for axis in range(1, header["NAXIS"] + 1)]
    pixels = math.prod(axes) if axes else 0
    return int(abs(header["BITPIX"]) // 8 * header.get("GCOUNT", 1) * (header.get("PCOUNT", 0) + pixels))
