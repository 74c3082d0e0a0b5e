"""Single steps on the disk, none of which overwrites anything."""

import errno
import os
import shutil
from pathlib import Path

from nebulift.files import TEMPORARY_PREFIX, replacing
from nebulift.sorting.journal import Journal

_LONGEST_NAME = 255  # bytes, on the usual file systems
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def free_place(place: Path) -> Path:
    """Return `place`, or with a number before its suffix if something lies there already."""
    number, free = 1, place
    while os.path.lexists(free):
        number += 1
        stem, ending = place.stem, f" ({number}){place.suffix}"
        while len(os.fsencode(stem + ending)) > _LONGEST_NAME:
            stem = stem[:-1]
        free = place.with_name(stem + ending)
    return free


def link(source: Path, destination: Path) -> None:
    """Make `destination` a link to `source`."""
    try:
        destination.symlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        why = "no links can be made here; set sort: mode: copy, or another sort: destination"
        raise OSError(error.errno, why, str(destination)) from error


def copy(source: Path, destination: Path) -> None:
    """Copy a file with its time of change; it is at `destination` only once it is complete."""
    status = source.stat()
    with replacing(destination) as temporary:
        shutil.copyfile(source, temporary)
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))


def move(source: Path, destination: Path) -> None:
    """Move a file, also to another file system: there `source` is removed once its copy is complete."""
    if source.is_symlink():
        _move_link(source, destination)
        return
    try:
        source.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, destination)
        shutil.copystat(source, destination)
        source.unlink()


def _move_link(source: Path, destination: Path) -> None:
    """Move a link so that it leads where it led: a relative one is written anew."""
    target = source.readlink()
    if not target.is_absolute():
        from_here = os.path.join(os.path.realpath(source.parent), target)  # noqa: PTH118 - Path would drop ".."
        target = Path(os.path.relpath(from_here, os.path.realpath(destination.parent)))
    destination.symlink_to(target)
    source.unlink()


def remove_torn_copies(journal: Journal) -> None:
    """Remove what a killed program left of a copy: the last step of the journal tells where it may lie."""
    entries = journal.entries()
    if not entries:
        return
    last = entries[-1]
    folders = [last.destination.parent, *([last.source.parent] if last.action == "restore" else [])]
    for folder in folders:
        for torn in folder.glob(f"{TEMPORARY_PREFIX}*"):
            torn.unlink()


def remove_empty_folders(folder: Path) -> None:
    """Remove empty folders below `folder`, deepest first."""
    below = sorted((path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True)
    for path in below:
        if not any(path.iterdir()):
            path.rmdir()
