"""Tables: TSV files whose columns, types and meaning are described by a schema in config/schemas."""

import csv
import functools
import io
import math
import re
import shutil
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import yaml

from nebulift.files import read_exactly, replacing, write_text

SCHEMAS = Path(__file__).parents[2] / "config" / "schemas"
Row = dict[str, Any]
_NEEDS_QUOTES = re.compile(r'[\t\n\r"]')


class TableError(ValueError):
    """A table does not fit its schema; the message names the file, and the line and column."""


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

    Raises TableError, naming the file, line and column, when columns are missing or unknown or a number is none.
    """
    return [row for _, row in read_numbered(path, name)]


def read_numbered(path: Path, name: str) -> list[tuple[int, Row]]:
    """Read the table at `path` like `read_table`; each row with the number of the line on which it begins."""
    properties = load_schema(name)["properties"]
    lines = _read_lines(path)
    header = lines[0][1] if lines else []
    for column in load_schema(name).get("required", list(properties)):
        if column not in header:
            raise TableError(f"{path}: the column {column!r} is missing; it has {', '.join(header) or 'none'}")
    for column in header:
        if column not in properties:
            raise TableError(f"{path}: unknown column {column!r}; a table of {name} has {', '.join(properties)}")
        if header.count(column) > 1:
            raise TableError(f"{path}: the column {column!r} is there twice")
    numbered = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise TableError(f"{path}: line {line} has {len(fields)} fields, the header has {len(header)}")
        row = {
            column: _parse(field, properties[column]["type"], f"{path}: line {line}, {column}")
            for column, field in zip(header, fields, strict=True)
        }
        numbered.append((line, row))
    return numbered


def write_table(path: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as the table `name`, atomically and always in the same way for the same values."""
    header = columns(name)
    lines = ["\t".join(header) + "\n"]
    for row in rows:
        if unknown := set(row) - set(header):
            raise TableError(f"{path}: a table of {name} has no column {sorted(unknown)}")
        lines.append(_line(row, header))
    write_text(path, "".join(lines))


def join_tables(tables: Iterable[Path], output: Path, name: str) -> None:
    """Write the rows of tables of one kind one after another, atomically, in memory that does not grow with them.

    Rows are copied as they stand where a table has the columns of `name` in their order; any other is read first, and
    raises TableError where it cannot be.
    """
    header = "\t".join(columns(name)) + "\n"
    with replacing(output) as temporary, temporary.open("wb") as joined:
        joined.write(header.encode())
        for table in tables:
            with table.open("rb") as file:
                if file.readline() == header.encode():
                    start = joined.tell()
                    shutil.copyfileobj(file, joined)
                    if joined.tell() > start and _last_byte(table) != b"\n":
                        joined.write(b"\n")
                    continue
            for row in read_table(table, name):
                joined.write(_line(row, columns(name)).encode(errors="surrogateescape"))


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read()


def _line(row: Mapping[str, Any], header: Iterable[str]) -> str:
    return "\t".join(_quote(_format(row.get(column))) for column in header) + "\n"


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the fields of each line that is not empty, with its number; a field in quotes may span lines."""
    text = read_exactly(path, "utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    lines, start = [], 1
    try:
        for fields in reader:
            if fields:
                lines.append((start, fields))
            start = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}: line {start}: {error}") from error
    return lines


def _parse(text: str, kind: str | list[str], place: str) -> str | float | int | None:
    kinds = [kind] if isinstance(kind, str) else kind
    if "string" in kinds:
        return text
    if text == "":
        return None
    try:
        number = int(text) if "integer" in kinds else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TableError(f"{place}: {text!r} is not {'a whole number' if 'integer' in kinds else 'a number'}")
    return number


def _format(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.6g}" if math.isfinite(value) else ""
    return str(value)


def _quote(field: str) -> str:
    """Put a field into quotes where it needs them; the csv module forgets a lone carriage return before Python 3.13."""
    return f'"{field.replace(chr(34), chr(34) * 2)}"' if _NEEDS_QUOTES.search(field) else field
