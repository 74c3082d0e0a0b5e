"""What a second run does anew, and what it leaves alone."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from workflow.runs import CLOUD, Run, contents

NIGHTS_B_AND_C = ("scores/b", "scores/c", "labels/b", "labels/c")


def without_nights_b_and_c(run: Run) -> dict[str, tuple[int, bytes]]:
    return {name: file for name, file in run.tables().items() if name.startswith(NIGHTS_B_AND_C)}


def label_of(run: Run, frame: str) -> str:
    return next(row["label"] for row in run.table("labels/a.tsv", "labels") if row["frame"] == frame)


def test_nothing_changed_makes_nothing(graded: Run) -> None:
    before = graded.tables()
    assert graded("dataset").nothing_to_do
    assert graded.tables() == before


def test_a_git_pull_that_touches_every_file_scores_nothing(graded: Run, project_copy: Path) -> None:
    before = graded.tables()
    for path in project_copy.rglob("*"):
        os.utime(path)
    with (project_copy / "scripts" / "nebulift" / "stages" / "label.py").open("a") as module:
        module.write("# a new line\n")
    assert replace(graded, project=project_copy)("dataset").nothing_to_do
    assert graded.tables() == before


def test_a_newer_scorer_scores_everything(graded: Run, project_copy: Path) -> None:
    version = project_copy / "scripts" / "nebulift" / "scoring" / "version.py"
    number = int(re.search(r"^SCORER_VERSION = (\d+)$", version.read_text(), re.MULTILINE)[1])
    version.write_text(version.read_text().replace(f"SCORER_VERSION = {number}", f"SCORER_VERSION = {number + 1}"))
    outcome = replace(graded, project=project_copy).succeed("results/scores/b.tsv")
    assert outcome.scored_and_reused == (4, 0)
    assert all(row["scorer"].startswith(f"{number + 1}.") for row in graded.table("scores/b.tsv", "scores"))


def test_an_appended_frame_is_the_only_one_scored(graded: Run, nights: Path, make_night: Callable[..., Path]) -> None:
    before, others = graded.frames("labels.tsv", "labels"), without_nights_b_and_c(graded)
    shutil.copy2(make_night(recipes=[CLOUD]) / "light_0001.fits", nights / "a" / "light_0010.fits")
    outcome = graded.succeed("dataset")
    assert outcome.scored == ["light_0010.fits"]
    assert outcome.scored_and_reused == (1, 1)
    assert outcome.jobs == {"score_chunk": 1, "merge_scores": 1, "label_night": 1, "labels": 1, "dataset": 1}
    assert without_nights_b_and_c(graded) == others
    assert sorted(graded.frames("labels.tsv", "labels")) == sorted([*before, "light_0010.fits"])
    assert graded.frames("dataset/dataset.tsv", "dataset").count("light_0010.fits") == 1


def test_a_frame_changed_in_place_is_the_only_one_scored(
    graded: Run, nights: Path, make_night: Callable[..., Path]
) -> None:
    others = without_nights_b_and_c(graded)
    assert label_of(graded, "light_0006.fits") == "clean"
    shutil.copyfile(make_night(recipes=[CLOUD]) / "light_0001.fits", nights / "a" / "light_0006.fits")
    outcome = graded.succeed("labels")
    assert outcome.scored == ["light_0006.fits"]
    assert outcome.scored_and_reused == (1, 3)
    assert without_nights_b_and_c(graded) == others
    assert label_of(graded, "light_0006.fits") == "contaminated"


def test_a_frame_replaced_by_an_older_file_of_the_same_size_is_scored(graded: Run, nights: Path) -> None:
    """Renamed and restored files keep their times, so a file that is newer than its scores is not what tells."""
    clean, streak = nights / "a" / "light_0006.fits", nights / "a" / "light_0007.fits"
    assert clean.stat().st_size == streak.stat().st_size
    clean.rename(nights / "a" / "held")
    streak.rename(clean)
    (nights / "a" / "held").rename(streak)
    outcome = graded.succeed("labels")
    assert outcome.scored == ["light_0006.fits", "light_0007.fits"]
    assert outcome.scored_and_reused == (2, 2)
    assert (label_of(graded, "light_0006.fits"), label_of(graded, "light_0007.fits")) == ("contaminated", "clean")


def test_a_deleted_frame_leaves_all_tables_and_nothing_is_scored(graded: Run, nights: Path) -> None:
    others = without_nights_b_and_c(graded)
    (nights / "a" / "light_0003.fits").unlink()
    outcome = graded.succeed("dataset")
    assert outcome.scored_and_reused == (0, 8)
    left = [f"light_{number:04d}.fits" for number in (1, 2, 4, 5, 6, 7, 8, 9)]
    for path, name in (("scores/a.tsv", "scores"), ("labels/a.tsv", "labels")):
        assert graded.frames(path, name) == left
    for path, name in (("labels.tsv", "labels"), ("dataset/dataset.tsv", "dataset")):
        assert sorted(row["frame"] for row in graded.table(path, name) if row["night"] == "a") == left
    assert len(list((graded.results / "previews" / "a").iterdir())) == 8
    links = [path for path in (graded.results / "dataset").rglob("*") if path.is_symlink()]
    assert len(links) == 2 * 16
    assert all(link.exists() for link in links)
    assert without_nights_b_and_c(graded) == others
    assert graded("dataset").nothing_to_do


def test_deleting_all_frames_of_the_last_chunk_leaves_no_trace_of_them(graded: Run, nights: Path) -> None:
    (nights / "a" / "light_0009.fits").unlink()
    outcome = graded.succeed("labels")
    assert outcome.scored_and_reused == (0, 0)
    assert graded.frames("labels/a.tsv", "labels") == [f"light_{number:04d}.fits" for number in range(1, 9)]
    assert graded("labels").nothing_to_do


def test_a_frame_inserted_in_the_middle_is_the_only_one_scored(
    graded: Run, nights: Path, make_night: Callable[..., Path]
) -> None:
    shutil.copy2(make_night(seed=4) / "light_0001.fits", nights / "a" / "light_0002-again.fits")
    outcome = graded.succeed("labels")
    assert outcome.scored == ["light_0002-again.fits"]
    assert outcome.scored_and_reused == (1, 9)
    assert len(graded.frames("labels/a.tsv", "labels")) == 10


def test_a_threshold_labels_anew_and_scores_nothing(graded: Run) -> None:
    scores = graded.tables("scores")
    assert label_of(graded, "light_0001.fits") == "clean"
    graded.change(label={"clean_threshold": 1.0})
    outcome = graded.succeed("dataset")
    assert outcome.jobs == {"label_night": 3, "labels": 1, "dataset": 1}
    assert graded.tables("scores") == scores
    assert label_of(graded, "light_0001.fits") == "review"
    description = json.loads((graded.results / "dataset" / "metadata.json").read_text())
    assert description["thresholds"]["clean_threshold"] == 1.0


def test_a_setting_of_scoring_scores_everything(graded: Run) -> None:
    graded.change(score={"hot_pixel_sigma": 12.0})
    assert graded.succeed("results/scores/b.tsv").scored_and_reused == (4, 0)
    assert all("hot_pixel_sigma=12" in row["scorer"] for row in graded.table("scores/b.tsv", "scores"))


def test_another_chunk_size_scores_nothing_and_changes_no_table(graded: Run) -> None:
    before = {name: contents(graded.tables(name)) for name in ("labels", "dataset")}
    scores = {night: (graded.results / "scores" / f"{night}.tsv").read_bytes() for night in "abc"}
    graded.change(chunk_size=7)
    assert graded.succeed("dataset").scored_and_reused == (0, 9)
    assert {name: contents(graded.tables(name)) for name in ("labels", "dataset")} == before
    assert {night: (graded.results / "scores" / f"{night}.tsv").read_bytes() for night in "abc"} == scores


def test_a_review_comes_and_changes_and_goes(graded: Run) -> None:
    scores, others = graded.tables("scores"), without_nights_b_and_c(graded)
    before = contents(graded.tables())
    reviews = graded.folder / "reviews" / "a.tsv"
    reviews.parent.mkdir()

    reviews.write_text("frame\tlabel\tnote\nlight_0001.fits\tcontaminated\tdew on the mirror\n")
    outcome = graded.succeed("dataset")
    assert outcome.jobs == {"label_night": 1, "labels": 1, "dataset": 1}
    row = next(row for row in graded.table("labels.tsv", "labels") if row["frame"] == "light_0001.fits")
    assert (row["label"], row["label_source"], row["cv_label"]) == ("contaminated", "human", "clean")
    assert row["reasons"] == "human: dew on the mirror"
    placed = next(row for row in graded.table("dataset/dataset.tsv", "dataset") if row["frame"] == "light_0001.fits")
    assert (placed["label"], placed["label_source"]) == ("contaminated", "human")
    assert (graded.results / "dataset" / placed["split"] / "contaminated" / "a" / "light_0001.fits").exists()
    assert json.loads((graded.results / "dataset" / "metadata.json").read_text())["labels_by_people"] == 1

    reviews.write_text("frame\tlabel\nlight_0001.fits\treview\nlight_0999.fits\tclean\n")
    outcome = graded.succeed("dataset")
    assert outcome.jobs == {"label_night": 1, "labels": 1, "dataset": 1}
    assert label_of(graded, "light_0001.fits") == "review"
    assert "'light_0999.fits' is no light frame of this night" in outcome.logs["label_night/a.log"]

    reviews.unlink()
    assert graded.succeed("dataset").jobs == {"label_night": 1, "labels": 1, "dataset": 1}
    assert contents(graded.tables()) == before
    assert graded.tables("scores") == scores
    assert without_nights_b_and_c(graded) == others


def test_a_night_less_leaves_the_others_alone(graded: Run) -> None:
    others = without_nights_b_and_c(graded)
    settings = yaml.safe_load((graded.folder / "night.yaml").read_text(encoding="utf-8"))
    del settings["nights"]["a"]
    assert graded.configure(settings).succeed("dataset").jobs == {"labels": 1, "dataset": 1}
    assert without_nights_b_and_c(graded) == others
    assert [row["night"] for row in graded.table("dataset/dataset.tsv", "dataset")] == ["b"] * 4 + ["c"] * 4
    assert not any(path.name == "a" for path in (graded.results / "dataset").rglob("*"))


def test_a_night_more_leaves_the_others_alone(graded: Run, make_night: Callable[..., Path]) -> None:
    before = {name: file for name, file in graded.tables().items() if name.startswith(("scores/", "labels/"))}
    graded.change(nights={"d": str(make_night(seed=4))})
    assert graded.succeed("labels").scored_and_reused == (4, 0)
    after = {name: file for name, file in graded.tables().items() if name in before}
    assert after == before
    assert [row["night"] for row in graded.table("labels.tsv", "labels")] == ["a"] * 9 + ["b"] * 4 + ["c"] * 4 + [
        "d"
    ] * 4
