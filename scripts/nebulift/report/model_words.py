"""What the model did, in plain words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nebulift.report.words import share


@dataclass(frozen=True, slots=True)
class ModelWords:
    """A headline, a sentence or two, and every single figure of the metrics by name."""

    headline: str
    text: str
    figures: tuple[tuple[str, str], ...]


def describe_model(metrics: Mapping[str, Any] | None, asked: int, frames: int) -> ModelWords:
    """Describe the model from metrics.json; `metrics` is None where a ready model was configured.

    `asked` of all `frames` have a probability by the model.
    """
    work = f"It was asked about {asked:,} of {frames:,} frames."
    if metrics is None:
        return ModelWords(
            "A ready-made model was used",
            f"Nothing was trained in this run, so there is no accuracy to tell. {work}",
            (),
        )
    if not metrics["trained"]:
        return ModelWords(
            "No model: the rules decided alone",
            f"There is no accuracy because no model was trained: {_sentence(str(metrics['reason']))}",
            (),
        )
    figures = tuple(_flat(metrics, ""))
    measured = _measured(metrics)
    accuracy = measured.get("accuracy")
    if not isinstance(accuracy, int | float) or not math.isfinite(accuracy):
        return ModelWords("A model was trained", f"How accurate it is was not measured. {work}", figures)
    return ModelWords(
        f"A model was trained: accuracy {share(round(accuracy * 10_000), 10_000)}",
        "Measured on frames that training never saw, as the share that the model gave the label of rules and reviews."
        f"{_found(measured.get('confusion_matrix'))} {work}",
        figures,
    )


def _measured(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the figures of the frames held back: they may stand at the top or by themselves."""
    inner = [value for key, value in metrics.items() if key.startswith("val") and isinstance(value, Mapping)]
    return next((values for values in (metrics, *inner) if "accuracy" in values), {})


def _found(confusion: Mapping[str, int] | None) -> str:
    """Say how many frames of each class were known as what they are."""
    if not confusion:
        return ""
    parts = []
    for label, other in (("clean", "contaminated"), ("contaminated", "clean")):
        right = confusion[f"{label}_called_{label}"]
        parts.append(f"{right:,} of {right + confusion[f'{label}_called_{other}']:,} {label}")
    return f" It knew {' and '.join(parts)} frames."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _flat(values: Mapping[str, Any], before: str) -> list[tuple[str, str]]:
    """List numbers and texts, those of inner mappings under both names; longer things belong into the file."""
    figures = []
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            figures += _flat(value, f"{name}: ")
        elif isinstance(value, float):
            figures.append((name, f"{value:.4g}"))
        elif isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            figures.append((name, str(value)))
    return figures
