"""The configuration: defaults filled in, everything checked, errors that name the key.

config/schemas/config.schema.yaml is the one source: of the defaults, the checks, config/config.yaml and the table in
config/README.md (`python -m nebulift.config` writes both anew).
"""

import copy
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

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
    config: Config = copy.deepcopy(dict(given))
    # An empty `nights:` or `train:` in YAML is null; it means that nothing is said about it.
    config = {key: value for key, value in config.items() if value is not None}
    nights = config.get("nights", {})
    if isinstance(nights, Mapping):
        # YAML reads a name such as 2024-09-09 as a date, and 20240909 as a number.
        config["nights"] = {str(name): night for name, night in nights.items()}
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors({"nights": {}, **config}))
    if errors:
        raise ConfigError("\n".join(sorted({_explain(error) for error in errors})))
    _fill(config, schema)
    config["nights"] = {name: _complete_night(night, schema) for name, night in config["nights"].items()}
    _check_order(config)
    return config


def _complete_night(night: str | dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    mapping = {"path": night} if isinstance(night, str) else dict(night)
    (described,) = (
        kind for kind in schema["properties"]["nights"]["additionalProperties"]["anyOf"] if "properties" in kind
    )
    _fill(mapping, described)
    return mapping


def _fill(values: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Fill in defaults in place, in the order of the schema."""
    for key, described in schema["properties"].items():
        if "properties" in described:
            values[key] = dict(values.get(key) or {})
            _fill(values[key], described)
        elif "default" in described:
            values.setdefault(key, copy.deepcopy(described["default"]))


def _check_order(config: Config) -> None:
    """Check what no schema can: keys that must stand in an order to each other."""
    low, high = config["label"]["contaminated_threshold"], config["label"]["clean_threshold"]
    if low >= high:
        raise ConfigError(
            f"label: contaminated_threshold ({low:g}) must be lower than label: clean_threshold ({high:g})"
        )
    for check, limits in config["label"]["limits"].items():
        if limits["clean"] == limits["contaminated"]:
            raise ConfigError(f"label: limits: {check}: clean and contaminated are both {limits['clean']:g}")
    if config["sort"]["mode"] == "move" and config["sort"]["destination"] is None:
        raise ConfigError(
            "sort: destination: name a folder for the moved frames. They would be the only copies,"
            " and results may be deleted at any time"
        )


def _explain(error: jsonschema.ValidationError) -> str:
    """Say in one line which key is wrong and what it should be."""
    while error.context:  # of several allowed forms, explain the one that was meant: the mapping
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    place = ": ".join(str(part) for part in error.absolute_path) or "the configuration"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return "; ".join(_explain_unknown(place, str(key), known) for key in unknown)
    if error.parent is None and error.validator == "pattern" and "nights" in error.absolute_schema_path:
        return (
            f"nights: {error.instance!r} cannot be the name of a night:"
            " use letters, digits and . _ + -, a letter or digit first"
        )
    return f"{place}: {error.message}"


def _explain_unknown(place: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    where = "" if place == "the configuration" else f"{place}: "
    return f"{where}{key}: no such key; {hint}"


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
    yield f"| `{key}` | {default} | {described['description']}{_bounds(described)} |"


def _bounds(described: Mapping[str, Any]) -> str:
    if "enum" in described:
        return " One of " + ", ".join(f"`{value}`" for value in described["enum"]) + "."
    low = described.get("minimum", described.get("exclusiveMinimum"))
    if low is None or "maximum" not in described:
        return ""
    return f" {'Above ' if 'exclusiveMinimum' in described else 'From '}{low:g} to {described['maximum']:g}."


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
