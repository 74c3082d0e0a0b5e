"""Scoring a chunk: what is measured, what is used again, and that nothing stops it."""

import json
import logging
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nebulift.dataset.preview import read_preview
from nebulift.frames.frame import UnreadableFrame
from nebulift.frames.listing import ListedFrame, list_frames
from nebulift.scoring.score import ScoringSettings
from nebulift.stages import score as stage
from nebulift.stages.merge import merge_scores
from nebulift.stages.score import preview_name, score_chunk, score_file, scorer_name
from nebulift.tables import Row, columns, read_table, write_table
from unit.builders import score_row, star_field, with_trail, write_frame

SETTINGS = ScoringSettings()
SHAPE = (120, 160)


class Night:
    """Raw frames, and the scores of them as one chunk."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.table, self.previews = folder / "raw", folder / "scores" / "0000.tsv", folder / "previews"
        self.raw.mkdir()
        self.settings = SETTINGS
        self.log: list[str] = []

    def put(self, name: str, seed: int = 1, **header: Any) -> Path:
        return write_frame(self.raw / name, star_field(SHAPE, stars=20, seed=seed), **header)

    def score(self, *more_kept: Path, names: list[str] | None = None) -> dict[str, Row]:
        frames = [ListedFrame(name, self.raw / name) for name in names] if names else list_frames(self.raw)
        score_chunk("n", frames, self.table, self.previews, self.settings, [self.table, *more_kept])
        return {row["frame"]: row for row in read_table(self.table, "scores")}


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


@pytest.fixture
def outcome(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Give the last line of the log: how many were scored and how many reused."""
    caplog.set_level(logging.INFO)

    def last() -> str:
        message = caplog.records[-1].getMessage()
        caplog.clear()
        return message

    yield last


def test_a_frame_becomes_a_row_and_a_preview(night: Night) -> None:
    path = night.put("sub/a.fits", FILTER="Ha", EXPTIME=30.0)
    row = night.score()["sub/a.fits"]
    assert (row["night"], row["frame"], row["path"]) == ("n", "sub/a.fits", str(path))
    assert (row["status"], row["error"], row["scorer"]) == ("scored", "", scorer_name(SETTINGS))
    assert (row["size_bytes"], row["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert (row["filter"], row["exposure_s"], row["object"], row["camera"]) == ("Ha", 30, "M 31", "Camera")
    assert (row["width_px"], row["height_px"], row["image_type"]) == (160, 120, "light")
    assert row["date_obs"] == "2024-09-09T21:00:00.000"
    assert row["background_adu"] == pytest.approx(1000, abs=3)
    assert row["background_noise_adu"] == pytest.approx(10, rel=0.1)
    assert 18 <= row["star_count"] <= 22
    assert row["fwhm_px"] == pytest.approx(3, rel=0.1)
    assert row["preview"] == preview_name("sub/a.fits")
    assert read_preview(night.previews / row["preview"]).any()
    assert list(row) == columns("scores")


def test_stars_are_listed_with_their_light(night: Night) -> None:
    night.put("a.fits")
    row = night.score()["a.fits"]
    stars = json.loads(row["stars"])
    assert len(stars) == row["star_count"]
    assert [flux for *_, flux in stars] == sorted((flux for *_, flux in stars), reverse=True)
    assert stars[14][2] == pytest.approx(row["flux_15th_adu"], rel=1e-3)
    assert all(0 <= x < SHAPE[1] and 0 <= y < SHAPE[0] for x, y, _ in stars)


def test_a_saturated_star_is_listed_without_light(night: Night) -> None:
    pixels = star_field(SHAPE, stars=20)
    pixels[58:63, 78:83] = 80_000
    write_frame(night.raw / "a.fits", pixels)
    (star,) = [star for star in json.loads(night.score()["a.fits"]["stars"]) if star[2] == 0]
    assert star[:2] == pytest.approx([80, 60], abs=1)


def test_hot_pixels_are_listed_by_their_places(night: Night) -> None:
    pixels = star_field(SHAPE, stars=20)
    places = [[13, 7], [100, 33], [150, 111]]
    for x, y in places:
        pixels[y, x] += 5000
    write_frame(night.raw / "a.fits", pixels)
    assert sorted(json.loads(night.score()["a.fits"]["hot_pixels"])) == places


@pytest.mark.parametrize(
    ("header", "airmass"),
    [
        ({"AIRMASS": 1.25, "CENTALT": 30.0}, 1.25),
        ({"CENTALT": 30.0}, 1.993),
        ({"OBJCTALT": "90.0"}, 1.0),
        ({"AIRMASS": -1.0}, None),
        ({"CENTALT": -5.0}, None),
        ({}, None),
    ],
)
def test_the_airmass_is_the_headers_or_follows_from_the_altitude(
    night: Night, header: dict[str, Any], airmass: float | None
) -> None:
    night.put("a.fits", **header)
    told = night.score()["a.fits"]["airmass"]
    assert told == (airmass if airmass is None else pytest.approx(airmass, abs=2e-3))


def test_streaks_are_listed_with_their_ends(night: Night) -> None:
    write_frame(night.raw / "a.fits", with_trail(star_field((240, 320), stars=20)))
    streaks = json.loads(night.score()["a.fits"]["streaks"])
    significance, x1, y1, x2, y2, _, brightness = max(streaks)
    assert significance > 15
    assert 0 < brightness < 220
    assert np.hypot(x2 - x1, y2 - y1) > 200
    assert (y2 - y1) / (x2 - x1) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "empty file (0 bytes)"), (b"<html>", "not a FITS file"), (b"SIMPLE  = nonsense", "")],
)
def test_a_file_that_is_no_frame_becomes_a_row_with_its_error(night: Night, content: bytes, error: str) -> None:
    night.put("a.fits")
    (night.raw / "bad.fits").write_bytes(content)
    rows = night.score()
    assert rows["a.fits"]["status"] == "scored"
    bad = rows["bad.fits"]
    assert bad["status"] == "unreadable"
    assert bad["error"].startswith(error)
    assert bad["error"]
    assert (bad["preview"], bad["streaks"], bad["background_adu"]) == ("", "[]", None)


@pytest.mark.parametrize("kind", ["Dark Frame", "Bias Frame", "Flat Field"])
def test_what_is_no_light_is_skipped(night: Night, kind: str) -> None:
    night.put("a.fits", IMAGETYP=kind)
    row = night.score()["a.fits"]
    assert (row["status"], row["error"], row["preview"]) == ("skipped", "", "")
    assert row["image_type"] in {"dark", "bias", "flat"}
    assert not night.previews.exists()


def test_the_second_time_everything_is_used_again(night: Night, outcome: Any) -> None:
    night.put("a.fits")
    night.put("dark.fits", IMAGETYP="Dark Frame")
    (night.raw / "bad.fits").write_bytes(b"no frame")
    night.score()
    assert outcome() == "n: 3 scored, 0 reused"
    first = night.table.read_bytes()
    night.score()
    assert outcome() == "n: 0 scored, 3 reused"
    assert night.table.read_bytes() == first


def test_only_what_is_new_is_scored(night: Night, outcome: Any) -> None:
    night.put("a.fits")
    night.score()
    outcome()
    night.put("b.fits", seed=2)
    assert set(night.score()) == {"a.fits", "b.fits"}
    assert outcome() == "n: 1 scored, 1 reused"
    (night.raw / "a.fits").unlink()
    assert set(night.score()) == {"b.fits"}
    assert outcome() == "n: 0 scored, 1 reused"


@pytest.mark.parametrize("change", ["content", "time", "older file of the same size"])
def test_a_changed_file_is_scored_again(night: Night, outcome: Any, change: str) -> None:
    path = night.put("a.fits", FILTER="L")
    before = night.score()["a.fits"]
    outcome()
    if change == "content":
        night.put("a.fits", FILTER="R")
        os.utime(path, ns=(0, before["mtime_ns"] + 1))
    elif change == "time":
        os.utime(path, ns=(0, before["mtime_ns"] + 1))
    else:
        os.utime(path, ns=(0, 10**18))
    after = night.score()["a.fits"]
    assert outcome() == "n: 1 scored, 0 reused"
    assert after["mtime_ns"] == path.stat().st_mtime_ns
    assert after["filter"] == ("R" if change == "content" else "L")


def test_a_file_of_another_size_is_scored_again_though_its_time_is_the_same(night: Night, outcome: Any) -> None:
    path = night.put("a.fits")
    before = night.score()["a.fits"]
    outcome()
    write_frame(path, star_field((100, 160), stars=20))
    os.utime(path, ns=(0, before["mtime_ns"]))
    assert night.score()["a.fits"]["height_px"] == 100
    assert outcome() == "n: 1 scored, 0 reused"


def test_other_settings_score_again(night: Night, outcome: Any) -> None:
    night.put("a.fits")
    count = night.score()["a.fits"]["star_count"]
    outcome()
    night.settings = ScoringSettings(star_sigma=1500.0)
    assert night.score()["a.fits"]["star_count"] < count
    assert outcome() == "n: 1 scored, 0 reused"


@pytest.mark.parametrize("version", ["SCORER_VERSION", "PREVIEW_VERSION"])
def test_another_version_scores_again(
    night: Night, outcome: Any, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    night.put("a.fits")
    night.score()
    outcome()
    monkeypatch.setattr(stage, version, 99)
    assert "99" in night.score()["a.fits"]["scorer"]
    assert outcome() == "n: 1 scored, 0 reused"


def test_every_setting_is_in_the_name_of_the_scorer() -> None:
    changes = [{}, {"star_sigma": 4}, {"hot_pixel_sigma": 9}, {"streak_sigma": 6}]
    assert len({scorer_name(ScoringSettings(**change)) for change in changes}) == len(changes)


def test_a_missing_preview_is_made_again(night: Night, outcome: Any) -> None:
    night.put("a.fits")
    row = night.score()["a.fits"]
    outcome()
    preview = night.previews / row["preview"]
    before = preview.read_bytes()
    preview.unlink()
    night.score()
    assert outcome() == "n: 1 scored, 0 reused"
    assert preview.read_bytes() == before


def test_a_frame_that_was_moved_keeps_its_scores(night: Night, outcome: Any) -> None:
    path = night.put("a.fits")
    night.score()
    outcome()
    moved = night.raw.parent / "sorted" / "a.fits"
    moved.parent.mkdir()
    path.rename(moved)
    score_chunk("n", [ListedFrame("a.fits", moved)], night.table, night.previews, SETTINGS, [night.table])
    assert outcome() == "n: 0 scored, 1 reused"
    (row,) = read_table(night.table, "scores")
    assert row["path"] == str(moved)


def test_rows_of_another_chunk_are_used_too(night: Night, outcome: Any) -> None:
    night.put("a.fits")
    night.score()
    outcome()
    whole = night.table.with_name("whole.tsv")
    night.table.rename(whole)
    night.score(whole, night.table.with_name("absent.tsv"))
    assert outcome() == "n: 0 scored, 1 reused"


@pytest.mark.parametrize("content", ["", "frame\tstatus\na.fits\tscored\n", "half a tab"])
def test_an_earlier_table_of_another_form_is_not_used(
    night: Night, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    night.put("a.fits")
    night.table.parent.mkdir(parents=True)
    night.table.write_text(content)
    assert night.score()["a.fits"]["status"] == "scored"
    assert "earlier scores are not used" in caplog.text
    assert str(night.table) in caplog.text


def test_a_broken_link_is_looked_at_again_each_time(night: Night, outcome: Any) -> None:
    (night.raw / "a.fits").symlink_to(night.raw.parent / "gone.fits")
    row = night.score()["a.fits"]
    assert (row["status"], row["size_bytes"], row["mtime_ns"]) == ("unreadable", None, None)
    assert row["error"] == "broken link: its target does not exist"
    outcome()
    night.score()
    assert outcome() == "n: 1 scored, 0 reused"
    shutil.move(night.put("b.fits"), night.raw.parent / "gone.fits")
    assert night.score()["a.fits"]["status"] == "scored"


def test_a_frame_that_vanished_since_it_was_listed_is_a_row(night: Night) -> None:
    row = night.score(names=["gone.fits"])["gone.fits"]
    assert row["status"] == "unreadable"
    assert row["error"]


def test_a_file_that_may_not_be_read_is_looked_at_again(
    night: Night, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.put("a.fits")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(".fits") and may(path, mode))
    monkeypatch.setattr(stage, "read_frame", failing(PermissionError(13, "Permission denied")))
    assert night.score()["a.fits"]["size_bytes"] is None
    night.score()
    outcome()
    monkeypatch.undo()
    assert night.score()["a.fits"]["status"] == "scored"


def failing(cause: BaseException) -> Any:
    def read(_: Path) -> Any:
        raise UnreadableFrame("cannot be read") from cause

    return read


@pytest.mark.parametrize("cause", [OSError(5, "Input/output error"), MemoryError()])
def test_a_failure_of_the_machine_is_not_kept(
    night: Night, outcome: Any, monkeypatch: pytest.MonkeyPatch, cause: BaseException
) -> None:
    # A share that was away for a moment, or a node with less memory, must not spoil a frame for good.
    night.put("a.fits")
    monkeypatch.setattr(stage, "read_frame", failing(cause))
    row = night.score()["a.fits"]
    assert (row["status"], row["error"]) == ("unreadable", "cannot be read")
    assert (row["size_bytes"], row["mtime_ns"]) == (None, None)
    monkeypatch.undo()
    assert night.score()["a.fits"]["status"] == "scored"


def test_a_frame_that_cannot_be_measured_becomes_a_row_and_the_rest_is_scored(
    night: Night, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    night.put("a.fits")
    night.put("b.fits", OBJECT="odd")
    night.put("c.fits")
    prepare = stage.prepare_frame

    def odd(frame: Any, settings: Any, **options: Any) -> Any:
        if frame.metadata.object == "odd":
            raise ZeroDivisionError("of a kind never met")
        return prepare(frame, settings, **options)

    monkeypatch.setattr(stage, "prepare_frame", odd)
    rows = night.score()
    assert [row["status"] for row in rows.values()] == ["scored", "unreadable", "scored"]
    assert rows["b.fits"]["error"] == "could not be measured: ZeroDivisionError: of a kind never met"
    assert rows["b.fits"]["object"] == "odd"
    assert "Traceback" in caplog.text, "the log keeps the whole story"


def test_the_raw_values_take_no_memory_while_stars_and_streaks_are_measured(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: list[weakref.ref[Any]] = []
    read, score = stage.read_frame, stage.score_prepared
    is_gone = []

    def reading(path: Path) -> Any:
        frame = read(path)
        raw.append(weakref.ref(frame.raw))
        return frame

    def scoring(*arguments: Any) -> Any:
        is_gone.append(raw[-1]() is None)
        return score(*arguments)

    monkeypatch.setattr(stage, "read_frame", reading)
    monkeypatch.setattr(stage, "score_prepared", scoring)
    night.put("a.fits")
    assert night.score()["a.fits"]["status"] == "scored"
    assert is_gone == [True]


@pytest.mark.parametrize(("error", "kept"), [(ValueError("odd"), True), (MemoryError(), False)])
def test_what_could_not_be_measured_is_tried_again_only_if_it_was_the_machine(
    night: Night, outcome: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, kept: bool
) -> None:
    def odd(*_: Any, **options: Any) -> Any:
        raise error

    night.put("a.fits")
    monkeypatch.setattr(stage, "prepare_frame", odd)
    night.score()
    outcome()
    monkeypatch.undo()
    night.score()
    assert outcome() == ("n: 0 scored, 1 reused" if kept else "n: 1 scored, 0 reused")


def test_a_preview_that_cannot_be_written_is_an_error_and_keeps_the_old_table(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.put("a.fits")
    night.score()
    before = night.table.read_bytes()
    night.put("b.fits")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "write_preview", full)
    with pytest.raises(OSError, match="No space left"):
        night.score()
    assert night.table.read_bytes() == before


def test_previews_of_frames_of_any_name_have_names_of_their_own(night: Night) -> None:
    names = ["a.fits", "sub/a.fits", "A.fits", "\udcff.fits", "x" * 250 + ".fits"]
    assert len({preview_name(name) for name in names}) == len(names)
    assert all(len(preview_name(name)) < 40 for name in names)


def test_odd_names_go_the_whole_way(night: Night) -> None:
    for name in ("tab\t.fits", "line\n.fits", "\udcff.fits", '"quoted".fits'):
        night.put("plain.fits").rename(night.raw / name)
    rows = night.score()
    assert {row["status"] for row in rows.values()} == {"scored"}
    assert set(rows) == {"tab\t.fits", "line\n.fits", "\udcff.fits", '"quoted".fits'}


def test_scoring_a_file_says_all_but_the_night(night: Night) -> None:
    row, preview = score_file(ListedFrame("a.fits", night.put("a.fits")), SETTINGS)
    assert set(row) == set(columns("scores")) - {"night"}
    assert preview is not None
    assert (preview.shape, preview.dtype) == ((224, 224, 3), np.uint8)


def test_tables_are_joined_in_capture_order(tmp_path: Path) -> None:
    first = [score_row("c.fits", date_obs="2024-09-09T23:00:00.000"), score_row("z.fits", date_obs="")]
    second = [score_row("a.fits", date_obs="2024-09-09T22:00:00.000"), score_row("b.fits", date_obs="")]
    write_table(tmp_path / "0.tsv", "scores", first)
    write_table(tmp_path / "1.tsv", "scores", second)
    merge_scores([tmp_path / "0.tsv", tmp_path / "1.tsv"], tmp_path / "n.tsv", tmp_path / "previews")
    names = [row["frame"] for row in read_table(tmp_path / "n.tsv", "scores")]
    assert names == ["a.fits", "c.fits", "b.fits", "z.fits"]


def test_joining_removes_previews_of_frames_that_are_gone_and_nothing_else(tmp_path: Path) -> None:
    previews = tmp_path / "previews"
    previews.mkdir()
    for name in ("kept.png", "gone.png", "notes.txt"):
        (previews / name).write_text("x")
    rows = [score_row(preview="kept.png"), score_row("u.fits", status="unreadable", preview="")]
    write_table(tmp_path / "0.tsv", "scores", rows)
    merge_scores([tmp_path / "0.tsv"], tmp_path / "n.tsv", previews)
    assert sorted(path.name for path in previews.iterdir()) == ["kept.png", "notes.txt"]
