"""Tables: TSV files whose columns, types and meaning are described by a schema in config/schemas."""

import csv
import functools
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nebulift.files import read_exactly, write_text

SCHEMAS = Path(__file__).parents[2] / "config" / "schemas"
Row = dict[str, Any]


class TableError(ValueError):
    """A table does not fit its schema; the message names the file and the column."""


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of one row of the table `name` (scores, labels, ...)."""
    schema: dict[str, Any] = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))
    return schema


def columns(name: str) -> list[str]:
    """Return the columns of the table `name`, in their order."""
    return list(load_schema(name)["properties"])


def read_table(path: Path, name: str) -> list[Row]:
    """Read the table at `path`; absent numbers are None, absent texts "".

    Raises TableError, naming the file, when columns are missing or unknown or a number is none.
    """
    text = read_exactly(path, "utf-8-sig")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    properties = load_schema(name)["properties"]
    required = load_schema(name).get("required", list(properties))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise TableError(f"{path}: line {reader.line_num}: {error}") from error
    header = reader.fieldnames or []
    for column in required:
        if column not in header:
            raise TableError(f"{path}: the column {column!r} is missing; it has {', '.join(header) or 'none'}")
    for column in header:
        if column not in properties:
            raise TableError(f"{path}: unknown column {column!r}; a table of {name} has {', '.join(properties)}")
    typed = []
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise TableError(f"{path}: row {line - 1} has more or fewer fields than the header")
        typed.append(
            {
                column: _parse(row[column], properties[column]["type"], f"{path}: row {line - 1}, {column}")
                for column in header
            }
        )
    return typed


def write_table(path: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as the table `name`, atomically and always in the same way for the same values."""
    header = columns(name)
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, header, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    for row in rows:
        if unknown := set(row) - set(header):
            raise TableError(f"{path}: a table of {name} has no column {sorted(unknown)}")
        writer.writerow({column: _format(row.get(column)) for column in header})
    write_text(path, buffer.getvalue())


def _parse(text: str, kind: str | list[str], place: str) -> str | float | int | None:
    kinds = [kind] if isinstance(kind, str) else kind
    if "string" in kinds:
        return text
    if text == "":
        return None
    try:
        return int(text) if "integer" in kinds else float(text)
    except ValueError as error:
        raise TableError(
            f"{place}: {text!r} is not {'a whole number' if 'integer' in kinds else 'a number'}"
        ) from error


def _format(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return str(value)
