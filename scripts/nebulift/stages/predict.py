"""Prediction: what the model says of each frame of a night, and the decision that follows."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from nebulift.labels.decision import Certainty, decide
from nebulift.labels.verdict import UNREADABLE
from nebulift.tables import Row, read_table, write_table

logger = logging.getLogger(__name__)


def predict_night(
    labels: Path, previews: Path, model: Path, metrics: Path | None, output: Path, certainty: Certainty
) -> None:
    """Write the decisions on one night.

    `labels` is the night's label table, `previews` its folder of previews, `model` a model.pth. `metrics`, the
    metrics.json that training wrote beside it, tells whether there is a network in it at all.
    """
    rows = read_table(labels, "labels")
    probabilities: list[float | None] = [None] * len(rows)
    reason = _untrained(metrics)
    if reason:
        logger.warning("no model, so the rules decide alone: %s", reason)
    else:
        probabilities = _probabilities(rows, previews, model)
    table = []
    for row, p_clean in zip(rows, probabilities, strict=True):
        decision = decide(row, p_clean, certainty)
        table.append(
            {column: row[column] for column in ("night", "frame", "path")}
            | {
                "p_clean": p_clean,
                "decision": decision.decision,
                "decided_by": decision.decided_by,
                "reasons": decision.reasons,
            }
        )
    write_table(output, "predictions", table)


def _untrained(metrics: Path | None) -> str:
    """Return why training made no model, or "" if it made one, or if a model was given."""
    if metrics is None:
        return ""
    written = json.loads(metrics.read_text(encoding="utf-8"))
    return "" if written["trained"] else str(written["reason"])


def _probabilities(rows: Sequence[Row], previews: Path, model: Path) -> list[float | None]:
    # Where no model was trained, nothing of torch is imported.
    from nebulift.model.inference import Predictor

    readable = [index for index, row in enumerate(rows) if row["label"] != UNREADABLE]
    found = Predictor.load(model).predict([previews / rows[index]["preview"] for index in readable])
    probabilities: list[float | None] = [None] * len(rows)
    for index, value in zip(readable, found, strict=True):
        probabilities[index] = round(float(value), 6)
    return probabilities
