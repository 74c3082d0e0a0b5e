"""Our weights against none: trained on 100 frames of one night with true labels, asked about another of that camera."""

import tempfile
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.reporting.tables import markdown_table
from benchmarks.training.nights import dataset, night
from nebulift.model.checkpoint import load_model
from nebulift.model.inference import Predictor
from nebulift.model.metrics import area_under_curve
from nebulift.model.training import TrainingSettings, train
from nebulift.simulate.catalogue import SetUp

STARTS = ("nebulift", "none")
TRAINING, MARGIN, VALIDATION, ASKED = 100, 10, 40, 120


def observe(set_up: SetUp, nights_seed: int, weights: str, seed: int, epochs: int, kept: Path) -> dict[str, Any]:
    """Train from a start and return the shares right and the area under the curve on the other night."""
    first = night(set_up, nights_seed, TRAINING + MARGIN + VALIDATION, kept)
    other = night(set_up, nights_seed + 1, ASKED, kept)
    settings = TrainingSettings(weights=weights, epochs=epochs, seed=seed, threads=1)
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        learned = dataset(first[:TRAINING], augment=True, seed=seed)
        result = train(learned, dataset(first[TRAINING + MARGIN :]), settings, Path(folder), lambda _: None)
        p_clean = Predictor(load_model(result.model)).predict([one.preview for one in other])
    labels = np.array([one.label for one in other])
    return {
        "set_up": set_up.name,
        "weights": weights,
        "seed": seed,
        "frames": len(other),
        "accuracy": float(np.mean((p_clean >= 0.5) == labels)),
        "auc": area_under_curve(labels, p_clean),
    }


def text(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of both starts and their difference, pair by pair of the same camera and seed."""
    rows: list[list[object]] = []
    for figure, name in (("accuracy", "share right"), ("auc", "area under the ROC curve")):
        by = {(one["set_up"], one["seed"], one["weights"]): float(one[figure]) for one in records}
        pairs = sorted({key[:2] for key in by})
        ours, none = (np.array([by[(*pair, start)] for pair in pairs]) for start in STARTS)
        for start, values in (("our weights", ours), ("none", none)):
            rows.append([name, start, *_mean(values, figure), len(pairs)])
        rows.append([name, "gain", *_mean(ours - none, figure), len(pairs)])
    cameras = sorted({one["set_up"] for one in records})
    return (
        "### Our weights against none\n\n"
        + markdown_table(["figure", "start", "mean", "95 % interval", "trainings"], rows)
        + f"\nTrained on {TRAINING} frames of a night with true labels, validated on {VALIDATION} later ones of it,"
        f" asked about {records[0]['frames']} of another night with other stars. Cameras: {', '.join(cameras)}."
        " Intervals over seeds and cameras (Student's t).\n"
    )


def _mean(values: "np.ndarray[Any, Any]", figure: str) -> tuple[str, str]:
    middle = float(values.mean())
    reach = (
        float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else 0.0
    )
    if figure == "accuracy":
        return f"{100 * middle:.1f} %", f"{100 * (middle - reach):.1f} to {100 * (middle + reach):.1f} %"
    return f"{middle:.3f}", f"{middle - reach:.3f} to {middle + reach:.3f}"
