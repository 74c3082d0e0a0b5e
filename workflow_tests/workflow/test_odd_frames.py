"""Frames under any name, and files that are no frames: each is a row, and the run ends well."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from workflow.runs import QUICK, Run

ODD_NAMES = (
    "with two  spaces .fits",
    "it's.fits",
    'a "quoted" one.fits',
    "two\nlines.fits",
    "a\ttab.fits",
    "a\rreturn.fits",
    "<results>.fits",
    "<logs>.fits",
    "{night}.fits",
    "{wildcards.night}{{}}.fits",
    "#1.fits",
    "*.fits",
    "?[a-z]!.fits",
    "100%s.fits",
    "$HOME `id` ; & | > <.fits",
    "back\\slash\\n.fits",
    "nébuleuse Ω 星雲 🔭.fits",
    os.fsdecode(b"bytes \xff\xfe.fits"),
    "n" * 195 + ".fits",
    "-rf.fits",
    "~.fits",
    "UPPER.FIT",
    "light.fits.fits",
    "same.fits",
    "evening/same.fits",
    "morning <dataset> {x}/same.fits",
)


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory, make_night: Callable[..., Path]) -> Run:
    """Grade one frame under many odd names, in a night whose folder has an odd name too."""
    folder = tmp_path_factory.mktemp("odd")
    frames = make_night()
    for number, name in enumerate(ODD_NAMES):
        place = folder / "night" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(frames / f"light_000{1 + number % 4}.fits", place)
    shutil.copytree(frames, folder / "it's <my> {night} #2 ünt")
    nights = {"n": "../night", "m": "../it's <my> {night} #2 ünt"}
    run = Run(folder / "run").configure(
        {"nights": nights} | QUICK | {"chunk_size": 32, "train": {"minimum_per_class": 1000}}
    )
    run.succeed("sorted")
    return run


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_frame_of_any_name_is_graded(odd_run: Run, name: str) -> None:
    (score,) = (row for row in odd_run.table("scores/n.tsv", "scores") if row["frame"] == name)
    assert (score["status"], score["error"]) == ("scored", "")
    assert Path(score["path"]).samefile(odd_run.folder.parent / "night" / name)
    (label,) = (row for row in odd_run.table("labels.tsv", "labels") if row["frame"] == name)
    (placed,) = (row for row in odd_run.table("dataset/dataset.tsv", "dataset") if row["frame"] == name)
    link = odd_run.results / "dataset" / placed["link"]
    assert link.samefile(odd_run.folder.parent / "night" / name)
    assert (odd_run.folder / placed["preview_path"]).is_file()
    assert label["preview"] == Path(placed["preview_path"]).name
    (sorted_row,) = (row for row in odd_run.table("sorted/n.tsv", "sorted") if row["frame"] == name)
    assert Path(sorted_row["sorted_path"]).samefile(odd_run.folder.parent / "night" / name)
    assert Path(sorted_row["sorted_path"]).is_relative_to(odd_run.results / "sorted" / "n" / sorted_row["decision"])


def test_frames_of_odd_names_are_kept_apart(odd_run: Run) -> None:
    for path, name in (("scores/n.tsv", "scores"), ("labels/n.tsv", "labels")):
        assert sorted(odd_run.frames(path, name)) == sorted(ODD_NAMES)
    links = [path for path in (odd_run.results / "dataset").rglob("*") if path.is_symlink()]
    assert len(links) == 2 * (len(ODD_NAMES) + 4)
    assert all(link.exists() for link in links)
    assert len({row["sorted_path"] for row in odd_run.table("sorted/n.tsv", "sorted")}) == len(ODD_NAMES)
    assert len({row["preview"] for row in odd_run.table("scores/n.tsv", "scores")}) == len(ODD_NAMES)


def test_a_night_in_a_folder_of_an_odd_name_is_graded(odd_run: Run) -> None:
    assert [row["status"] for row in odd_run.table("scores/m.tsv", "scores")] == ["scored"] * 4


def test_frames_of_odd_names_are_graded_once(odd_run: Run) -> None:
    assert odd_run("sorted").nothing_to_do


def test_a_changed_frame_of_an_odd_name_is_graded_again(odd_run: Run, make_night: Callable[..., Path]) -> None:
    shutil.copyfile(make_night(seed=7) / "light_0001.fits", odd_run.folder.parent / "night" / "<results>.fits")
    outcome = odd_run.succeed("labels")
    assert outcome.scored == ["<results>.fits"]
    assert outcome.scored_and_reused == (1, len(ODD_NAMES) - 1)


BROKEN_FILES = {
    "empty.fits": "empty file (0 bytes)",
    "truncated.fits": "truncated",
    "table.fits": "no image",
    "text.fits": "not a FITS file: starts with 'clouds all night'",
    "garbage.png": "not a FITS file",
    "line.fits": "1 row",
    "flat-line.fits": "every pixel has the value 7",
    "broken-link.fits": "broken link: its target does not exist",
    "circle.fits": "",
    "pipe.fits": "not a regular file",
    "forbidden.fits": "permission denied",
}


def write_calibration_frame(path: Path, kind: str) -> None:
    pixels = np.arange(400, dtype=np.uint16).reshape(20, 20)
    fits.PrimaryHDU(pixels, fits.Header({"IMAGETYP": kind})).writeto(path)


@pytest.fixture(scope="module")
def broken_run(tmp_path_factory: pytest.TempPathFactory, make_night: Callable[..., Path]) -> Iterator[Run]:
    """Grade four good frames and what may lie among them, without root's privilege to read everything."""
    folder = tmp_path_factory.mktemp("broken")
    night = folder / "night"
    shutil.copytree(make_night(), night)
    whole = (night / "light_0001.fits").read_bytes()
    (night / "empty.fits").touch()
    (night / "truncated.fits").write_bytes(whole[: len(whole) // 2])
    fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.zeros(3))]).writeto(night / "table.fits")
    (night / "text.fits").write_text("clouds all night\n")
    (night / "garbage.png").write_bytes(bytes(range(200)))
    fits.PrimaryHDU(np.zeros((1, 500), np.uint16)).writeto(night / "line.fits")
    fits.PrimaryHDU(np.full((50, 50), 7, np.uint16)).writeto(night / "flat-line.fits")
    (night / "broken-link.fits").symlink_to("gone.fits")
    (night / "circle.fits").symlink_to("circle.fits")
    os.mkfifo(night / "pipe.fits")
    shutil.copy2(night / "light_0001.fits", night / "forbidden.fits")
    (night / "forbidden.fits").chmod(0)
    write_calibration_frame(night / "dark.fits", "Dark")
    night.chmod(0o555)
    run = Run(folder / "run").configure({"nights": {"n": "../night"}} | QUICK | {"chunk_size": 32})
    run.succeed("dataset", privileged=False)
    yield run
    night.chmod(0o755)


@pytest.mark.parametrize(("name", "reason"), BROKEN_FILES.items())
def test_a_file_that_is_no_frame_is_a_row_with_its_reason(broken_run: Run, name: str, reason: str) -> None:
    (score,) = (row for row in broken_run.table("scores/n.tsv", "scores") if row["frame"] == name)
    assert score["status"] == "unreadable"
    assert score["error"]
    assert reason in score["error"]
    (label,) = (row for row in broken_run.table("labels.tsv", "labels") if row["frame"] == name)
    assert (label["label"], label["reasons"]) == ("unreadable", f"unreadable: {score['error']}")
    assert name not in broken_run.frames("dataset/dataset.tsv", "dataset")


def test_broken_files_spoil_no_good_frame(broken_run: Run) -> None:
    good = [f"light_000{number}.fits" for number in (1, 2, 3, 4)]
    assert broken_run.frames("dataset/dataset.tsv", "dataset") == good
    assert [row["label"] for row in broken_run.table("labels.tsv", "labels") if row["frame"] in good] == ["clean"] * 4


def test_a_dark_frame_is_listed_and_skipped(broken_run: Run) -> None:
    (score,) = (row for row in broken_run.table("scores/n.tsv", "scores") if row["frame"] == "dark.fits")
    assert (score["status"], score["image_type"]) == ("skipped", "dark")
    assert "dark.fits" not in broken_run.frames("labels.tsv", "labels")


def test_nothing_is_written_into_a_night(broken_run: Run) -> None:
    """The folder is read-only, so anything that tried would have failed."""
    names = {path.name for path in (broken_run.folder.parent / "night").iterdir()}
    assert names == {*BROKEN_FILES, "dark.fits", *(f"light_000{number}.fits" for number in (1, 2, 3, 4))}


def test_broken_files_are_read_once(broken_run: Run) -> None:
    assert broken_run("dataset", privileged=False).nothing_to_do


def test_a_mended_link_and_a_file_that_became_readable_are_graded(
    broken_run: Run, make_night: Callable[..., Path]
) -> None:
    night = broken_run.folder.parent / "night"
    night.chmod(0o755)
    shutil.copy2(make_night(seed=8) / "light_0001.fits", night / "gone.fits")
    (night / "forbidden.fits").chmod(0o644)
    outcome = broken_run.succeed("labels", privileged=False)
    assert outcome.scored == ["broken-link.fits", "forbidden.fits", "gone.fits"]
    labels = {row["frame"]: row["label"] for row in broken_run.table("labels.tsv", "labels")}
    assert "unreadable" not in (labels["broken-link.fits"], labels["forbidden.fits"])


def test_a_night_of_unreadable_files_alone_ends_well(new_run: Run, tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "text.fits").write_text("clouds all night\n")
    new_run.configure({"nights": {"n": "../night"}} | QUICK).succeed("dataset")
    assert [row["label"] for row in new_run.table("labels.tsv", "labels")] == ["unreadable"]
    assert new_run.table("dataset/dataset.tsv", "dataset") == []


def test_a_night_without_any_light_frame_is_named(new_run: Run, tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    write_calibration_frame(tmp_path / "night" / "one.fits", "Dark")
    write_calibration_frame(tmp_path / "night" / "two.fits", "Flat Field")
    outcome = new_run.configure({"nights": {"2024-09-09": "../night"}} | QUICK)("labels")
    assert outcome.code != 0
    assert "no light frame in this night, only 1 dark, 1 flat" in outcome.logs["label_night/2024-09-09.log"]
    assert "nights: 2024-09-09: no light frame" in outcome.logs["labels.log"]
    assert "nights: 2024-09-09: no light frame" in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output
