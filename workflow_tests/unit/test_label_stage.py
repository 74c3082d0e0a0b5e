"""Labelling a night: from its score table and a person's reviews to its label table."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from nebulift.labels.checks import CHECKS
from nebulift.labels.verdict import LABELS, Thresholds
from nebulift.stages.label import label_night, label_rows
from nebulift.stages.merge import merge_labels
from nebulift.tables import Row, TableError, columns, load_schema, read_table, write_table
from unit.builders import is_true_as_printed, label_settings, score_row, star_list

CLOUD = {"star_count": 60, "stars": star_list(light=0.18)}
TRAIL = {"streaks": json.dumps([[40.0, 0.0, 100.0, 900.0, 600.0, 2.0, 50.0]])}
# Twice as long as wide: 4 px and 8 px.
OVAL = {"fwhm_px": math.sqrt(32.0), "eccentricity": math.sqrt(0.75), "elongation_order": 1.0}
# Those that the tests speak of, so that a better calibration of the defaults fails none of them.
LIMITS = {
    "streak_significance": {"clean": 11.0, "contaminated": 15.0},
    "transparency": {"clean": 0.75, "contaminated": 0.55},
    "background_ratio": {"clean": 4.0, "contaminated": 8.0},
    "fwhm_ratio": {"clean": 1.4, "contaminated": 1.8},
    "elongation": {"clean": 1.5, "contaminated": 1.8},
}
UNREADABLE = {"status": "unreadable", "error": "empty file (0 bytes)", "date_obs": "", "preview": ""}


def night(**frames: dict[str, Any]) -> list[Row]:
    """Return eight good frames, a minute apart, and then the given ones."""
    rows = [score_row(f"good{n}.fits", date_obs=f"2024-09-09T21:{n:02d}:00.000") for n in range(8)]
    for number, (name, changes) in enumerate(frames.items()):
        rows.append(score_row(f"{name}.fits", **{"date_obs": f"2024-09-09T22:{number:02d}:00.000", **changes}))
    return rows


def labelled(folder: Path, rows: list[Row], reviews: str | None = None, **label: Any) -> dict[str, Row]:
    write_table(folder / "scores.tsv", "scores", rows)
    review = None
    if reviews is not None:
        review = folder / "reviews.tsv"
        review.write_text(f"frame\tlabel\tnote\n{reviews}")
    label_night(folder / "scores.tsv", review, folder / "labels.tsv", label_settings(**{"limits": LIMITS, **label}))
    return {row["frame"]: row for row in read_table(folder / "labels.tsv", "labels")}


def test_good_frames_are_clean_without_reasons(tmp_path: Path) -> None:
    for row in labelled(tmp_path, night()).values():
        assert (row["label"], row["cv_label"], row["label_source"], row["reasons"]) == ("clean", "clean", "cv", "")
        assert 0.7 <= row["quality_score"] <= 1
        assert row["group_frames"] == 8


def test_what_is_wrong_with_a_frame_is_told_with_value_and_limit(tmp_path: Path) -> None:
    rows = labelled(tmp_path, night(cloudy=CLOUD, trail=TRAIL, soft={"fwhm_px": 6.6}, oval=OVAL))
    assert {name: rows[f"{name}.fits"]["label"] for name in ("cloudy", "trail", "soft", "oval")} == dict.fromkeys(
        ("cloudy", "trail", "soft", "oval"), "contaminated"
    )
    assert rows["trail.fits"]["reasons"] == "streak: significance 40 > 15"
    assert rows["soft.fits"]["reasons"] == "focus: FWHM ratio 2.2 > 1.8"
    assert "tracking: length of the stars over their width 2 > 1.8" in rows["oval.fits"]["reasons"].split("; ")
    assert rows["cloudy.fits"]["reasons"].split("; ")[0] == "cloud: transparency 0.18 < 0.55"
    assert rows["trail.fits"]["streak_significance"] == 40
    assert rows["trail.fits"]["streak_significance_limit"] == 15
    assert {row["label"] for name, row in rows.items() if name.startswith("good")} == {"clean"}


def test_labels_follow_from_the_scores_beside_them(tmp_path: Path) -> None:
    steps = {f"f{n}": {"fwhm_px": 3.0 + 0.5 * n} for n in range(8)}
    rows = labelled(tmp_path, night(**steps)).values()
    assert {row["label"] for row in rows} == {"clean", "review", "contaminated"}
    for row in rows:
        assert row["label"] == Thresholds().label(row["quality_score"])
        assert all(is_true_as_printed(reason) for reason in row["reasons"].split("; ") if reason)
        assert bool(row["reasons"]) == (row["label"] != "clean")


def test_a_brighter_sky_alone_only_asks_for_a_look(tmp_path: Path) -> None:
    rows = labelled(tmp_path, night(dawn={"background_adu": 20_000.0}))
    assert rows["dawn.fits"]["label"] == "review"
    assert rows["dawn.fits"]["reasons"] == "background: ratio to the group 20 > 4"


def test_thresholds_move_labels_and_limits(tmp_path: Path) -> None:
    frames = night(soft={"fwhm_px": 4.8})  # ratio 1.6: quality 0.5
    assert labelled(tmp_path, frames)["soft.fits"]["label"] == "review"
    strict = labelled(tmp_path, frames, clean_threshold=0.9, contaminated_threshold=0.6)["soft.fits"]
    assert strict["label"] == "contaminated"
    assert strict["fwhm_ratio_limit"] < 1.6
    loose = labelled(tmp_path, frames, clean_threshold=0.45)["soft.fits"]
    assert (loose["label"], loose["reasons"]) == ("clean", "")


def test_limits_of_the_configuration_are_used(tmp_path: Path) -> None:
    limits = {"fwhm_ratio": {"clean": 2.5, "contaminated": 3.0}}
    row = labelled(tmp_path, night(soft={"fwhm_px": 6.6}), limits=limits)["soft.fits"]
    assert (row["label"], row["fwhm_ratio"], row["fwhm_ratio_limit"]) == ("clean", 2.2, 3)


def test_small_groups_are_not_compared(tmp_path: Path) -> None:
    rows = labelled(tmp_path, night(soft={"fwhm_px": 6.6}), smallest_group=10)
    assert rows["soft.fits"]["label"] == "clean"
    assert rows["soft.fits"]["fwhm_ratio"] is None


def test_unreadable_files_are_rows_with_their_error_and_without_a_score(tmp_path: Path) -> None:
    row = labelled(tmp_path, night(torn=UNREADABLE))["torn.fits"]
    assert (row["label"], row["cv_label"], row["label_source"]) == ("unreadable", "unreadable", "cv")
    assert row["reasons"] == "unreadable: empty file (0 bytes)"
    assert row["quality_score"] is None


def test_skipped_frames_have_no_row_and_join_no_group(tmp_path: Path) -> None:
    dark = {"status": "skipped", "image_type": "dark", "star_count": None, "background_adu": None}
    rows = labelled(tmp_path, night(dark=dark))
    assert "dark.fits" not in rows
    assert rows["good0.fits"]["group_frames"] == 8


def test_rows_stand_in_capture_order_and_undated_ones_last(tmp_path: Path) -> None:
    frames = night(torn=UNREADABLE, early={"date_obs": "2024-09-09T20:00:00.000"})
    names = list(labelled(tmp_path, frames[::-1]))
    assert names == ["early.fits", *(f"good{n}.fits" for n in range(8)), "torn.fits"]


def test_the_order_of_the_scores_changes_nothing() -> None:
    frames = night(cloudy=CLOUD, trail=TRAIL, torn=UNREADABLE)
    assert label_rows(frames[::-1], label_settings()) == label_rows(frames, label_settings())


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    frames = night(cloudy=CLOUD, trail=TRAIL, torn=UNREADABLE)
    labelled(tmp_path, frames)
    first = (tmp_path / "labels.tsv").read_bytes()
    labelled(tmp_path, frames)
    assert (tmp_path / "labels.tsv").read_bytes() == first


def test_values_and_limits_of_every_check_stand_in_the_table(tmp_path: Path) -> None:
    row = labelled(tmp_path, night())["good0.fits"]
    for check in CHECKS:
        assert row[check.column] is not None, check.column
        assert row[f"{check.column}_limit"] == label_settings(limits=LIMITS).limits[check.column].contaminated
    assert list(row) == columns("labels")


def test_words_of_the_table_are_those_of_the_schema(tmp_path: Path) -> None:
    properties = load_schema("labels")["properties"]
    assert properties["label"]["enum"] == properties["cv_label"]["enum"] == list(LABELS)
    rows = labelled(tmp_path, night(torn=UNREADABLE), "good0.fits\treview\t\n").values()
    assert {row["label_source"] for row in rows} == set(properties["label_source"]["enum"])


def test_a_review_overrides_the_measured_label(tmp_path: Path) -> None:
    rows = labelled(tmp_path, night(trail=TRAIL), "trail.fits\tclean\tedge of the dome\ngood1.fits\tcontaminated\t\n")
    trail, good = rows["trail.fits"], rows["good1.fits"]
    assert (trail["label"], trail["label_source"], trail["cv_label"]) == ("clean", "human", "contaminated")
    assert trail["reasons"] == "human: edge of the dome; streak: significance 40 > 15"
    assert trail["quality_score"] <= 0.3, "the measured score stays"
    assert (good["label"], good["label_source"], good["cv_label"]) == ("contaminated", "human", "clean")
    assert good["reasons"] == "human: reviewed by a person"
    assert rows["good0.fits"]["label_source"] == "cv"


def test_a_review_of_a_frame_that_is_not_there_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = labelled(tmp_path, night(), "gone.fits\tclean\t\ngood0.fits\treview\t\n")
    assert "gone.fits" not in rows
    assert rows["good0.fits"]["label"] == "review"
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert "'gone.fits'" in record.getMessage()
    assert str(tmp_path / "reviews.tsv") in record.getMessage()


def test_a_review_of_an_unreadable_file_has_no_effect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = labelled(tmp_path, night(torn=UNREADABLE), "torn.fits\tclean\t\n")["torn.fits"]
    assert (row["label"], row["label_source"]) == ("unreadable", "cv")
    assert "'torn.fits'" in caplog.text


def test_a_bad_review_leaves_the_old_labels(tmp_path: Path) -> None:
    labelled(tmp_path, night())
    before = (tmp_path / "labels.tsv").read_bytes()
    with pytest.raises(TableError, match=r"reviews\.tsv: line 2: 'good'"):
        labelled(tmp_path, night(trail=TRAIL), "good0.fits\tgood\t\n")
    assert (tmp_path / "labels.tsv").read_bytes() == before


def test_a_night_of_nothing_but_darks_has_an_empty_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert labelled(tmp_path, [score_row(status="skipped", image_type="dark")]) == {}
    assert "no frame" in caplog.text


def test_without_any_light_frame_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    for name in ("2024-09-09", "2024-09-10"):
        write_table(tmp_path / f"{name}.tsv", "labels", [])
    with pytest.raises(ValueError, match="2024-09-09, 2024-09-10: no light frame"):
        merge_labels([tmp_path / "2024-09-09.tsv", tmp_path / "2024-09-10.tsv"], tmp_path / "all.tsv")
    assert not (tmp_path / "all.tsv").exists()


def test_the_log_counts_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    labelled(tmp_path, night(trail=TRAIL, torn=UNREADABLE))
    assert "8 clean, 1 contaminated, 1 unreadable" in caplog.text


def test_nights_are_joined_in_the_order_given(tmp_path: Path) -> None:
    for name in ("2024-09-10", "2024-09-09"):
        rows = label_rows([score_row(night=name), score_row("b.fits", night=name)], label_settings())
        write_table(tmp_path / f"{name}.tsv", "labels", rows)
    merge_labels([tmp_path / "2024-09-10.tsv", tmp_path / "2024-09-09.tsv"], tmp_path / "all.tsv")
    joined = read_table(tmp_path / "all.tsv", "labels")
    assert [(row["night"], row["frame"]) for row in joined] == [
        (name, frame) for name in ("2024-09-10", "2024-09-09") for frame in ("a.fits", "b.fits")
    ]
