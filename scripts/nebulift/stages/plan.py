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

# What Snakemake takes for a variable of its own inside a path, or cannot write into its records.
_UNTRACKABLE = re.compile(r"<[a-z][a-z0-9_]*>|[{}\n\r\ud800-\udfff]")


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


def chunks(frames: Sequence[ListedFrame], chunk_size: int) -> dict[str, list[ListedFrame]]:
    """Cut the frames of a night into chunks by number, in their order."""
    return {
        f"{start // chunk_size:04d}": list(frames[start : start + chunk_size])
        for start in range(0, len(frames), chunk_size)
    }


def is_trackable(frame: ListedFrame) -> bool:
    """Tell whether Snakemake can watch the file itself: it exists, and its name is none that Snakemake trips over."""
    return frame.path.exists() and not _UNTRACKABLE.search(str(frame.path))


def fingerprint(frames: Iterable[ListedFrame]) -> str:
    """Return what changes with any of the files: their sizes, times of change and who may read them, in 16 letters."""
    return hashlib.sha256("\n".join(map(_state, frames)).encode()).hexdigest()[:16]


def _state(frame: ListedFrame) -> str:
    try:
        status = frame.path.stat()
    except OSError as error:
        return type(error).__name__
    readable = os.access(frame.path, os.R_OK)
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns, {'readable' if readable else 'forbidden'}"
