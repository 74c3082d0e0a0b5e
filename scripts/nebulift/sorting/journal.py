"""The journal of a sorted night: what was put where, written before it was done, never rewritten.

Nothing heavy is imported here: the listing of a night asks the journal where moved frames are.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nebulift.files import read_exactly

_HEADER = ("action", "frame", "source", "destination")
# One line is one step, whatever a frame is called: only so a line that a crash cut off can be told.
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
JOURNAL_NAME = "journal.tsv"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: `action` is link, copy, move or restore; `source` is where the frame lay before any sorting."""

    action: str
    frame: str
    source: Path
    destination: Path


class Journal:
    """The journal in the folder of a sorted night."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first; a last line that was cut off by a crash had not been acted on."""
        try:
            text = read_exactly(self.path)
        except FileNotFoundError:
            return []
        fields = [[_unescape(part) for part in line.split("\t")] for line in text.split("\n")[1:-1]]
        return [Entry(action, frame, Path(source), Path(target)) for action, frame, source, target in fields]

    def write(self, entry: Entry) -> None:
        """Append an entry and wait until it is on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            _cut_off_torn_line(file)
            if file.tell() == 0:
                file.write(_line(_HEADER))
            file.write(_line((entry.action, entry.frame, str(entry.source), str(entry.destination))))
            file.flush()
            os.fsync(file.fileno())

    def placed(self) -> dict[str, Entry]:
        """Return for each frame the placement that stands on the disk now."""
        found: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.action == "restore":
                if not os.path.lexists(entry.destination):
                    found.pop(entry.frame, None)
            elif os.path.lexists(entry.destination):
                found[entry.frame] = entry
        return found


def moved_frames(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (frame, path) of the frames that were moved into the sorted night at `folder` and lie there still."""
    for frame, entry in Journal(folder).placed().items():
        if entry.action == "move" and not os.path.lexists(entry.source):
            yield frame, entry.destination


def _line(fields: tuple[str, ...]) -> bytes:
    escaped = ("".join(_ESCAPES.get(character, character) for character in field) for field in fields)
    return ("\t".join(escaped) + "\n").encode("utf-8", "surrogateescape")


def _unescape(field: str) -> str:
    characters, rest = [], iter(field)
    plain = {escape[1]: character for character, escape in _ESCAPES.items()}
    for character in rest:
        characters.append(plain[next(rest)] if character == "\\" else character)
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
