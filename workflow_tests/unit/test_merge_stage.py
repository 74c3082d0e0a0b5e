"""The labels of several seasons in one table."""

from pathlib import Path

import pytest

from nebulift import cli
from nebulift.tables import read_table, write_table


def season(path: Path, *nights: str, frames: int = 2) -> Path:
    rows = [
        {"night": night, "frame": f"{number}.fits", "label": "clean", "quality_score": 0.9}
        for night in nights
        for number in range(frames)
    ]
    write_table(path, "labels", rows)
    return path


def merge(output: Path, *tables: Path) -> int:
    return cli.main(["merge-labels", *map(str, tables), "--output", str(output)])


def test_seasons_are_joined_in_the_order_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [season(tmp_path / "2024.tsv", "a", "b"), season(tmp_path / "2023.tsv", "c", frames=3)]
    assert merge(tmp_path / "all.tsv", *tables) == 0
    assert "7 frames of 3 nights" in capsys.readouterr().out
    rows = read_table(tmp_path / "all.tsv", "labels")
    assert [row["night"] for row in rows] == list("aabbccc")
    assert rows == [row for table in tables for row in read_table(table, "labels")]


def test_a_night_that_two_seasons_tell_of_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [season(tmp_path / "2024.tsv", "a", "b"), season(tmp_path / "2023.tsv", "b")]
    assert merge(tmp_path / "all.tsv", *tables) == 2
    error = capsys.readouterr().err
    assert f"{tables[1]}: the night 'b' is also in {tables[0]}" in error
    assert not (tmp_path / "all.tsv").exists()


def test_the_output_is_none_of_the_seasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = season(tmp_path / "2024.tsv", "a")
    before = table.read_bytes()
    assert merge(table, table) == 2
    assert "is one of the tables to be joined" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_a_table_that_is_none_of_labels_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    assert merge(tmp_path / "all.tsv", tmp_path / "other.tsv") == 2
    assert f"{tmp_path / 'other.tsv'}: the column" in capsys.readouterr().err
