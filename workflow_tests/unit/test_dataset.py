"""The dataset: a table, folders of links, and nothing in them that could mislead a network."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nebulift
from nebulift.dataset.context import alone
from nebulift.dataset.description import describe, fingerprint
from nebulift.dataset.folders import ForeignFileError, clear_links, link_frames
from nebulift.dataset.leaks import leaks
from nebulift.dataset.splits import SplitRule
from nebulift.stages import dataset as stage
from nebulift.stages.dataset import dataset_rows, materialise_dataset
from nebulift.tables import Row, TableError, columns, read_table, write_table
from unit.builders import label_row

THRESHOLDS = {"clean_threshold": 0.7, "contaminated_threshold": 0.3}


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no previews here, so nothing is told of them."""
    monkeypatch.setattr(stage, "contexts_of", lambda rows, _: alone(len(rows)))


def night(name: str, frames: int = 30, **changes: Any) -> list[Row]:
    """Return the label rows of a night: four minutes from frame to frame, every third one contaminated."""
    return [
        label_row(
            f"{number:03d}.fits",
            "contaminated" if number % 3 == 0 else "clean",
            night=name,
            path=f"/raw/{name}/{number:03d}.fits",
            date_obs=f"{name}T{20 + number // 15:02d}:{4 * (number % 15):02d}:00.000",
            **changes,
        )
        for number in range(frames)
    ]


def materialised(folder: Path, rows: list[Row], rule: SplitRule | None = None) -> dict[str, Any]:
    write_table(folder / "labels.tsv", "labels", rows)
    output = folder / "dataset"
    materialise_dataset(
        folder / "labels.tsv", folder / "previews", output, rule or SplitRule(), THRESHOLDS, audit=False
    )
    description: dict[str, Any] = json.loads((output / "metadata.json").read_text())
    return description


def links(folder: Path) -> dict[str, str]:
    """Return where each link below a folder leads to."""
    return {str(path.relative_to(folder)): str(path.readlink()) for path in folder.rglob("*") if path.is_symlink()}


def test_every_frame_lies_in_the_folder_of_its_class(tmp_path: Path) -> None:
    rows = night("2024-09-09")
    materialised(tmp_path, rows)
    table = read_table(tmp_path / "dataset" / "dataset.tsv", "dataset")
    assert [row["frame"] for row in table] == [row["frame"] for row in rows]
    assert {row["split"] for row in table} == {"train", "val", "margin"}
    found = links(tmp_path / "dataset")
    for row, label in zip(table, rows, strict=True):
        assert (row["label"], row["date_obs"]) == (label["label"], label["date_obs"])
        if row["split"] == "margin":
            assert row["link"] == ""
            continue
        assert row["link"] == f"{row['split']}/{row['label']}/2024-09-09/{row['frame']}"
        assert found.pop(row["link"]) == label["path"]
        preview = str(tmp_path / "previews" / "2024-09-09" / label["preview"])
        assert found.pop(f"{row['link']}.png") == row["preview_path"] == preview
    assert not found


def test_unreadable_frames_are_no_part_and_review_frames_wait_aside(tmp_path: Path) -> None:
    rows = [*night("2024-09-09", 6), label_row("r.fits", "review"), label_row("u.fits", "unreadable")]
    description = materialised(tmp_path, rows)
    table = {row["frame"]: row for row in read_table(tmp_path / "dataset" / "dataset.tsv", "dataset")}
    assert "u.fits" not in table
    assert (table["r.fits"]["split"], table["r.fits"]["link"]) == ("review", "review/2024-09-09/r.fits")
    assert (tmp_path / "dataset" / "review" / "2024-09-09" / "r.fits").is_symlink()
    assert description["counts"]["review"] == {"review": 1}


def test_a_persons_label_decides_the_class(tmp_path: Path) -> None:
    human = label_row("a.fits", "clean", cv_label="contaminated", label_source="human")
    (row,) = dataset_rows([human], tmp_path, SplitRule())
    assert (row["label"], row["label_source"]) == ("clean", "human")
    assert "/clean/" in row["link"]


def test_a_night_more_moves_no_frame_of_another(tmp_path: Path) -> None:
    first, second = night("2024-09-09"), night("2024-09-10")
    for rule in (SplitRule(), SplitRule("nights", 0.5)):
        alone = dataset_rows(first, tmp_path, rule)
        assert dataset_rows([*first, *second], tmp_path, rule)[: len(alone)] == alone
        assert dataset_rows([*second, *first], tmp_path, rule)[len(second) :] == alone


@settings(deadline=None)
@given(st.sets(st.integers(0, 29)))
def test_a_changed_label_moves_no_other_frame(changed: set[int]) -> None:
    rows = night("2024-09-09")
    relabelled = [
        {**row, "label": "review" if number % 2 else "contaminated"} if number in changed else row
        for number, row in enumerate(rows)
    ]
    before, after = (dataset_rows(labels, Path("previews"), SplitRule()) for labels in (rows, relabelled))
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        assert one["block"] == other["block"]
        assert number in changed or one == other


def test_neighbours_are_never_on_both_sides(tmp_path: Path) -> None:
    table = dataset_rows([*night("2024-09-09"), *night("2024-09-10")], tmp_path, SplitRule())
    sides: dict[str, set[str]] = {}
    for row in table:
        sides.setdefault(row["block"], set()).add(row["split"])
    assert len(sides) > 10
    assert all(not {"train", "val"} <= found for found in sides.values())


@settings(deadline=None)
@given(
    st.floats(0, 5),
    st.floats(0.05, 0.5),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 400)), max_size=40),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=20),
)
def test_no_dataset_that_is_laid_out_leaks(
    margin: float, fraction: float, taken: list[tuple[str, int]], undated: list[tuple[str, int]]
) -> None:
    rule = SplitRule("blocks", fraction, 10, margin)
    rows = [
        *(label_row("x.fits", "clean", night=name, date_obs=_at(minute)) for name, minute in taken),
        *(label_row(f"IMG_{count}.JPG", "clean", night=name, date_obs="") for name, count in undated),
    ]
    rows.sort(key=lambda row: row["night"])
    assert leaks(describe(dataset_rows(rows, Path("previews"), rule), rule)) == []


def _at(minute: int) -> str:
    return f"2024-09-09T{20 + minute // 60 % 4:02d}:{minute % 60:02d}:00.000"


@pytest.mark.parametrize(
    ("trains", "validates", "words"),
    [
        (("a", "1", _at(0)), ("a", "1", _at(9)), "the block a/1 both trains and validates"),
        (("a", "1", _at(0)), ("b", "7", _at(3)), "a/1 trains and b/7 validates, 3 minutes apart where the margin is 3"),
        (("a", "1", _at(0)), ("b", "7", _at(0)), "0 minutes apart"),
        (("a", "1", ""), ("a", "2", ""), "the counts in their names 2 apart where the margin is 3"),
        (("a", "1", _at(0)), ("b", "7", _at(4)), None),
        (("a", "1", ""), ("b", "2", ""), None),
        (("a", "1", ""), ("a", "2", _at(0)), None),
    ],
)
def test_a_frame_on_the_wrong_side_is_a_leak(
    trains: tuple[str, str, str], validates: tuple[str, str, str], words: str | None
) -> None:
    rows = [
        {
            **label_row(f"IMG_{1 + 2 * number}.JPG", "clean", night=night, date_obs=date),
            "split": side,
            "block": f"{night}/{block}",
            "preview_path": "none",
            "context": "",
        }
        for number, (side, (night, block, date)) in enumerate((("train", trains), ("val", validates)))
    ]
    found = leaks(json.loads(json.dumps(describe(rows, SplitRule()))))
    assert (words is None and not found) or (words is not None and len(found) == 1 and words in found[0])


def test_overlapping_nights_on_both_sides_are_a_leak(tmp_path: Path) -> None:
    # By nights as a whole nothing but the name tells the side: here two folders of one evening.
    rule = SplitRule("nights", 0.5)
    names = [f"filter {number}" for number in range(8)]
    rows = [{**row, "night": name} for name in names for row in night("2024-09-09", 4)]
    found = leaks(describe(dataset_rows(rows, tmp_path, rule), rule))
    assert found
    assert "0 minutes apart" in found[0]
    assert len(found) <= 6


def test_a_description_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="lay the dataset out anew"):
        leaks({"split_rule": {"split": "blocks", "validation_fraction": 0.2, "block_minutes": 10}})


def test_the_fingerprint_changes_with_what_is_trained_on_and_nothing_else(tmp_path: Path) -> None:
    rows = dataset_rows(night("2024-09-09"), tmp_path, SplitRule())
    train = next(number for number, row in enumerate(rows) if row["split"] == "train")
    margin = next(number for number, row in enumerate(rows) if row["split"] == "margin")

    def changed(number: int, **changes: str) -> str:
        return fingerprint([{**row, **changes} if n == number else row for n, row in enumerate(rows)])

    first = fingerprint(rows)
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert fingerprint(rows[::-1]) == changed(train, path="/elsewhere") == changed(margin, label="review") == first
    preview = tmp_path / "preview.png"
    preview.write_bytes(b"picture")
    other_preview = changed(train, preview_path=str(preview))
    preview.write_bytes(b"another")
    others = {
        other_preview,
        changed(train, preview_path=str(preview)),
        changed(train, label="contaminated" if rows[train]["label"] == "clean" else "clean"),
        changed(train, label_source="human"),
        changed(train, split="val"),
        changed(train, frame="other.fits"),
        changed(train, context="[1]"),
        fingerprint(rows[:train] + rows[train + 1 :]),
    }
    assert len(others | {first}) == 9


def test_the_description_counts_what_is_there(tmp_path: Path) -> None:
    rows = [*night("2024-09-09"), *night("2024-09-10", label_source="human"), label_row("r.fits", "review")]
    description = materialised(tmp_path, rows, SplitRule("blocks", 0.25, 20, 5))
    table = read_table(tmp_path / "dataset" / "dataset.tsv", "dataset")
    for side in ("train", "val"):
        for label in ("clean", "contaminated"):
            here = [row for row in table if (row["split"], row["label"]) == (side, label)]
            assert description["counts"][side][label] == len(here) > 0
        assert sum(description["nights"][side].values()) == sum(row["split"] == side for row in table)
    assert description["frames"] == 61
    assert description["labels_by_people"] == 30
    assert description["thresholds"] == THRESHOLDS
    assert description["split_rule"] == {
        "split": "blocks",
        "validation_fraction": 0.25,
        "block_minutes": 20,
        "margin_minutes": 5,
    }
    assert description["left_out_in_margins"] == sum(row["split"] == "margin" for row in table) > 0
    assert description["versions"]["nebulift"] == nebulift.__version__


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    names = ("dataset.tsv", "metadata.json")
    materialised(tmp_path, night("2024-09-09"))
    first = [(tmp_path / "dataset" / name).read_bytes() for name in names]
    materialised(tmp_path, night("2024-09-09"))
    assert [(tmp_path / "dataset" / name).read_bytes() for name in names] == first


def test_laid_out_anew_only_what_belongs_there_is_left(tmp_path: Path) -> None:
    materialised(tmp_path, [*night("2024-09-09"), *night("2024-09-08")])
    materialised(tmp_path, night("2024-09-09")[:4], SplitRule(margin_minutes=0))
    assert len(links(tmp_path / "dataset")) == 8
    assert not list((tmp_path / "dataset").rglob("2024-09-08"))


def test_no_frame_at_all_leaves_empty_folders_and_a_header(tmp_path: Path) -> None:
    description = materialised(tmp_path, [label_row("u.fits", "unreadable")])
    assert sorted(path.name for path in (tmp_path / "dataset").iterdir() if path.is_dir()) == ["review", "train", "val"]
    assert (tmp_path / "dataset" / "dataset.tsv").read_text().split() == columns("dataset")
    assert description["frames"] == 0


@pytest.mark.parametrize("side", ["train", "val", "review"])
def test_a_foreign_file_stops_everything_before_anything_is_removed(tmp_path: Path, side: str) -> None:
    materialised(tmp_path, night("2024-09-09"))
    foreign = tmp_path / "dataset" / side / "notes.txt"
    foreign.write_text("mine")
    before = links(tmp_path / "dataset")
    with pytest.raises(ForeignFileError, match=r"notes\.txt: not a link"):
        materialised(tmp_path, night("2024-09-10"))
    assert links(tmp_path / "dataset") == before
    assert foreign.read_text() == "mine"


def test_labels_that_cannot_be_read_stop_everything_before_anything_is_removed(tmp_path: Path) -> None:
    materialised(tmp_path, night("2024-09-09"))
    before = links(tmp_path / "dataset")
    (tmp_path / "labels.tsv").write_text("no table\n")
    with pytest.raises(TableError):
        materialise_dataset(
            tmp_path / "labels.tsv", tmp_path / "previews", tmp_path / "dataset", SplitRule(), THRESHOLDS
        )
    assert links(tmp_path / "dataset") == before


def test_clearing_removes_links_and_never_what_they_lead_to(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.fits").write_text("frame")
    folder = tmp_path / "train"
    (folder / "clean" / "night").mkdir(parents=True)
    (folder / "clean" / "night" / "a.fits").symlink_to(raw / "a.fits")
    (folder / "clean" / "broken.fits").symlink_to(tmp_path / "gone")
    (folder / "whole night").symlink_to(raw)
    clear_links(folder)
    assert not folder.exists()
    assert (raw / "a.fits").read_text() == "frame"


def test_clearing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    clear_links(tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_a_foreign_file_deep_inside_keeps_every_link(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    (folder / "clean" / "a").mkdir(parents=True)
    (folder / "clean" / "link").symlink_to("somewhere")
    (folder / "clean" / "a" / "result.fits").write_text("stacked")
    with pytest.raises(ForeignFileError, match=r"result\.fits"):
        clear_links(folder)
    assert (folder / "clean" / "link").is_symlink()
    assert (folder / "clean" / "a" / "result.fits").read_text() == "stacked"


def test_a_file_in_the_place_of_a_folder_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("mine")
    with pytest.raises(ForeignFileError, match="train"):
        clear_links(tmp_path / "train")
    assert (tmp_path / "train").read_text() == "mine"


def test_links_are_absolute_wherever_the_run_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    link_frames(Path("dataset"), [("train/a.fits", "raw/a.fits", "previews/0.png")])
    assert links(tmp_path / "dataset") == {
        "train/a.fits": str(tmp_path / "raw/a.fits"),
        "train/a.fits.png": str(tmp_path / "previews/0.png"),
    }


@pytest.mark.parametrize("length", [250, 251, 252, 255])
def test_very_long_names_have_previews_of_a_shorter_name(tmp_path: Path, length: int) -> None:
    name = "x" * (length - 5) + ".fits"
    link_frames(tmp_path, [(f"train/{name}", f"/raw/{name}", "/previews/0123.png")])
    preview = f"train/{name}.png" if length + 4 <= 255 else "train/0123.png"
    assert links(tmp_path) == {f"train/{name}": f"/raw/{name}", preview: "/previews/0123.png"}


def test_a_name_that_is_long_in_bytes_alone(tmp_path: Path) -> None:
    name = "é" * 125 + ".fits"
    link_frames(tmp_path, [(f"train/{name}", f"/raw/{name}", "/previews/0123.png")])
    assert set(links(tmp_path)) == {f"train/{name}", "train/0123.png"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_frame_called_like_the_preview_of_another_keeps_its_name(tmp_path: Path, order: int) -> None:
    frames = [("train/a.fits", "/raw/a.fits", "/p/1.png"), ("train/a.fits.png", "/raw/a.fits.png", "/p/2.png")]
    link_frames(tmp_path, frames[::order])
    assert links(tmp_path) == {
        "train/a.fits": "/raw/a.fits",
        "train/a.fits.png": "/raw/a.fits.png",
        "train/1.png": "/p/1.png",
        "train/a.fits.png.png": "/p/2.png",
    }


def test_names_with_anything_in_them(tmp_path: Path) -> None:
    rows = [
        label_row(name, path=f"/raw/{name}", preview="0.png") for name in ("tab\t.fits", "line\n.fits", "\udcff.fits")
    ]
    materialised(tmp_path, rows)
    found = links(tmp_path / "dataset")
    for row in read_table(tmp_path / "dataset" / "dataset.tsv", "dataset"):
        assert found[row["link"]] == f"/raw/{row['frame']}"
    assert len(found) == 6


def test_what_snakemake_leaves_in_a_folder_is_no_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "train" / "clean").mkdir(parents=True)
    (tmp_path / "train" / ".snakemake_timestamp").touch()
    clear_links(tmp_path / "train")
    assert not (tmp_path / "train").exists()
