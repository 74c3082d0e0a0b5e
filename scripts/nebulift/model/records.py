"""What training writes beside the model: metrics.json, history.tsv, args.yaml and plots of the first two."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.files import replacing, write_text
from nebulift.labels.risk import count_calls
from nebulift.model.calibration import expected_calibration_error, fit_temperature, reliability
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import CLASSES
from nebulift.model.epochs import EpochRow
from nebulift.model.metrics import accuracy_by, classification_metrics
from nebulift.model.plots import HISTORY_PLOT, METRICS_PLOT, draw_history, draw_metrics
from nebulift.tables import write_table

if TYPE_CHECKING:
    from nebulift.model.fitting import Fit
    from nebulift.model.training import TrainingSettings


def trained_metrics(
    train: AstroImageDataset, validation: AstroImageDataset, fitted: "Fit", weights_used: str
) -> dict[str, Any]:
    """Return the content of metrics.json; shares are 0 to 1, `best_val_accuracy` is in percent.

    All is measured on the validation frames, by which the best epoch and the temperature were chosen, too: on other
    nights expect somewhat less.
    """
    labels = torch.tensor(validation.labels)
    temperature = fit_temperature(fitted.logits, labels)
    p_clean, uncalibrated = (
        torch.softmax(fitted.logits.double() / divisor, dim=1)[:, 1].numpy() for divisor in (temperature, 1.0)
    )
    measured = classification_metrics(labels, p_clean)
    right = (p_clean >= 0.5) == labels.numpy().astype(bool)
    facts = validation.facts
    return {
        "trained": True,
        "best_val_accuracy": 100 * measured["accuracy"],
        **measured,
        "temperature": temperature,
        "expected_calibration_error": expected_calibration_error(p_clean, labels),
        "expected_calibration_error_uncalibrated": expected_calibration_error(uncalibrated, labels),
        "reliability": [asdict(one) for one in reliability(p_clean, labels)],
        "nights": accuracy_by([[one.night] if one.night else [] for one in facts], right),
        "reasons": accuracy_by([one.reasons for one in facts], right),
        "calls": count_calls(p_clean, labels),
        "counts": _counts(train, validation),
        "weights_used": weights_used,
        "epochs_run": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "stopped": fitted.stopped,
        "preview_version": PREVIEW_VERSION,
        "versions": {name: version(name) for name in ("torch", "torchvision")},
    }


def untrained_metrics(train: AstroImageDataset, validation: AstroImageDataset, reason: str) -> dict[str, Any]:
    """Return the content of metrics.json when there is no model."""
    return {"trained": False, "reason": reason, "counts": _counts(train, validation)}


def write_records(
    output: Path, metrics: dict[str, Any], history: Sequence[EpochRow], settings: "TrainingSettings"
) -> None:
    """Write metrics.json, history.tsv, args.yaml and the plots into the folder `output`, each atomically."""
    write_text(output / "metrics.json", json.dumps(_rounded(metrics), indent=2) + "\n")
    write_table(output / "history.tsv", "history", [_rounded(asdict(row)) for row in history])
    write_text(output / "args.yaml", yaml.safe_dump(asdict(settings), sort_keys=False))
    for name, picture in ((HISTORY_PLOT, draw_history(history)), (METRICS_PLOT, draw_metrics(metrics))):
        with replacing(output / name) as temporary:
            temporary.write_bytes(picture)


def _counts(train: AstroImageDataset, validation: AstroImageDataset) -> dict[str, dict[str, int]]:
    return {
        side: {name: dataset.labels.count(label) for label, name in enumerate(CLASSES)}
        for side, dataset in (("train", train), ("validation", validation))
    }


def _rounded(value: Any) -> Any:
    """Round every float in a structure to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return value
