"""Putting the frames of a night into class folders, and taking them out again.

Nothing is ever overwritten or lost: a step is in the journal before it is done, a name that is taken by something
else gets a number, and a move across file systems removes the frame only after its copy is complete.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nebulift.sorting.journal import Entry, Journal, same_file
from nebulift.sorting.placing import copy, free_place, move, remove_torn_copies

logger = logging.getLogger(__name__)

Mode = Literal["link", "copy", "move"]


@dataclass(frozen=True, slots=True)
class Sorted:
    """A frame to be sorted: its name below the night, where it lies now, and its class folder."""

    frame: str
    path: Path
    decision: str


def sort_frames(frames: Sequence[Sorted], folder: Path, mode: Mode) -> list[Path | None]:
    """Bring the folder of a sorted night to exactly these frames in their class folders; return their places there.

    What an earlier run put there and no longer belongs is taken out: links and copies are removed, moved frames go
    back. A frame that has vanished, or that cannot be read to be copied, has the place None, and a warning is logged.
    Raises FileExistsError if a new file lies where a moved frame would go back to.
    """
    folder = folder.absolute()
    journal = Journal(folder)
    remove_torn_copies(journal)
    placed, sources = journal.placed(), journal.sources()
    # A frame may be given where an earlier run put it; what counts is where it came from.
    wanted = [
        Sorted(frame.frame, sources.get(frame.path.absolute(), frame.path.absolute()), frame.decision)
        for frame in frames
    ]
    for frame in wanted:
        if frame.frame in placed and _stands(placed[frame.frame], frame, folder, mode):
            continue


    _remove_empty_folders(folder)
    return places
