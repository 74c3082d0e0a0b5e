"""The configuration: defaults filled in, everything checked, errors that name the key.

config/schemas/config.schema.yaml is the one source: of the defaults, the checks, config/config.yaml and the table in
config/README.md (`python -m nebulift.config` writes both anew).
"""

import copy
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from nebulift.config_errors import bounds, explain
from nebulift.files import write_text

CONFIG_FOLDER = Path(__file__).parents[2] / "config"
SCHEMA_PATH = CONFIG_FOLDER / "schemas" / "config.schema.yaml"
Config = dict[str, Any]


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the key and says what to do."""


def load_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration."""
    schema: dict[str, Any] = yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


def complete_config(given: Mapping[str, Any]) -> Config:
    """Return a copy of `given` with every default filled in and nights as mappings; raises ConfigError."""
    schema = load_schema()
    config = _without_empty(given, schema)
    nights = config.get("nights", {})
    if isinstance(nights, Mapping):
        config["nights"] = _named_by_text(nights)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors({"nights": {}, **config}))
    if errors:
        raise ConfigError("\n".join(sorted({explain(error) for error in errors})))
    _fill(config, schema)
    config["nights"] = {name: _complete_night(night, schema) for name, night in config["nights"].items()}
    _check_finite(config)
    _check_order(config, schema)
    _check_destination(config)
    return config


def read_config(configfiles: Sequence[Path]) -> Config:
    """Return the complete configuration of files laid over one another in their order, key by key, as Snakemake does.

    Raises ConfigError, naming the file, for one that is no mapping of keys.
    """
    config: Config = {}
    for path in configfiles:
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from error
        if not isinstance(given, dict):
            raise ConfigError(f"{path}: not a configuration: a mapping of keys is needed")
        _lay_over(config, given)
    return complete_config(config)


def _lay_over(config: Config, given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            _lay_over(config[key], value)
        else:
            config[key] = copy.deepcopy(value)


def _without_empty(section: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy without empty keys: `train:` alone is null in YAML, and means that nothing is said about it."""
    copied = {}
    for key, value in section.items():
        described = schema["properties"].get(key, {})
        if isinstance(value, Mapping) and "properties" in described:
            copied[key] = _without_empty(value, described)
        elif value is not None or not described:
            copied[key] = copy.deepcopy(value)
    return copied


def _named_by_text(nights: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the nights by text: YAML reads a name such as 2024-09-09 as a date, and 20240909 as a number."""
    named: dict[str, Any] = {}
    for name, night in nights.items():
        if isinstance(name, bool) or not isinstance(name, str | int | date):
            raise ConfigError(f"nights: {name}: put this name into quotes; to YAML it is no text")
        if str(name) in named:
            raise ConfigError(f"nights: {name}: there are two nights of this name")
        named[str(name)] = night
    return named


def _complete_night(night: str | dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    mapping = {"path": night} if isinstance(night, str) else dict(night)
    (described,) = (
        kind for kind in schema["properties"]["nights"]["additionalProperties"]["anyOf"] if "properties" in kind
    )
    _fill(mapping, described)
    return mapping


def _fill(values: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Fill in defaults in place, in the order of the schema; whole numbers become integers however they are written."""
    for key, described in schema["properties"].items():
        if "properties" in described:
            values[key] = dict(values.get(key) or {})
            _fill(values[key], described)
        elif "default" in described:
            values.setdefault(key, copy.deepcopy(described["default"]))
            if described.get("type") == "integer":
                values[key] = int(values[key])


def _check_finite(section: Mapping[str, Any], place: str = "") -> None:
    """Check what JSON knows nothing of: .nan and .inf are numbers in YAML."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            _check_finite(value, f"{place}{key}: ")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{place}{key}: {value} is not a number that can be used")


def _check_order(config: Config, schema: Mapping[str, Any]) -> None:
    """Check what no schema can: keys that must stand in an order to each other."""
    low, high = config["label"]["contaminated_threshold"], config["label"]["clean_threshold"]
    if low >= high:
        raise ConfigError(
            f"label: contaminated_threshold ({low:g}) must be lower than label: clean_threshold ({high:g})"
        )
    dataset = config["dataset"]
    if dataset["split"] == "blocks" and dataset["margin_minutes"] > dataset["block_minutes"] / 2:
        raise ConfigError(
            f"dataset: margin_minutes ({dataset['margin_minutes']:g}) must be at most half of dataset: block_minutes"
            f" ({dataset['block_minutes']:g}): nothing would be left to train on between two blocks that validate"
        )
    described = schema["properties"]["label"]["properties"]["limits"]["properties"]
    for check, limits in config["label"]["limits"].items():
        default = described[check]["default"]
        order = "lower" if default["clean"] < default["contaminated"] else "higher"
        clean, contaminated = limits["clean"], limits["contaminated"]
        if not (clean < contaminated if order == "lower" else clean > contaminated):
            raise ConfigError(
                f"label: limits: {check}: clean ({clean:g}) must be {order} than contaminated ({contaminated:g})"
            )


def _check_destination(config: Config) -> None:
    """Check that frames are moved to where they stay."""
    if config["sort"]["mode"] != "move":
        return
    destination = config["sort"]["destination"]
    results = config.get("pathvars", {}).get("results", "results")
    if destination is None or _whole(destination).is_relative_to(_whole(results)):
        given = "" if destination is None else f"{destination!r} lies in the folder of the results: "
        raise ConfigError(
            f"sort: destination: {given}name a folder outside {results} for the moved frames."
            " They would be the only copies, and results may be deleted at any time"
        )


def _whole(path: str) -> Path:
    return Path(os.path.normpath(Path(path).expanduser().absolute()))


def default_config_text() -> str:
    """Return config/config.yaml as the schema has it: every default with its description, and no night."""
    lines = [
        "# Every key with its default. Written by `make config` from config/schemas/config.schema.yaml.",
        "# Put your nights, and what you want otherwise, into a file of your own: snakemake --configfile night.yaml",
    ]
    for key, described in load_schema()["properties"].items():
        if key not in ("nights", "pathvars"):
            lines += ["", *_yaml_lines(key, described, 0)]
    return "\n".join(lines) + "\n"


def _yaml_lines(key: str, described: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}# {described['description']}"
    if "properties" in described:
        yield f"{indent}{key}:"
        for inner, inner_described in described["properties"].items():
            yield from _yaml_lines(inner, inner_described, depth + 1)
    elif isinstance(described["default"], dict):
        yield f"{indent}{key}:"
        for inner, value in described["default"].items():
            yield f"{indent}  {inner}: {_scalar(value)}"
    else:
        yield f"{indent}{key}: {_scalar(described['default'])}"


def _scalar(value: object) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True)).splitlines()[0]


def manual_table() -> str:
    """Return the table of every key for config/README.md."""
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for key, described in load_schema()["properties"].items():
        rows += list(_table_rows(key, described))
    return "\n".join(rows) + "\n"


def _table_rows(key: str, described: Mapping[str, Any]) -> Iterator[str]:
    if "properties" in described:
        yield f"| **`{key}`** | | {described['description']} |"
        for inner, inner_described in described["properties"].items():
            yield from _table_rows(f"{key}: {inner}", inner_described)
        return
    default = f"`{_scalar(described['default'])}`" if "default" in described else ""
    told = f" {bounds(described)}." if bounds(described) else ""
    yield f"| `{key}` | {default} | {described['description']}{told} |"


TABLE_START, TABLE_END = "<!-- keys: start -->\n", "<!-- keys: end -->\n"


def manual_with_table(manual: str) -> str:
    """Return the manual with its table of keys written anew."""
    before, _, rest = manual.partition(TABLE_START)
    _, _, after = rest.partition(TABLE_END)
    return f"{before}{TABLE_START}\n{manual_table()}\n{TABLE_END}{after}"


def main() -> None:
    """Write config/config.yaml and the table of config/README.md from the schema."""
    write_text(CONFIG_FOLDER / "config.yaml", default_config_text())
    manual = CONFIG_FOLDER / "README.md"
    write_text(manual, manual_with_table(manual.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
