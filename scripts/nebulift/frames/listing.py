"""Which frames lie in a folder; standard library only, because it runs while a workflow is parsed."""

import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path

FITS_SUFFIXES = (".fits", ".fit", ".fts")
PICTURE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
FRAME_SUFFIXES = (
    *FITS_SUFFIXES,
    *(suffix + packed for suffix in FITS_SUFFIXES for packed in (".fz", ".gz")),
    ".fz",
    *PICTURE_SUFFIXES,
)


@dataclass(frozen=True, slots=True)
class ListedFrame:
    """One file that should be a frame.

    Attributes
    ----------
    name : path relative to the listed folder, with forward slashes.
    path : absolute path; links are not resolved.
    """

    name: str
    path: Path


def list_frames(folder: Path, pattern: str = "*", recursive: bool = True) -> list[ListedFrame]:
    """List the frames in a folder, sorted by name in the order of code points.

    Everything with a frame's suffix (in any case) whose file name matches `pattern` (in any case) is listed,
    even a broken link: what cannot be read is to be reported, not left out. Hidden files and folders are.
    Links to folders are followed after all real folders have been listed, and only to folders not listed yet.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        For the folder or one inside it; the error carries the path.
    """
    matches = re.compile(fnmatch.translate(pattern), re.IGNORECASE).match
    frames: list[ListedFrame] = []
    listed: set[str] = set()
    linked = [("", os.fspath(folder.absolute()))]
    while linked:
        inside = [linked.pop(0)]
        links: list[tuple[str, str]] = []
        while inside:
            prefix, path = inside.pop()
            real = os.path.realpath(path)
            if real in listed:
                continue
            listed.add(real)
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = prefix + entry.name
                    if _is_folder(entry):
                        if recursive:
                            (links if entry.is_symlink() else inside).append((f"{name}/", entry.path))
                    elif entry.name.lower().endswith(FRAME_SUFFIXES) and matches(entry.name):
                        frames.append(ListedFrame(name, Path(entry.path)))
        linked.extend(sorted(links))
    return sorted(frames, key=lambda frame: frame.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle or where this user may not look: listed, and unreadable later
        return False
