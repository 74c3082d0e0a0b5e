"""The journal of a sorted night: what was put where, written before it was done, never rewritten.

Nothing heavy is imported here: the listing of a night asks the journal where moved frames are.
"""

import filecmp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nebulift.files import read_exactly

_HEADER = ("action", "frame", "source", "destination", "size_bytes", "mtime_ns")
_ACTIONS = ("link", "copy", "move", "restore")
# One line is one step, whatever a frame is called: only so a line that a crash cut off can be told.
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
JOURNAL_NAME = "journal.tsv"
COARSEST_TIME_NS = 2_000_000_000  # to so much FAT keeps the time of a copy


class JournalError(ValueError):
    """A file is in the place of a journal that is none; the message names it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: `action` is link, copy, move or restore; `source` is where the frame lay before any sorting.

    Of a copy `size_bytes` and `mtime_ns` tell what was copied, so that it is known whether either file changed since.
    """

    action: str
    frame: str
    source: Path
    destination: Path
    size_bytes: int = 0
    mtime_ns: int = 0


class Journal:
    """The journal in the folder of a sorted night."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first; a last line that was cut off by a crash had not been acted on.

        Raises JournalError for a file that is no journal: it must not be written to.
        """
        try:
            text = read_exactly(self.path)
        except FileNotFoundError:
            return []
        header, *lines = text.split("\n")
        expected = _line(_HEADER).decode().rstrip("\n")
        if header != expected if lines else not expected.startswith(header):
            raise JournalError(f"{self.path}: not a journal of sorted frames; move it away")
        return [self._entry(number, line) for number, line in enumerate(lines[:-1], start=2)]

    def _entry(self, number: int, line: str) -> Entry:
        try:
            action, frame, source, destination, size_bytes, mtime_ns = map(_unescape, line.split("\t"))
            if action not in _ACTIONS:
                raise ValueError(f"{action!r} is none of {', '.join(_ACTIONS)}")
            return Entry(action, frame, Path(source), Path(destination), int(size_bytes), int(mtime_ns))
        except ValueError as error:
            raise JournalError(
                f"{self.path}: line {number} is not one of a journal of sorted frames: {error}"
            ) from error

    def write(self, entry: Entry) -> None:
        """Append an entry and wait until it is on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            _cut_off_torn_line(file)
            if file.tell() == 0:
                file.write(_line(_HEADER))
            numbers = (str(entry.size_bytes), str(entry.mtime_ns))
            file.write(_line((entry.action, entry.frame, str(entry.source), str(entry.destination), *numbers)))
            file.flush()
            os.fsync(file.fileno())

    def placed(self) -> dict[str, Entry]:
        """Return for each frame the placement that stands on the disk now."""
        found: dict[str, Entry] = {}
        seen: set[str] = set()
        over: set[str] = set()
        for placement, restored in reversed(self._placements()):
            if placement.frame in over:
                continue
            is_there = _is_there(placement, certain=not restored and placement.frame not in seen)
            if is_there:
                found[placement.frame] = placement
            # A last step that was never done was cut short by a crash: what stood before it stands still.
            if is_there or restored:
                over.add(placement.frame)
            seen.add(placement.frame)
        return dict(reversed(found.items()))

    def sources(self) -> dict[Path, Path]:
        """Return where the frame came from that was last put at each destination."""
        return {placement.destination: placement.source for placement, _ in self._placements()}

    def lost(self) -> list[Entry]:
        """Return the moves of frames that are neither where they were moved to nor where they came from."""
        last = {placement.frame: (placement, restored) for placement, restored in self._placements()}
        placed = self.placed()
        return [
            placement
            for frame, (placement, restored) in last.items()
            if placement.action == "move" and not restored and frame not in placed
            if not os.path.lexists(placement.source)
        ]

    def _placements(self) -> list[tuple[Entry, bool]]:
        """Return the last placement at each destination, oldest first, and whether it was to be taken out again.

        A destination is given to a frame only when it is free, so whatever stood there before is gone.
        """
        placements: dict[Path, tuple[Entry, bool]] = {}
        for entry in self.entries():
            if entry.action == "restore":
                if entry.destination in placements:
                    placements[entry.destination] = (placements[entry.destination][0], True)
            else:
                placements.pop(entry.destination, None)
                placements[entry.destination] = (entry, False)
        return list(placements.values())


def is_double(one: Path, other: Path) -> bool:
    """Tell whether two places hold the same: regular files by their bytes, links by where they lead to."""
    if os.path.realpath(one.parent) == os.path.realpath(other.parent) and one.name == other.name:
        return False  # one place by two names
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and os.path.realpath(one) == os.path.realpath(other)
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def is_as_copied(path: Path, copied: Entry, tolerance_ns: int = 0) -> bool:
    """Tell whether the file that was copied, or its copy, is still what it was then."""
    status = path.stat()
    return status.st_size == copied.size_bytes and abs(status.st_mtime_ns - copied.mtime_ns) <= tolerance_ns


def moved_frames(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (frame, path) of the frames that were moved into the sorted night at `folder` and lie there still."""
    for frame, entry in Journal(folder).placed().items():
        if entry.action == "move" and not os.path.lexists(entry.source):
            yield frame, entry.destination


def _is_there(placement: Entry, certain: bool) -> bool:
    """Tell whether what lies at the destination is what was put there.

    It is not `certain` where a later step was to take it away: it is there still if a crash came between, but else
    somebody may have put something in its place.
    """
    source, destination = placement.source, placement.destination
    if not os.path.lexists(destination):
        return False
    if placement.action == "link":
        return destination.is_symlink() and destination.readlink() == source
    if placement.action == "copy":
        is_copy = destination.is_file() and not destination.is_symlink()
        return is_copy and (certain or is_as_copied(destination, placement, COARSEST_TIME_NS))
    return certain or not os.path.lexists(source) or is_double(source, destination)


def _line(fields: tuple[str, ...]) -> bytes:
    escaped = ("".join(_ESCAPES.get(character, character) for character in field) for field in fields)
    return ("\t".join(escaped) + "\n").encode("utf-8", "surrogateescape")


def _unescape(field: str) -> str:
    characters, rest = [], iter(field)
    plain = {escape[1]: character for character, escape in _ESCAPES.items()}
    for character in rest:
        characters.append(plain.get(next(rest, ""), "\\") if character == "\\" else character)
    return "".join(characters)


def _cut_off_torn_line(file: IO[bytes]) -> None:
    """Cut off what a crash left of a line, so that the next one begins on its own; stand at the end."""
    size = file.seek(0, os.SEEK_END)
    tail = b""
    while size and not tail.endswith(b"\n"):
        start = max(0, size - 4096)
        file.seek(start)
        tail = file.read(size - start)
        size = start + tail.rfind(b"\n") + 1
        tail = tail[: size - start]
    file.truncate(size)
    file.seek(0, os.SEEK_END)
