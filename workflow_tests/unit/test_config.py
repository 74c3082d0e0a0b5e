"""The configuration: defaults, errors that name the key, and one source for all that describes it."""

import copy
import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nebulift import config as configuration
from nebulift.config import (
    CONFIG_FOLDER,
    ConfigError,
    complete_config,
    default_config_text,
    load_schema,
    manual_with_table,
)
from nebulift.dataset.splits import SplitRule
from nebulift.labels.checks import CHECKS
from nebulift.scoring.score import ScoringSettings
from nebulift.stages.label import LabelSettings
from nebulift.tables import load_schema as load_table_schema

# A check and, for its limit, the same with this ending: the rest of the label table is no check.
LIMIT = "_limit"


def error_of(given: dict[Any, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        complete_config(given)
    return str(caught.value)


def default(*keys: str) -> Any:
    described = load_schema()
    for key in keys:
        described = described["properties"][key]
    return described["default"]


def from_yaml(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_defaults_are_filled_in_and_what_is_given_stays() -> None:
    config = complete_config({"train": {"epochs": 3}, "chunk_size": 5})
    assert config["chunk_size"] == 5
    assert config["train"]["epochs"] == 3
    assert config["train"]["batch_size"] == default("train", "batch_size")
    assert (config["label"]["clean_threshold"], config["label"]["contaminated_threshold"]) == (0.7, 0.3)
    assert config["label"]["limits"]["fwhm_ratio"] == default("label", "limits", "fwhm_ratio")
    assert config["sort"] == {"mode": "link", "destination": None}
    assert config["nights"] == {}


def test_what_was_given_is_not_changed_nor_shared() -> None:
    given = {"nights": {"a": {"path": "x"}}, "label": {"limits": {"fwhm_ratio": {"clean": 1.5, "contaminated": 2}}}}
    before = copy.deepcopy(given)
    config = complete_config(given)
    config["label"]["limits"]["fwhm_ratio"]["clean"] = 9
    config["nights"]["a"]["path"] = "y"
    assert given == before
    assert complete_config({})["label"]["limits"]["fwhm_ratio"] == default("label", "limits", "fwhm_ratio")


def test_completing_twice_changes_nothing() -> None:
    config = complete_config({"nights": {"a": "x"}, "sort": {"mode": "copy"}})
    assert complete_config(config) == config


def test_defaults_of_the_library_are_those_of_the_schema() -> None:
    config = complete_config({})
    assert ScoringSettings(**config["score"]) == ScoringSettings()
    assert config["dataset"].pop("audit") is True
    assert SplitRule(**config["dataset"]) == SplitRule()
    labelling = LabelSettings.from_config(config["label"])
    assert (labelling.thresholds.clean, labelling.thresholds.contaminated) == (0.7, 0.3)


@pytest.mark.parametrize(
    "text",
    [
        "nights:",
        "train:",
        "label:\n  limits:",
        "label:\n  limits:\n    fwhm_ratio:",
        "label:\n  clean_threshold:",
        "{}",
    ],
)
def test_an_empty_key_says_nothing(text: str) -> None:
    assert complete_config(from_yaml(text)) == complete_config({})


def test_nights_may_be_a_folder_or_a_mapping() -> None:
    config = complete_config({"nights": {"a": "folder", "b": {"path": "other", "pattern": "L*"}}})
    assert config["nights"] == {
        "a": {"path": "folder", "pattern": "*", "recursive": True, "frames_file": None},
        "b": {"path": "other", "pattern": "L*", "recursive": True, "frames_file": None},
    }


def test_names_that_yaml_reads_as_dates_or_numbers_become_texts() -> None:
    config = complete_config(from_yaml("nights: {2024-09-09: x, 20240910: y, 2024-09-11_east: z}"))
    assert list(config["nights"]) == ["2024-09-09", "20240910", "2024-09-11_east"]


@pytest.mark.parametrize("name", ["a b", "../a", "", ".hidden", "a/b", "-x", "é", "{wild}", "2024-09-09 20:00:00"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    message = error_of({"nights": {name: "x"}})
    assert message.startswith(f"nights: {name!r} cannot be the name of a night")


@pytest.mark.parametrize("name", [2024.1, True, None, (1, 2)])
def test_a_name_that_yaml_may_have_changed_has_to_be_quoted(name: Any) -> None:
    message = error_of({"nights": {name: "x"}})
    assert message.startswith(f"nights: {name}")
    assert "quotes" in message


def test_two_nights_of_one_name_are_refused() -> None:
    name = datetime.date(2024, 9, 9)
    assert error_of({"nights": {name: "x", "2024-09-09": "y"}}).startswith("nights: 2024-09-09: there are two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trian: {epochs: 3}", "trian: no such key; did you mean 'train'?"),
        ("train: {epoch: 3}", "train: epoch: no such key; did you mean 'epochs'?"),
        ("label: {limits: {fwhm_rato: 3}}", "label: limits: fwhm_rato: no such key; did you mean 'fwhm_ratio'?"),
        ("score: {zzz: 3}", "score: zzz: no such key; known keys: star_sigma, hot_pixel_sigma, streak_sigma"),
        ("nights: {x: {path: a, patern: L*}}", "nights: x: patern: no such key; did you mean 'pattern'?"),
        ("nights: [a, b]", "nights: ['a', 'b'] is not a mapping, one line `name: value` for each"),
        (
            "nights: {x: 3}",
            "nights: x: 3 is no night: give a folder, or a mapping with path, pattern and recursive",
        ),
        (
            "nights: {x: }",
            "nights: x: None is no night: give a folder, or a mapping with path, pattern and recursive",
        ),
        ("nights: {x: {pattern: L*}}", "nights: x: path must be given"),
        ("nights: {x: ''}", "nights: x: must not be empty"),
        ("nights: {x: {path: 3}}", "nights: x: path: 3 is not a text"),
        (
            "nights: {x: {path: a, recursive: 'no'}}",
            "nights: x: recursive: 'no' is a text, not true or false; write false without quotes",
        ),
        ("chunk_size: '32'", "chunk_size: '32' is a text, not a whole number; write 32 without quotes"),
        ("chunk_size: 2.5", "chunk_size: 2.5 is not a whole number"),
        ("chunk_size: true", "chunk_size: True is not a whole number"),
        ("chunk_size: 0", "chunk_size: 0 is out of range: from 1 to 10000"),
        (
            "train: {learning_rate: 1e-3}",
            "train: learning_rate: '1e-3' is a text, not a number; write 0.001 without quotes",
        ),
        ("train: {learning_rate: fast}", "train: learning_rate: 'fast' is not a number"),
        ("label: {clean_threshold: 2}", "label: clean_threshold: 2 is out of range: from 0 to 1"),
        ("label: {clean_threshold: .nan}", "label: clean_threshold: nan is not a number that can be used"),
        (
            "label: {limits: {elongation: {clean: 1.8, contaminated: .inf}}}",
            "label: limits: elongation: contaminated: inf is not a number that can be used",
        ),
        (
            "label: {limits: {elongation: {clean: 1.8}}}",
            "label: limits: elongation: contaminated must be given",
        ),
        (
            "dataset: {validation_fraction: 0}",
            "dataset: validation_fraction: 0 is out of range: above 0 to 0.5",
        ),
        ("sort: {mode: moved}", "sort: mode: 'moved' is none of link, copy, move; did you mean 'move'?"),
        ("model: {path: 3}", "model: path: 3 is not a text or null"),
    ],
)
def test_errors_name_the_key_and_say_what_it_should_be(text: str, message: str) -> None:
    assert error_of(from_yaml(text)) == message


def test_a_section_that_is_no_mapping_is_told_its_keys() -> None:
    message = error_of({"train": 5})
    assert message.startswith("train: 5 is not a mapping of the keys weights, epochs")


def test_long_values_are_cut_short() -> None:
    assert len(error_of({"nights": list(range(1000))})) < 160


def test_all_errors_are_told_at_once_one_line_each() -> None:
    message = error_of({"trian": {}, "chunk_size": 0, "nights": {"a b": "x"}})
    assert [line.split(":")[0] for line in message.splitlines()] == ["chunk_size", "nights", "trian"]


def test_whole_numbers_may_be_written_with_a_point() -> None:
    chunk_size = complete_config({"chunk_size": 32.0})["chunk_size"]
    assert (chunk_size, type(chunk_size)) == (32, int)


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.3), (0.5, 0.5)])
def test_thresholds_in_the_wrong_order_are_refused(low: float, high: float) -> None:
    message = error_of({"label": {"contaminated_threshold": low, "clean_threshold": high}})
    assert message == (f"label: contaminated_threshold ({low:g}) must be lower than label: clean_threshold ({high:g})")


def test_a_margin_that_leaves_nothing_to_train_on_is_refused() -> None:
    message = error_of({"dataset": {"block_minutes": 5}})
    assert message.startswith("dataset: margin_minutes (3) must be at most half of dataset: block_minutes (5)")
    assert complete_config({"dataset": {"block_minutes": 5, "split": "nights"}})


@pytest.mark.parametrize(
    ("check", "clean", "contaminated", "order"),
    [("fwhm_ratio", 2, 1.5, "lower"), ("fwhm_ratio", 2, 2, "lower"), ("transparency", 0.2, 0.5, "higher")],
)
def test_limits_in_the_wrong_order_are_refused(check: str, clean: float, contaminated: float, order: str) -> None:
    message = error_of({"label": {"limits": {check: {"clean": clean, "contaminated": contaminated}}}})
    assert message == (
        f"label: limits: {check}: clean ({clean:g}) must be {order} than contaminated ({contaminated:g})"
    )


@pytest.mark.parametrize(
    "destination", [None, "results", "results/sorted", "x/../results/y", str(Path.cwd() / "results")]
)
def test_moving_needs_a_folder_outside_the_results(destination: str | None) -> None:
    assert error_of({"sort": {"mode": "move", "destination": destination}}).startswith("sort: destination: ")
    assert complete_config({"sort": {"mode": "copy", "destination": destination}})["sort"]["mode"] == "copy"


def test_moving_outside_the_results_is_allowed_wherever_these_are() -> None:
    assert complete_config({"sort": {"mode": "move", "destination": "sorted"}})
    elsewhere = {"sort": {"mode": "move", "destination": "results"}, "pathvars": {"results": "output"}}
    assert complete_config(elsewhere)
    assert error_of({**elsewhere, "pathvars": {"results": "./results/"}}).startswith("sort: destination: ")


def test_config_yaml_is_what_the_schema_gives() -> None:
    assert (CONFIG_FOLDER / "config.yaml").read_text(encoding="utf-8") == default_config_text(), "run `make config`"


def test_config_yaml_holds_every_default_and_no_night() -> None:
    loaded = from_yaml((CONFIG_FOLDER / "config.yaml").read_text(encoding="utf-8"))
    # Mappings given with --configfile are merged into it: a night in it could never be left out again.
    assert "nights" not in loaded
    assert {"nights": {}, **loaded} == complete_config({})


def test_the_manual_holds_the_table_that_the_schema_gives() -> None:
    manual = (CONFIG_FOLDER / "README.md").read_text(encoding="utf-8")
    assert manual_with_table(manual) == manual, "run `make config`"
    assert f"| `train: epochs` | `{default('train', 'epochs')}` |" in manual
    assert manual.index("| `nights` |") < manual.index("| `pathvars` |") < manual.index("## What a change makes anew")


def test_both_are_written_anew_by_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (CONFIG_FOLDER / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(manual.replace("train: epochs", "gone").replace("`link`", "`hardlink`"))
    monkeypatch.setattr(configuration, "CONFIG_FOLDER", tmp_path)
    configuration.main()
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == manual
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == default_config_text()


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml"])
def test_the_configurations_that_come_with_it_are_valid(name: str) -> None:
    assert complete_config(from_yaml((CONFIG_FOLDER / name).read_text(encoding="utf-8")))


def test_every_check_has_limits_in_the_schema_and_columns_in_the_label_table() -> None:
    checks = [check.column for check in CHECKS]
    limits = load_schema()["properties"]["label"]["properties"]["limits"]["properties"]
    assert list(limits) == checks
    columns = list(load_table_schema("labels")["properties"])
    first = columns.index(checks[0])
    assert columns[first:] == [column for check in checks for column in (check, f"{check}{LIMIT}")]
    assert not any(column.endswith(LIMIT) for column in columns[:first])


def test_the_manual_says_the_same_of_a_check_as_the_label_table() -> None:
    limits = load_schema()["properties"]["label"]["properties"]["limits"]["properties"]
    columns = load_table_schema("labels")["properties"]
    assert {check: limits[check]["description"] for check in limits} == {
        check: columns[check]["description"] for check in limits
    }


def test_the_configuration_is_checked_without_importing_anything_heavy() -> None:
    # It happens each time that the workflow is parsed, on every node.
    code = "import sys, nebulift.config; sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'cv2')))"
    scripts = Path(configuration.__file__).parents[1]
    finished = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(scripts)}, check=False)
    assert finished.returncode == 0
