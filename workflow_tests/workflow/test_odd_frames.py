"""Frames under any name, and files that are no frames: each is a row, and the run ends well."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from nebulift.tables import Row
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
GOOD_FRAMES = [f"light_000{number}.fits" for number in (1, 2, 3, 4)]


def write_calibration_frame(path: Path, kind: str) -> None:
    pixels = np.arange(400, dtype=np.uint16).reshape(20, 20)
    fits.PrimaryHDU(pixels, fits.Header({"IMAGETYP": kind})).writeto(path)


def make_named_night(night: Path, frames: Path) -> None:
    for number, name in enumerate(ODD_NAMES):
        place = night / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(frames / f"light_000{1 + number % 4}.fits", place)


def make_broken_night(night: Path, frames: Path) -> None:
    """Put good frames into a folder, and what may lie among them; nothing may be written there."""
    shutil.copytree(frames, night)
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


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory, make_night: Callable[..., Path]) -> Iterator[Run]:
    """Sort four nights without root's privilege to read everything; the rules decide alone.

    One of frames with odd names, one in a folder with an odd name, one of good and broken files, one of a broken file.
    """
    folder = tmp_path_factory.mktemp("odd")
    make_named_night(folder / "named", make_night())
    shutil.copytree(make_night(), folder / "it's <my> {night} #2 ünt")
    make_broken_night(folder / "broken", make_night())
    (folder / "hopeless").mkdir()
    (folder / "hopeless" / "text.fits").write_text("clouds all night\n")
    nights = {
        "named": "../named",
        "folder": "../it's <my> {night} #2 ünt",
        "broken": "../broken",
        "hopeless": str(folder / "hopeless"),
    }
    settings = QUICK | {"chunk_size": 32, "train": {"minimum_per_class": 1000}}
    run = Run(folder / "run").configure({"nights": nights} | settings)
    run.succeed("sorted", privileged=False)
    yield run
    (folder / "broken").chmod(0o755)


def row_of(run: Run, kind: str, night: str, frame: str) -> Row:
    (row,) = (row for row in run.table(f"{kind}/{night}.tsv", kind) if row["frame"] == frame)
    return row


def dataset_frames(run: Run, night: str) -> list[str]:
    return [row["frame"] for row in run.table("dataset/dataset.tsv", "dataset") if row["night"] == night]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_frame_of_any_name_is_graded_and_sorted(odd_run: Run, name: str) -> None:
    raw = odd_run.folder.parent / "named" / name
    score = row_of(odd_run, "scores", "named", name)
    assert (score["status"], score["error"]) == ("scored", "")
    assert Path(score["path"]).samefile(raw)
    (placed,) = (row for row in odd_run.table("dataset/dataset.tsv", "dataset") if row["frame"] == name)
    assert (odd_run.results / "dataset" / placed["link"]).samefile(raw)
    assert (odd_run.folder / placed["preview_path"]).is_file()
    assert row_of(odd_run, "labels", "named", name)["preview"] == Path(placed["preview_path"]).name
    place = row_of(odd_run, "sorted", "named", name)
    assert Path(place["sorted_path"]).samefile(raw)
    assert Path(place["sorted_path"]).is_relative_to(odd_run.results / "sorted" / "named" / place["decision"])


def test_frames_of_odd_names_are_kept_apart(odd_run: Run) -> None:
    for kind in ("scores", "labels", "predictions", "sorted"):
        assert sorted(odd_run.frames(f"{kind}/named.tsv", kind)) == sorted(ODD_NAMES)
    links = [path for path in (odd_run.results / "dataset").rglob("*") if path.is_symlink()]
    assert len(links) == 2 * (len(ODD_NAMES) + 4 + 4)
    assert all(link.exists() for link in links)
    for kind, column in (("scores", "preview"), ("sorted", "sorted_path")):
        assert len({row[column] for row in odd_run.table(f"{kind}/named.tsv", kind)}) == len(ODD_NAMES)


def test_a_night_in_a_folder_of_an_odd_name_is_graded(odd_run: Run) -> None:
    assert [row["status"] for row in odd_run.table("scores/folder.tsv", "scores")] == ["scored"] * 4


@pytest.mark.parametrize(("name", "reason"), BROKEN_FILES.items())
def test_a_file_that_is_no_frame_is_a_row_with_its_reason(odd_run: Run, name: str, reason: str) -> None:
    score = row_of(odd_run, "scores", "broken", name)
    assert score["status"] == "unreadable"
    assert score["error"]
    assert reason in score["error"]
    label = row_of(odd_run, "labels", "broken", name)
    assert (label["label"], label["reasons"]) == ("unreadable", f"unreadable: {score['error']}")
    assert row_of(odd_run, "predictions", "broken", name)["decision"] == "unreadable"
    assert (odd_run.results / "sorted" / "broken" / "unreadable" / name).is_symlink()
    assert name not in dataset_frames(odd_run, "broken")


def test_broken_files_spoil_no_good_frame(odd_run: Run) -> None:
    assert dataset_frames(odd_run, "broken") == GOOD_FRAMES
    labels = [row_of(odd_run, "labels", "broken", frame)["label"] for frame in GOOD_FRAMES]
    assert labels == ["clean"] * 4


def test_a_dark_frame_is_listed_and_skipped(odd_run: Run) -> None:
    score = row_of(odd_run, "scores", "broken", "dark.fits")
    assert (score["status"], score["image_type"]) == ("skipped", "dark")
    assert "dark.fits" not in odd_run.frames("labels/broken.tsv", "labels")


def test_a_night_of_unreadable_files_alone_ends_well(odd_run: Run) -> None:
    assert [row["label"] for row in odd_run.table("labels/hopeless.tsv", "labels")] == ["unreadable"]
    assert dataset_frames(odd_run, "hopeless") == []


def test_nothing_is_written_into_a_night(odd_run: Run) -> None:
    """The folder is read-only, so anything that tried would have failed."""
    names = {path.name for path in (odd_run.folder.parent / "broken").iterdir()}
    assert names == {*BROKEN_FILES, *GOOD_FRAMES, "dark.fits"}


def test_odd_and_broken_files_are_graded_once(odd_run: Run) -> None:
    assert odd_run("sorted", privileged=False).nothing_to_do


def test_what_is_changed_or_mended_is_graded_again(odd_run: Run, make_night: Callable[..., Path]) -> None:
    """Also where Snakemake cannot watch the file: a name it trips over, a broken link, one it may not read."""
    broken = odd_run.folder.parent / "broken"
    broken.chmod(0o755)
    frame = make_night(seed=8) / "light_0001.fits"
    shutil.copyfile(frame, odd_run.folder.parent / "named" / "<results>.fits")
    shutil.copy2(frame, broken / "gone.fits")
    (broken / "forbidden.fits").chmod(0o644)
    outcome = odd_run.succeed("labels", privileged=False)
    assert outcome.scored == ["<results>.fits", "broken-link.fits", "forbidden.fits", "gone.fits"]
    for name in ("broken-link.fits", "forbidden.fits"):
        assert row_of(odd_run, "labels", "broken", name)["label"] != "unreadable"


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
