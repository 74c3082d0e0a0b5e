"""Errors of the configuration's schema as a person would put them."""

import difflib
from collections.abc import Mapping
from typing import Any

import jsonschema
import yaml

_NAMES_OF_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
}
_MOST_SHOWN = 60


def explain(error: jsonschema.ValidationError) -> str:
    """Say in one line which key is wrong and what it should be."""
    place = ": ".join(str(part) for part in error.absolute_path)
    value: Any = error.instance
    described: Any = error.schema
    if error.validator == "anyOf":  # a night is a text or a mapping; what is wrong in it is said of the form it has
        inner = [one for one in error.context if one.validator != "type" or one.relative_path]
        if inner:
            return "; ".join(explain(one) for one in inner)
        return f"{place}: {_shown(value)} is no night: give a folder, or a mapping with path, pattern and recursive"
    if error.validator == "additionalProperties":
        known = list(described.get("properties", {}))
        return "; ".join(_explain_unknown(place, str(key), known) for key in value if key not in known)
    if error.validator == "pattern":
        return (
            f"nights: {value!r} cannot be the name of a night: use letters, digits and . _ + -, a letter or digit first"
        )
    return f"{place}: {_explain_value(str(error.validator), value, described)}"


def bounds(described: Mapping[str, Any]) -> str:
    """Return the values that a described key may have, as words; "" where there is no bound."""
    if "enum" in described:
        return "One of " + ", ".join(f"`{value}`" for value in described["enum"])
    low = described.get("minimum", described.get("exclusiveMinimum"))
    if low is None or "maximum" not in described:
        return ""
    return f"{'Above' if 'exclusiveMinimum' in described else 'From'} {low} to {described['maximum']}"


def _explain_value(validator: str, value: Any, described: Mapping[str, Any]) -> str:
    if validator == "required":
        return f"{' and '.join(key for key in described['required'] if key not in value)} must be given"
    if validator == "minLength":
        return "must not be empty"
    if validator == "enum":
        near = difflib.get_close_matches(str(value), map(str, described["enum"]), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{_shown(value)} is none of {', '.join(map(str, described['enum']))}{hint}"
    if validator == "type":
        return _explain_type(value, described)
    return f"{_shown(value)} is out of range: {bounds(described).lower()}"


def _explain_type(value: Any, described: Mapping[str, Any]) -> str:
    if described["type"] == "object":
        keys = ", ".join(described.get("properties", {}))
        return (
            f"{_shown(value)} is not a mapping{f' of the keys {keys}' if keys else ', one line `name: value` for each'}"
        )
    kinds = [described["type"]] if isinstance(described["type"], str) else described["type"]
    what = " or ".join(_NAMES_OF_TYPES[kind] for kind in kinds)
    meant = _meant(value, kinds)
    return f"{_shown(value)} is {f'a text, not {what}; write {meant} without quotes' if meant else f'not {what}'}"


def _meant(value: object, kinds: list[str]) -> str:
    """Return how a text is written that should be a number or a truth, such as "32", or 1e-3, a text to YAML; or ""."""
    if not isinstance(value, str):
        return ""
    try:
        unquoted = float(value) if "number" in kinds else yaml.safe_load(value)
    except (ValueError, yaml.YAMLError):
        return ""
    if any(jsonschema.Draft202012Validator({"type": kind}).is_valid(unquoted) for kind in kinds):
        return f"{unquoted:g}" if isinstance(unquoted, float) else str(unquoted).lower()
    return ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _explain_unknown(place: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"{place}{': ' if place else ''}{key}: no such key; {hint}"
