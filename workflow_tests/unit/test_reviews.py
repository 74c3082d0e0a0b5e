"""What a person decided, as it stands in a file written by hand."""

from pathlib import Path

import pytest

from nebulift.labels.reviews import read_reviews
from nebulift.tables import TableError


def written(folder: Path, text: str) -> Path:
    path = folder / "2024-09-09.tsv"
    path.write_bytes(text.encode())
    return path


def test_reviews_are_found_by_frame(tmp_path: Path) -> None:
    reviews = read_reviews(
        written(tmp_path, "frame\tlabel\tnote\na.fits\tclean\tedge of the dome\nsub/b.fits\treview\t\n")
    )
    assert set(reviews) == {"a.fits", "sub/b.fits"}
    assert (reviews["a.fits"]["label"], reviews["a.fits"]["note"]) == ("clean", "edge of the dome")
    assert (reviews["sub/b.fits"]["label"], reviews["sub/b.fits"]["note"]) == ("review", "")


def test_the_note_may_be_left_out(tmp_path: Path) -> None:
    reviews = read_reviews(written(tmp_path, "frame\tlabel\na.fits\tcontaminated\n"))
    assert reviews == {"a.fits": {"frame": "a.fits", "label": "contaminated", "note": ""}}


@pytest.mark.parametrize("label", ["Clean", " clean", "CLEAN "])
def test_labels_are_taken_however_they_are_typed(tmp_path: Path, label: str) -> None:
    assert read_reviews(written(tmp_path, f"frame\tlabel\na.fits\t{label}\n"))["a.fits"]["label"] == "clean"


def test_what_a_spreadsheet_saves_is_read(tmp_path: Path) -> None:
    reviews = read_reviews(written(tmp_path, '\ufeffframe\tlabel\tnote\r\na.fits\tclean\t"a ""dim"" trail"\r\n'))
    assert reviews["a.fits"]["note"] == 'a "dim" trail'


def test_a_later_line_wins(tmp_path: Path) -> None:
    text = "frame\tlabel\tnote\na.fits\tclean\tfirst\nb.fits\tclean\t\na.fits\tcontaminated\tsecond\n"
    reviews = read_reviews(written(tmp_path, text))
    assert (reviews["a.fits"]["label"], reviews["a.fits"]["note"]) == ("contaminated", "second")
    assert len(reviews) == 2


@pytest.mark.parametrize("label", ["good", "", "unreadable"])
def test_a_label_that_is_none_is_reported_with_file_and_line(tmp_path: Path, label: str) -> None:
    path = written(tmp_path, f"frame\tlabel\na.fits\tclean\n\nb.fits\t{label}\n")
    with pytest.raises(TableError) as caught:
        read_reviews(path)
    assert str(caught.value) == f"{path}: line 4: {label!r} is no label; use clean, contaminated, review"


def test_an_empty_list_of_reviews_is_one(tmp_path: Path) -> None:
    assert read_reviews(written(tmp_path, "frame\tlabel\tnote\n")) == {}
