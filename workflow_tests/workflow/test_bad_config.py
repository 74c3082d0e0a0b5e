"""What cannot be used ends the run at once, with one message that names the key or the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow.runs import Outcome, Run


def assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code != 0
    for word in words:
        assert word in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output
    # Snakemake's own preamble has 20 lines.
    assert len(outcome.output.splitlines()) < 40
    assert not outcome.jobs


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"chunk_sise": 4}, ["night.yaml", "chunk_sise: no such key; did you mean 'chunk_size'?"]),
        ({"label": {"clean_treshold": 0.8}}, ["label: clean_treshold: no such key; did you mean 'clean_threshold'?"]),
        ({"chunk_size": "four"}, ["chunk_size: 'four' is not a whole number"]),
        ({"label": {"clean_threshold": 0.2}}, ["label: contaminated_threshold (0.3) must be lower", "(0.2)"]),
        ({"sort": {"mode": "move"}}, ["sort: destination: name a folder"]),
        (
            {"sort": {"mode": "move", "destination": "results/../results/moved"}},
            ["sort: destination: 'results/../results/moved' lies in the folder of the results"],
        ),
        ({"nights": {"first night": "."}}, ["nights: 'first night' cannot be the name of a night"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_a_bad_setting_is_named(
    new_run: Run, make_night: Callable[..., Path], settings: dict[str, Any], words: list[str]
) -> None:
    new_run.configure({"nights": {"n": str(make_night())}} | settings)
    assert_refused(new_run("labels", options=("--dry-run",)), *words)


def test_a_night_that_does_not_exist_is_named(new_run: Run, tmp_path: Path) -> None:
    new_run.configure({"nights": {"2024-09-09": str(tmp_path / "nowhere")}})
    assert_refused(new_run("labels"), f"nights: 2024-09-09: path: {tmp_path / 'nowhere'}: no such folder")
    assert not new_run.results.exists()


def test_a_night_that_has_vanished_is_named_although_there_are_results(graded: Run, nights: Path) -> None:
    (nights / "b").rename(nights / "on a disk that is not mounted")
    before = graded.tables()
    assert_refused(graded("dataset"), f"nights: b: path: {nights / 'b'}: no such folder")
    assert graded.tables() == before


def test_a_night_that_is_a_file_is_named(new_run: Run, make_night: Callable[..., Path]) -> None:
    frame = make_night() / "light_0001.fits"
    new_run.configure({"nights": {"2024-09-09": str(frame)}})
    assert_refused(new_run("labels"), f"nights: 2024-09-09: path: {frame}")


def test_a_night_without_frames_is_named(new_run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("clouds all night")
    new_run.configure({"nights": {"2024-09-09": str(tmp_path / "empty")}})
    assert_refused(new_run("labels"), f"nights: 2024-09-09: path: {tmp_path / 'empty'}: no frame there")


def test_a_night_that_may_not_be_looked_into_is_named(new_run: Run, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    new_run.configure({"nights": {"2024-09-09": str(locked)}})
    outcome = new_run("labels", privileged=False)
    locked.chmod(0o755)
    assert_refused(outcome, f"nights: 2024-09-09: path: {locked}: permission denied")


def test_a_model_that_does_not_exist_is_named(new_run: Run, make_night: Callable[..., Path]) -> None:
    new_run.configure({"nights": {"n": str(make_night())}, "model": {"path": "lost/model.pth"}})
    assert_refused(new_run("sorted"), "model: path: lost/model.pth: no such file")


def test_a_file_that_is_no_yaml_is_refused(new_run: Run) -> None:
    new_run.configure({})
    (new_run.folder / "night.yaml").write_text("nights: {2024-09-09: [\n")
    assert_refused(new_run("labels"), "Config file is not valid JSON or YAML")


def test_a_review_with_a_label_that_is_none_is_named(graded: Run) -> None:
    reviews = graded.folder / "reviews" / "b.tsv"
    reviews.parent.mkdir()
    reviews.write_text("frame\tlabel\nlight_0001.fits\tgood\n")
    outcome = graded("labels")
    assert outcome.code != 0
    assert "reviews/b.tsv: line 2: 'good' is no label; use clean, contaminated, review" in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output
    assert "reviews/b.tsv: line 2" in outcome.logs["label_night/b.log"]
