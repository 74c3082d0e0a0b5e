"""Joining tables; a module of its own, so that nothing is imported that only measuring needs."""

import csv
from collections.abc import Sequence
from pathlib import Path

from nebulift.nights.order import capture_order
from nebulift.tables import join_tables, read_table, write_table


def merge_scores(tables: Sequence[Path], output: Path, previews: Path) -> None:
    """Join the chunk tables of a night in capture order; previews of frames that are gone are removed."""
    rows = sorted((row for table in tables for row in read_table(table, "scores")), key=capture_order)
    write_table(output, "scores", rows)
    wanted = {row["preview"] for row in rows}
    for preview in previews.glob("*.png"):
        if preview.name not in wanted:
            preview.unlink()


def merge_labels(tables: Sequence[Path], output: Path) -> None:
    """Join the label tables of all nights, in the order given; raises ValueError if no night has a light frame."""
    if not any(map(_has_rows, tables)):
        nights = ", ".join(table.stem for table in tables)
        raise ValueError(f"nights: {nights}: no light frame; by their headers all are bias, dark, flat or other frames")
    join_tables(tables, output, "labels")


def merge_seasons(tables: Sequence[Path], output: Path) -> dict[str, int]:
    """Join the labels of several seasons (their results/labels.tsv); return how many frames each night has.

    Memory does not grow with the number of frames. Raises ValueError where two tables tell of the same night, or the
    output is one of them.
    """
    frames: dict[str, int] = {}
    source: dict[str, Path] = {}
    for table in tables:
        if table.resolve() == output.resolve():
            raise ValueError(f"{output}: is one of the tables to be joined; name another file for the output")
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                night = row.get("night") or ""
                if source.setdefault(night, table) != table:
                    raise ValueError(f"{table}: the night {night!r} is also in {source[night]}; each may count once")
                frames[night] = frames.get(night, 0) + 1
    join_tables(tables, output, "labels")
    return frames


def _has_rows(table: Path) -> bool:
    with table.open("rb") as file:
        file.readline()
        return bool(file.read(1))
