"""Joining the chunks of a night; a module of its own, so that nothing is imported that only measuring needs."""

from collections.abc import Sequence
from pathlib import Path

from nebulift.nights.order import capture_order
from nebulift.tables import read_table, write_table


def merge_scores(tables: Sequence[Path], output: Path, previews: Path) -> None:
    """Join the chunk tables of a night in capture order; previews of frames that are gone are removed."""
    rows = sorted((row for table in tables for row in read_table(table, "scores")), key=capture_order)
    write_table(output, "scores", rows)
    wanted = {row["preview"] for row in rows}
    for preview in previews.glob("*.png"):
        if preview.name not in wanted:
            preview.unlink()
