"""Putting the frames of a night into class folders, and taking them out again.

Nothing is ever overwritten or lost: a step is in the journal before it is done, a name that is taken by something
else gets a number, and a move across file systems removes the frame only after its copy is complete.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nebulift.files import replacing
from nebulift.sorting.journal import Entry, Journal

Mode = Literal["link", "copy", "move"]


@dataclass(frozen=True, slots=True)
class Sorted:
    """A frame to be sorted: its name below the night, where it lies now, and its class folder."""

    frame: str
    path: Path
    decision: str


def sort_frames(frames: Sequence[Sorted], folder: Path, mode: Mode) -> list[Path]:
    """Bring the folder of a sorted night to exactly these frames in their class folders; return their places there.

    What an earlier run put there and no longer belongs is taken out: links and copies are removed, moved frames go back.
    """
    journal = Journal(folder)
    placed = journal.placed()
    wanted = {frame.frame: frame for frame in frames}
    for name, entry in placed.items():
        if name not in wanted or not _stands(entry, wanted[name], folder, mode):
            _take_out(journal, entry)
    places = []
    for frame in frames:
        entry = placed.get(frame.frame)
        if entry is not None and _stands(entry, frame, folder, mode):
            places.append(entry.destination)
            continue
        # A frame that an earlier run had moved is back where it came from.
        source = entry.source if entry is not None and entry.action == "move" else frame.path
        destination = _free_place(folder / frame.decision / frame.frame)
        journal.write(Entry(mode, frame.frame, source.absolute(), destination))
        _put(mode, source.absolute(), destination)
        places.append(destination)
    _remove_empty_folders(folder)
    return places


def undo_sort(folder: Path) -> list[Path]:
    """Take everything out of the folder of a sorted night; return where moved frames lie again.

    Raises FileNotFoundError if there is no journal in `folder`.
    """
    journal = Journal(folder)
    if not journal.path.exists():
        raise FileNotFoundError(f"{journal.path}: no such journal; name the folder of one sorted night")
    restored = []
    for entry in journal.placed().values():
        _take_out(journal, entry)
        if entry.action == "move":
            restored.append(entry.source)
    _remove_empty_folders(folder)
    return restored


def _stands(entry: Entry, frame: Sorted, folder: Path, mode: Mode) -> bool:
    """Tell whether a frame is already where and how it should be, and still the same frame."""
    if entry.action != mode or entry.destination.parent != (folder / frame.decision / frame.frame).parent:
        return False
    if mode == "move":
        return frame.path.absolute() in (entry.destination, entry.source) and not os.path.lexists(entry.source)
    if frame.path.absolute() != entry.source:
        return False
    if mode == "link":
        return entry.destination.is_symlink() and Path(os.readlink(entry.destination)) == entry.source
    here, there = entry.destination.stat(), entry.source.stat()
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def _put(mode: Mode, source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    if mode == "link":
        destination.symlink_to(source)
    elif mode == "copy":
        _copy(source, destination)
    else:
        _move(source, destination)


def _take_out(journal: Journal, entry: Entry) -> None:
    """Undo one placement. A copy is removed only while the frame it was made of exists."""
    if entry.action == "move":
        if os.path.lexists(entry.source):
            raise FileExistsError(
                f"{entry.source}: a new file lies where {entry.destination} was moved from; move one of them away"
            )
        journal.write(Entry("restore", entry.frame, entry.source, entry.destination))
        entry.source.parent.mkdir(parents=True, exist_ok=True)
        _move(entry.destination, entry.source)
    elif (entry.action == "link" and entry.destination.is_symlink()) or (
        entry.action == "copy" and entry.source.exists()
    ):
        journal.write(Entry("restore", entry.frame, entry.source, entry.destination))
        entry.destination.unlink()


def _copy(source: Path, destination: Path) -> None:
    with replacing(destination) as temporary:
        shutil.copyfile(source, temporary)
        times = source.stat()
        os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))


def _move(source: Path, destination: Path) -> None:
    try:
        source.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, destination)
        source.unlink()


def _free_place(place: Path) -> Path:
    """Return `place`, or with a number before its suffix if something lies there already."""
    number = 1
    free = place
    while os.path.lexists(free):
        number += 1
        free = place.with_name(f"{place.stem} ({number}){place.suffix}")
    return free


def _remove_empty_folders(folder: Path) -> None:
    """Remove empty folders below `folder`, deepest first."""
    below = sorted((path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True)
    for path in below:
        if not any(path.iterdir()):
            path.rmdir()
