"""Prediction: what the model says of each frame of a night, and the decision that follows."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.labels.verdict import UNREADABLE
from nebulift.tables import Row, read_table, write_table

if TYPE_CHECKING:
    from nebulift.labels.risk import Promise
    from nebulift.model.inference import Predictor

logger = logging.getLogger(__name__)


def predict_night(
    labels: Path,
    previews: Path,
    model: Path,
    metrics: Path | None,
    output: Path,
    policy: DecisionPolicy,
    audit: Path | None = None,
) -> None:
    """Write the decisions on one night.

    `labels` is the night's label table, `previews` its folder of previews, `model` a model.onnx or model.pth, which
    keeps how far its word can be trusted. `metrics`, the metrics.json that training wrote beside it, tells whether
    there is a network in it at all. `audit`, the audit.tsv of the dataset, tells what speaks against labels of the
    rules.
    """
    rows = read_table(labels, "labels")
    probabilities: list[float | None] = [None] * len(rows)
    doubts = _doubts(audit, rows)
    promise = None
    reason = _untrained(metrics)
    if reason:
        logger.warning("no model, so the rules decide alone: %s", reason)
    else:
        # Where no model was trained, nothing that runs one is imported.
        from nebulift.model.inference import Predictor

        predictor = Predictor.load(model)
        probabilities = _probabilities(rows, previews, predictor)
        promise = promise_of(policy, model, predictor.model.description.calls)
    table = []
    for row, p_clean in zip(rows, probabilities, strict=True):
        decision = decide(row, p_clean, policy, promise, doubts.get(row["frame"], ""))
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


def _doubts(audit: Path | None, rows: Sequence[Row]) -> dict[str, str]:
    """Return what the audit has against the label of each frame of the night that it suspects."""
    nights = {row["night"] for row in rows}
    suspected = [] if audit is None else read_table(audit, "audit")
    return {row["frame"]: row["reasons"] for row in suspected if row["night"] in nights}


def promise_of(policy: DecisionPolicy, model: Path, calls: Mapping[str, Any] | None) -> "Promise | None":
    """Return what the model can promise by the counts that it keeps; None where the policy asks for nothing."""
    if policy.risk == 1:
        return None
    from nebulift.labels.risk import no_promise, promise

    if calls is None:
        why = "nothing is known of how often it errs (predict: risk: 1 trusts its probabilities as they are)"
        logger.warning("the model settles nothing: %s: %s", model, why)
        return no_promise(policy.risk, why)
    try:
        made = promise(calls, policy.risk)
    except ValueError as error:
        raise ValueError(f"{model}: {error}; train again, or give predict: risk: 1") from error
    for word, why in made.why_not.items():
        logger.warning("the model settles nothing as %s: %s", word, why)
    return made


def _probabilities(rows: Sequence[Row], previews: Path, predictor: "Predictor") -> list[float | None]:
    from nebulift.dataset.preview import read_preview
    from nebulift.stages.contexts import contexts_of

    readable = [index for index, row in enumerate(rows) if row["label"] != UNREADABLE]
    paths = [previews / rows[index]["preview"] for index in readable]
    told = contexts_of([rows[index] for index in readable], map(read_preview, paths))
    found = predictor.predict(paths, told)
    probabilities: list[float | None] = [None] * len(rows)
    for index, value in zip(readable, found, strict=True):
        probabilities[index] = round(float(value), 6)
    return probabilities
