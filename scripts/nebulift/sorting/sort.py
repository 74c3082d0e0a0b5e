"""Putting the frames of a night into class folders, and taking them out again.

Nothing is ever overwritten or lost: a step is in the journal before it is done, a name that is taken by something
else gets a number, and a move across file systems removes the frame only after its copy is complete.
"""

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nebulift.sorting.journal import COARSEST_TIME_NS, Entry, Journal, is_as_copied, is_double
from nebulift.sorting.placing import copy, free_place, link, move, remove_empty_folders, remove_torn_copies

logger = logging.getLogger(__name__)

Mode = Literal["link", "copy", "move"]
_PUT = {"link": link, "copy": copy, "move": move}


@dataclass(frozen=True, slots=True)
class Sorted:
    """A frame to be sorted: its name below the night, where it lies now, and its class folder."""

    frame: str
    path: Path
    decision: str


def sort_frames(frames: Sequence[Sorted], folder: Path, mode: Mode) -> list[Path | None]:
    """Bring the folder of a sorted night to exactly these frames in their class folders; return their places there.

    What an earlier run put there and no longer belongs is taken out: links and copies are removed, moved frames go
    back. A frame that has vanished, or that cannot be read to be copied, has no place (None); a warning names it.
    Raises FileExistsError if a new file lies where a moved frame would go back to.
    """
    folder = folder.absolute()
    journal = Journal(folder)
    remove_torn_copies(journal)
    placed, sources = journal.placed(), journal.sources()
    # A frame may be listed where an earlier run has put it; what counts is where it came from.
    paths = [frame.path.absolute() for frame in frames]
    origins = {frame.frame: sources.get(path, path) for frame, path in zip(frames, paths, strict=True)}
    standing = {}
    for name, entry in placed.items():
        if name in origins and _holds(entry, origins[name], mode):
            standing[name] = entry
        else:
            _take_out(journal, entry)
    places = [
        _place(journal, Sorted(frame.frame, origins[frame.frame], frame.decision), standing.get(frame.frame), mode)
        for frame in frames
    ]
    remove_empty_folders(folder)
    return places


def undo_sort(folder: Path) -> list[Path]:
    """Take everything out of the folder of a sorted night; return where moved frames lie again.

    Raises FileNotFoundError if there is no journal in `folder`.
    """
    folder = folder.absolute()
    journal = Journal(folder)
    if not journal.path.exists():
        raise FileNotFoundError(f"{journal.path}: no such journal; name the folder of one sorted night")
    remove_torn_copies(journal)
    for entry in journal.lost():
        logger.warning("%s: not found; it was moved there from %s", entry.destination, entry.source)
    restored = []
    for entry in journal.placed().values():
        _take_out(journal, entry)
        if entry.action == "move":
            restored.append(entry.source)
    remove_empty_folders(folder)
    return restored


def _holds(entry: Entry, source: Path, mode: Mode) -> bool:
    """Tell whether a placement is how it should be, wherever it is, and still that of the same frame."""
    if (entry.action, entry.source) != (mode, source):
        return False
    if mode == "move":
        return not os.path.lexists(source)
    return mode == "link" or not source.exists() or is_as_copied(source, entry)


def _place(journal: Journal, frame: Sorted, standing: Entry | None, mode: Mode) -> Path | None:
    """Put a frame, which may stand in the folder of another class already, where it belongs."""
    wanted = journal.path.parent / frame.decision / frame.frame
    if standing is not None:
        if standing.destination.parent == wanted.parent:
            return standing.destination
        if (there := _change_folder(journal, standing, wanted)) is not None:
            return there
        _take_out(journal, standing)
    if mode == "copy" and not (frame.path.is_file() and os.access(frame.path, os.R_OK)):
        logger.warning("%s: cannot be read, so it is not copied to %s", frame.path, wanted.parent)
        return None
    if not os.path.lexists(frame.path):
        logger.warning("%s: has vanished since it was listed, so it is not sorted", frame.path)
        return None
    destination = free_place(wanted)
    status = frame.path.lstat() if mode != "copy" else frame.path.stat()
    journal.write(Entry(mode, frame.frame, frame.path, destination, status.st_size, status.st_mtime_ns))
    destination.parent.mkdir(parents=True, exist_ok=True)
    _PUT[mode](frame.path, destination)
    return destination


def _change_folder(journal: Journal, standing: Entry, wanted: Path) -> Path | None:
    """Move what stands in the folder of another class to its own; None if that is on another file system."""
    destination = free_place(wanted)
    numbers = (standing.size_bytes, standing.mtime_ns)
    journal.write(Entry(standing.action, standing.frame, standing.source, destination, *numbers))
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        standing.destination.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return None
    return destination


def _take_out(journal: Journal, entry: Entry) -> None:
    """Undo one placement; a copy that is the last of its frame, or that somebody has changed, stays."""
    restore = Entry("restore", entry.frame, entry.source, entry.destination)
    if entry.action == "copy":
        if not entry.source.exists():
            logger.warning("%s: stays, for %s, of which it is a copy, is gone", entry.destination, entry.source)
            return
        journal.write(restore)
        if is_as_copied(entry.destination, entry, COARSEST_TIME_NS):
            entry.destination.unlink()
        else:
            logger.warning("%s: stays, for it was changed since it was copied", entry.destination)
    elif entry.action == "link":
        journal.write(restore)
        entry.destination.unlink()
    elif not os.path.lexists(entry.source):
        journal.write(restore)
        entry.source.parent.mkdir(parents=True, exist_ok=True)
        move(entry.destination, entry.source)
    elif is_double(entry.source, entry.destination):  # a move to another file system, which was cut short
        journal.write(restore)
        entry.destination.unlink()
    else:
        raise FileExistsError(
            f"{entry.source}: a new file lies where {entry.destination} was moved from; move one of them away"
        )
