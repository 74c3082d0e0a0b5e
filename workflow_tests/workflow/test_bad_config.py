"""What cannot be used ends the run at once, with one message that names the key or the file."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow.runs import Outcome, Run


def assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code != 0
    for word in words:
        assert word in outcome.output
    assert "Traceback (most recent call last)" not in outcome.output
    # Snakemake's own preamble has 20 lines.
    assert len(outcome.output.splitlines()) < 40
    assert not outcome.jobs


BAD_SETTINGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "misspelt key": (
        {"chunk_sise": 4},
        ["night.yaml", "chunk_sise: no such key; did you mean 'chunk_size'?"],
    ),
    "misspelt key in a section": (
        {"label": {"clean_treshold": 0.8}},
        ["label: clean_treshold: no such key; did you mean 'clean_threshold'?"],
    ),
    "word for a number": ({"chunk_size": "four"}, ["chunk_size: 'four' is not a whole number"]),
    "thresholds in the wrong order": (
        {"label": {"clean_threshold": 0.2}},
        ["label: contaminated_threshold (0.3) must be lower", "(0.2)"],
    ),
    "moving to nowhere": ({"sort": {"mode": "move"}}, ["sort: destination: name a folder"]),
    "moving into results": (
        {"sort": {"mode": "move", "destination": "results/../results/moved"}},
        ["sort: destination: 'results/../results/moved' lies in the folder of the results"],
    ),
    "name of a night": (
        {"nights": {"first night": "."}},
        ["nights: 'first night' cannot be the name of a night"],
    ),
    "night that does not exist": (
        {"nights": {"2024-09-09": "NIGHTS/nowhere"}},
        ["nights: 2024-09-09: path: NIGHTS/nowhere: no such folder"],
    ),
    "night that is a file": ({"nights": {"2024-09-09": "NIGHTS/a file"}}, ["nights: 2024-09-09: path: NIGHTS/a file"]),
    "night without frames": (
        {"nights": {"2024-09-09": "NIGHTS/empty"}},
        ["nights: 2024-09-09: path: NIGHTS/empty: no frame there"],
    ),
    "night that may not be looked into": (
        {"nights": {"2024-09-09": "NIGHTS/locked"}},
        ["nights: 2024-09-09: path: NIGHTS/locked: permission denied"],
    ),
    "model that does not exist": (
        {"model": {"path": "lost/model.pth"}},
        ["model: path: lost/model.pth: no such file"],
    ),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory, make_night: Callable[..., Path]) -> Iterator[dict[str, Outcome]]:
    """Run with each of the bad settings, two at a time; NIGHTS stands for a folder."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("clouds all night")
    (folder / "a file").touch()
    (folder / "locked").mkdir(mode=0)

    def refuse(number: int, settings: dict[str, Any]) -> Outcome:
        run = Run(folder / f"run {number}")
        text = yaml.safe_dump({"nights": {"n": str(make_night())}} | settings)
        return run.configure(yaml.safe_load(text.replace("NIGHTS", str(folder))))("sorted", privileged=False)

    make_night()
    with ThreadPoolExecutor(2) as pool:
        outcomes = pool.map(refuse, itertools.count(), [settings for settings, _ in BAD_SETTINGS.values()])
        told = (replace(outcome, output=outcome.output.replace(str(folder), "NIGHTS")) for outcome in outcomes)
        yield dict(zip(BAD_SETTINGS, told, strict=True))
    (folder / "locked").chmod(0o755)


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_bad_setting_is_named(refusals: dict[str, Outcome], name: str) -> None:
    assert_refused(refusals[name], *BAD_SETTINGS[name][1])


def test_a_night_that_has_vanished_is_named_although_there_are_results(graded: Run, nights: Path) -> None:
    (nights / "b").rename(nights / "on a disk that is not mounted")
    before = graded.tables()
    assert_refused(graded("dataset"), f"nights: b: path: {nights / 'b'}: no such folder")
    assert graded.tables() == before


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
