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
    accuracy = metrics.get("accuracy")
    if not isinstance(accuracy, int | float) or not math.isfinite(accuracy):
        return ModelWords(
            "A model was trained", f"Its accuracy could not be measured: no frames were held back. {work}", figures
        )
    held = metrics.get("validation_frames")
    on = f"On the {held:,} frames" if isinstance(held, int) else "On frames"
    return ModelWords(
        f"A model was trained: accuracy {share(round(accuracy * 10_000), 10_000)}",
        f"{on} that training never saw, it gave this share of them the label that rules and reviews had given. {work}",
        figures,
    )


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
        elif isinstance(value, str | int) and not isinstance(value, bool):
            figures.append((name, str(value)))
    return figures
