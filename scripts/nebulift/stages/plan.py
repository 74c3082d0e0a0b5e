"""What a run is about: the frames of each night, listed while the workflow is parsed, so nothing heavy is imported."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nebulift.config import ConfigError
from nebulift.files import read_exactly
from nebulift.frames.listing import FRAME_SUFFIXES, ListedFrame, list_frames
from nebulift.model.registry import RegistryError, promoted_model
from nebulift.sorting.journal import JournalError, moved_frames

_SMALLEST_CHUNK, _CHUNKS = 32, 4


def plan_night(
    name: str, night: Mapping[str, Any], sorted_folder: Path, own_folders: Iterable[Path]
) -> list[ListedFrame]:
    """Return the frames of a night, sorted by name; raises ConfigError naming the night.

    `sorted_folder` is where the night's frames are sorted to: those that were moved there still belong to the night.
    Files below `own_folders`, which the workflow writes itself, do not.
    """
    folder = Path(night["path"]).expanduser()
    key = f"nights: {name}: path"
    try:
        moved = dict(moved_frames(sorted_folder))
        # Snakemake removes a folder that it finds empty, so a night whose frames were all moved may be gone.
        listed = [] if moved and not folder.exists() else list_frames(folder, night["pattern"], night["recursive"])
        if night.get("frames_file") is not None:
            key = f"nights: {name}: frames_file"
            named = set(read_exactly(Path(night["frames_file"]).expanduser()).split("\n"))
            listed = [frame for frame in listed if frame.name in named]
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "file" if key.endswith("_file") else "folder"
        raise ConfigError(f"{key}: {error.filename}: no such {what}") from error
    except JournalError as error:
        raise ConfigError(f"sort: destination: {error}") from error
    except PermissionError as error:
        raise ConfigError(f"{key}: {error.filename}: permission denied") from error
    own = [f"{os.path.realpath(path)}{os.sep}" for path in own_folders]
    frames = {
        frame.name: frame
        for frame in listed
        if not f"{os.path.realpath(frame.path.parent)}{os.sep}".startswith(tuple(own))
    }
    frames |= {frame: ListedFrame(frame, path) for frame, path in moved.items()}
    if not frames:
        for prefix in own:
            if f"{os.path.realpath(folder)}{os.sep}".startswith(prefix):
                raise ConfigError(f"{key}: {folder}: lies in {prefix[:-1]}, which the workflow writes itself")
        raise ConfigError(
            f"{key}: {folder}: no frame there whose name fits {night['pattern']!r} and ends in"
            f" {', '.join(FRAME_SUFFIXES[:3])} or another suffix that can be read"
        )
    return [frames[frame] for frame in sorted(frames)]


def night_name(text: str) -> str:
    """Return a text, such as the name of a folder, as the name of a night: without what cannot be in one."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-") or "night"


def ready_model(section: Mapping[str, Any]) -> str | None:
    """Return the model that the section `model` names, or the one promoted in its registry; None if there is none.

    Raises ConfigError where it names a file that is not there, or a registry that cannot be read.
    """
    if section["path"] is not None:
        if not Path(section["path"]).expanduser().is_file():
            raise ConfigError(f"model: path: {section['path']}: no such file")
        return str(Path(section["path"]).expanduser())
    try:
        promoted = promoted_model(Path(section["registry"]).expanduser())
    except RegistryError as error:
        raise ConfigError(f"model: registry: {error}") from error
    return None if promoted is None else str(promoted)


def frames_per_chunk(frames: int, most: int) -> int:
    """Return how many frames of a night a job scores: so many that its start matters little, and work for four at once.

    A quarter of the night, at least 32, at most `most`, in powers of two: a night that grows is seldom cut anew.
    """
    size = _SMALLEST_CHUNK
    while size * _CHUNKS < frames:
        size *= 2
    return min(size, most)


def chunks(frames: Sequence[ListedFrame], most: int) -> dict[str, list[ListedFrame]]:
    """Cut the frames of a night into chunks of at most `most`, by number, in their order."""
    size = frames_per_chunk(len(frames), most)
    return {f"{start // size:04d}": list(frames[start : start + size]) for start in range(0, len(frames), size)}


def fingerprint(paths: Iterable[Path]) -> str:
    """Return what changes with any of the files: their sizes, times of change and who may read them, in 16 letters."""
    return hashlib.sha256("\n".join(map(_state, paths)).encode()).hexdigest()[:16]


def known_by_content(path: Path) -> list[str]:
    """Return the path of a small file and what changes with its content; nothing where there is no such file."""
    try:
        return [str(path), hashlib.sha256(path.read_bytes()).hexdigest()[:16]]
    except FileNotFoundError:
        return []
    except OSError as error:  # the job that reads it says what is wrong
        return [str(path), type(error).__name__]


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        return type(error).__name__
    readable = os.access(path, os.R_OK)
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns, {'readable' if readable else 'forbidden'}"
