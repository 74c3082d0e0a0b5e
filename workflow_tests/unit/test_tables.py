"""Tables: what is written is what is read, and what does not fit is named."""

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nebulift.tables import SCHEMAS, TableError, columns, join_tables, load_schema, read_table, write_table

NAMES = sorted(path.name.removesuffix(".schema.yaml") for path in SCHEMAS.glob("*.schema.yaml"))
TABLES = [name for name in NAMES if name != "config"]

# Every text that a file name can be: bytes that are no UTF-8 become lone surrogates.
ANY_TEXT = st.binary(max_size=40).map(os.fsdecode) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def reviews(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "reviews.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, name: str = "reviews") -> str:
    with pytest.raises(TableError) as caught:
        read_table(path, name)
    return str(caught.value)


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=5))
@example([("tab\t", "line\nline"), ("\r", "\r\n"), ('"', '""'), ("=1+1", "#"), ("", ""), (" ", "é"), ("\udcff", "\0")])
@example([("a\rb.fits", "clean")])
def test_any_text_survives(pairs: list[tuple[str, str]]) -> None:
    rows = [{"frame": frame, "label": "clean", "note": note} for frame, note in pairs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.tsv"
        write_table(path, "reviews", rows)
        first = path.read_bytes()
        assert read_table(path, "reviews") == rows
        write_table(path, "reviews", read_table(path, "reviews"))
        assert path.read_bytes() == first


@given(st.lists(st.tuples(st.integers(-(10**18), 10**18), st.floats()), max_size=5))
@example([(1731234567123456789, math.nan), (0, math.inf), (-1, -0.0), (1, 1e-300)])
def test_numbers_survive_whole_ones_exactly_and_others_to_six_digits(pairs: list[tuple[int, float]]) -> None:
    rows = [{"epoch": whole, "phase": "head", "train_loss": number} for whole, number in pairs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.tsv"
        write_table(path, "history", rows)
        first = path.read_bytes()
        back = read_table(path, "history")
        write_table(path, "history", back)
        assert path.read_bytes() == first
    for (whole, number), row in zip(pairs, back, strict=True):
        assert row["epoch"] == whole
        assert isinstance(row["epoch"], int)
        if math.isfinite(number):
            assert row["train_loss"] == pytest.approx(number, rel=1e-5, abs=0)
            assert isinstance(row["train_loss"], float)
        else:
            assert row["train_loss"] is None
        assert row["val_loss"] is None


@pytest.mark.parametrize("kind", [np.float32, np.float64, float])
def test_numbers_of_numpy_are_written_like_those_of_python(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "history.tsv"
    values = [1 / 3, math.nan, math.inf, 2.0]
    write_table(path, "history", ({"epoch": np.int64(7), "phase": "", "train_loss": kind(value)} for value in values))
    lines = path.read_text().splitlines()
    assert [line.split("\t")[3] for line in lines[1:]] == ["0.333333", "", "", "2"]
    assert [row["epoch"] for row in read_table(path, "history")] == [7] * 4


def test_not_measured_is_an_empty_field(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    write_table(path, "reviews", [{"frame": "a.fits", "label": "clean"}])
    assert path.read_bytes() == b"frame\tlabel\tnote\na.fits\tclean\t\n"
    assert read_table(path, "reviews") == [{"frame": "a.fits", "label": "clean", "note": ""}]


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    write_table(path, "labels", [])
    assert path.read_text().split() == columns("labels")
    assert read_table(path, "labels") == []


@pytest.mark.parametrize(
    "content",
    [
        "frame\tlabel\tnote\na.fits\tclean\tüber\nb.fits\treview\t\n",
        "frame\tlabel\tnote\r\na.fits\tclean\tüber\r\nb.fits\treview\t\r\n",
        b"\xef\xbb\xbf" + "frame\tlabel\tnote\r\na.fits\tclean\tüber\r\nb.fits\treview\t".encode(),
        "note\tlabel\tframe\nüber\tclean\ta.fits\n\n\treview\tb.fits\n\n",
    ],
    ids=["plain", "CRLF", "BOM, no last line end", "other order, blank lines"],
)
def test_what_editors_write_is_read(tmp_path: Path, content: str | bytes) -> None:
    assert read_table(reviews(tmp_path, content), "reviews") == [
        {"frame": "a.fits", "label": "clean", "note": "über"},
        {"frame": "b.fits", "label": "review", "note": ""},
    ]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    message = refused(reviews(tmp_path, "frame\tnote\na.fits\t\n"))
    assert message == f"{tmp_path / 'reviews.tsv'}: the column 'label' is missing; it has frame, note"


@pytest.mark.parametrize("content", ["", "\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_no_table(tmp_path: Path, content: str | bytes) -> None:
    assert "'frame' is missing" in refused(reviews(tmp_path, content))


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    message = refused(reviews(tmp_path, "frame\tlabel\tcomment\na.fits\tclean\t\n"))
    assert "'comment'" in message
    assert "frame, label, note" in message


def test_a_column_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    message = refused(reviews(tmp_path, "frame\tlabel\tlabel\na.fits\tclean\treview\n"))
    assert "'label'" in message
    assert "twice" in message


@pytest.mark.parametrize("row", ["a.fits\tclean", "a.fits\tclean\tnote\tmore", "a.fits"])
def test_a_row_of_another_length_is_named(tmp_path: Path, row: str) -> None:
    message = refused(reviews(tmp_path, f"frame\tlabel\tnote\n\nb.fits\tclean\t\n{row}\n"))
    assert message.startswith(f"{tmp_path / 'reviews.tsv'}: line 4")
    assert "fields" in message


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    message = refused(reviews(tmp_path, 'frame\tlabel\tnote\n"a\nb"\tclean\t\n\nb.fits\n'))
    assert "line 5" in message


@pytest.mark.parametrize("note", ['"never closed', '"closed" too early'])
def test_quotes_that_do_not_close_are_reported_with_their_line(tmp_path: Path, note: str) -> None:
    message = refused(reviews(tmp_path, f"frame\tlabel\tnote\na.fits\tclean\t{note}\n"))
    assert message.startswith(f"{tmp_path / 'reviews.tsv'}: line 2")


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("epoch", "two", "a whole number"),
        ("epoch", "2.5", "a whole number"),
        ("train_loss", "0,5", "a number"),
        ("train_loss", "nan", "a number"),
        ("train_loss", "-inf", "a number"),
    ],
)
def test_what_is_no_number_is_named(tmp_path: Path, column: str, value: str, kind: str) -> None:
    path = tmp_path / "history.tsv"
    write_table(path, "history", [{"epoch": 1, "phase": "head"}, {"epoch": 2, "phase": "head"}])
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines[2][lines[0].index(column)] = value
    path.write_text("\n".join("\t".join(line) for line in lines))
    assert refused(path, "history") == f"{path}: line 3, {column}: {value!r} is not {kind}"


def test_a_value_without_a_column_is_refused_and_the_old_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    write_table(path, "reviews", [{"frame": "a.fits", "label": "clean"}])
    before = path.read_bytes()
    with pytest.raises(TableError, match=r"reviews\.tsv.*comment"):
        write_table(path, "reviews", [{"frame": "a.fits", "comment": "x"}])
    assert path.read_bytes() == before


def test_rows_that_fail_to_come_leave_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    write_table(path, "reviews", [{"frame": "a.fits", "label": "clean"}])
    before = path.read_bytes()

    def rows() -> Any:
        yield {"frame": "b.fits", "label": "clean"}
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_table(path, "reviews", rows())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_is_not_there_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.tsv", "reviews")


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_schemas_and_describe_every_column(name: str) -> None:
    schema = load_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    for column, described in schema["properties"].items():
        assert described["description"], column


@pytest.mark.parametrize("name", TABLES)
def test_every_required_column_is_described(name: str) -> None:
    schema = load_schema(name)
    assert set(schema["required"]) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_joined_tables_are_the_rows_as_they_stand(tmp_path: Path) -> None:
    header = "\t".join(columns("sorted"))
    row = "\t".join(["n", '"a\nb.fits"', *["x"] * (len(columns("sorted")) - 2)])
    one, two, none = (tmp_path / f"{name}.tsv" for name in ("one", "two", "none"))
    one.write_text(f"{header}\n{row}\n", newline="")
    two.write_text(f"{header}\n{row}", newline="")  # without an end of line, as an editor may leave it
    none.write_text(f"{header}\n")
    join_tables([one, none, two, one], tmp_path / "all.tsv", "sorted")
    assert (tmp_path / "all.tsv").read_text() == f"{header}\n" + f"{row}\n" * 3
    join_tables([none, none], tmp_path / "all.tsv", "sorted")
    assert (tmp_path / "all.tsv").read_text() == f"{header}\n"


def test_joined_tables_with_columns_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    names = columns("sorted")
    write_table(tmp_path / "one.tsv", "sorted", [{name: f"{name} 1" for name in names}])
    other = ["\t".join(reversed(names)), "\t".join(f"{name} 2" for name in reversed(names))]
    (tmp_path / "two.tsv").write_text("\ufeff" + "\n".join(other) + "\n", encoding="utf-8")
    join_tables([tmp_path / "one.tsv", tmp_path / "two.tsv"], tmp_path / "all.tsv", "sorted")
    assert read_table(tmp_path / "all.tsv", "sorted") == [
        {name: f"{name} {number}" for name in names} for number in (1, 2)
    ]


def test_a_table_of_another_kind_is_not_joined(tmp_path: Path) -> None:
    (tmp_path / "all.tsv").write_text("old")
    write_table(tmp_path / "one.tsv", "labels", [])
    with pytest.raises(TableError, match=r"one\.tsv: "):
        join_tables([tmp_path / "one.tsv"], tmp_path / "all.tsv", "sorted")
    assert (tmp_path / "all.tsv").read_text() == "old"
