"""The dataset as folders of links, one per class, as people and other programs expect it."""

import os
from collections.abc import Iterable
from pathlib import Path

# Snakemake puts this into each folder that is an output, to remember when it was made.
_TIMESTAMP = ".snakemake_timestamp"
_LONGEST_NAME = 255  # bytes, on the usual file systems


class ForeignFileError(OSError):
    """A folder that Nebulift would write anew holds something else than its links."""


def check_links(folder: Path) -> list[Path]:
    """Return what is below a folder of links, deepest first; raises ForeignFileError if anything is a file."""
    if folder.is_file():
        raise ForeignFileError(f"{folder}: a file where a folder should be; move it away or choose another folder")
    entries = sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True)
    for entry in entries:
        if not entry.is_symlink() and not entry.is_dir() and entry.name != _TIMESTAMP:
            raise ForeignFileError(f"{entry}: not a link made by Nebulift; move it away or choose another folder")
    return entries


def clear_links(folder: Path) -> None:
    """Remove a folder of links made earlier; raises ForeignFileError, removing nothing, if it holds anything else."""
    for entry in check_links(folder):
        entry.rmdir() if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if folder.is_dir():
        folder.rmdir()


def link_frames(folder: Path, frames: Iterable[tuple[str, str, str]]) -> None:
    """Link each (place below `folder`, path of the file, path of its preview); the preview lies beside as .png."""
    previews = []
    for place, path, preview in frames:
        link = folder / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(path).absolute())
        previews.append((link, Path(preview).absolute()))
    # Frames come first: one of them may have the name that the preview of another would take.
    for link, preview_path in previews:
        beside = link.with_name(f"{link.name}.png")
        if len(os.fsencode(beside.name)) > _LONGEST_NAME or os.path.lexists(beside):
            beside = link.with_name(preview_path.name)
        beside.symlink_to(preview_path)
