"""Sorting: the decisions on a night become folders that a stacking program can be pointed at."""

import logging
from collections import Counter
from pathlib import Path

from nebulift.sorting.sort import Mode, Sorted, sort_frames
from nebulift.tables import read_table, write_table

logger = logging.getLogger(__name__)


def sort_night(predictions: Path, folder: Path, mode: Mode, output: Path) -> None:
    """Sort the frames of one night below `folder` and write where each went."""
    rows = read_table(predictions, "predictions")
    frames = [Sorted(row["frame"], Path(row["path"]), row["decision"]) for row in rows]
    places = sort_frames(frames, folder.absolute(), mode)
    write_table(
        output,
        "sorted",
        (
            {column: row[column] for column in ("night", "frame", "path", "decision")}
            | {"sorted_path": "" if place is None else str(place)}
            for row, place in zip(rows, places, strict=True)
        ),
    )
    counts = Counter(row["decision"] if place else "not sorted" for row, place in zip(rows, places, strict=True))
    logger.info("%s: %s", folder.name, ", ".join(f"{n} {decision}" for decision, n in sorted(counts.items())))
