"""Our weights against none: trained on 100 frames of one night with true labels, asked about another of that camera."""

import tempfile
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.reporting.tables import markdown_table
from benchmarks.training.nights import FIRST_SEED, SIZE_PX, dataset, night
from benchmarks.training.records import Plan, Record
from nebulift.model.checkpoint import load_model
from nebulift.model.inference import Predictor
from nebulift.model.metrics import area_under_curve
from nebulift.model.training import TrainingSettings, train
from nebulift.simulate.catalogue import set_ups

NAME, ALONE = "starts", False
STARTS = ("nebulift", "none")
CAMERAS, TRAINING, MARGIN, VALIDATION, ASKED, EPOCHS = 2, 100, 10, 40, 120, 8


def tasks(plan: Plan) -> list[Record]:
    """Return a training for each camera, seed and start; the first of a camera makes its nights."""
    return [
        {"half": plan.half, "camera": camera, "seed": seed, "weights": weights, "epochs": plan.some(EPOCHS)}
        for seed in range(plan.some(5))
        for camera in range(plan.some(CAMERAS, 1))
        for weights in STARTS
    ]


def observe(task: Record, kept: Path) -> list[Record]:
    """Train from a start; give the share right and the area under the curve on the other night."""
    set_up = set_ups(task["half"], *SIZE_PX)[task["camera"]]
    seed = FIRST_SEED[task["half"]] + 10 * task["camera"]
    first = night(set_up, seed, TRAINING + MARGIN + VALIDATION, kept / "nights")
    other = night(set_up, seed + 1, ASKED, kept / "nights")
    settings = TrainingSettings(weights=task["weights"], epochs=task["epochs"], seed=task["seed"], threads=1)
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        learned = dataset(first[:TRAINING], augment=True, seed=task["seed"])
        result = train(learned, dataset(first[TRAINING + MARGIN :]), settings, Path(folder), lambda _: None)
        told = np.stack([one.context for one in other])
        p_clean = Predictor(load_model(result.model)).predict([one.preview for one in other], told)
    labels = np.array([one.label for one in other])
    return [
        {
            "set_up": set_up.name,
            "weights": task["weights"],
            "seed": task["seed"],
            "frames": len(other),
            "accuracy": float(np.mean((p_clean >= 0.5) == labels)),
            "auc": area_under_curve(labels, p_clean),
        }
    ]


def text(records: Sequence[Record]) -> tuple[str, list[bool | None]]:
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
    page = (
        "### Our weights against none\n\n"
        + markdown_table(["figure", "start", "mean", "95 % interval", "trainings"], rows)
        + f"\nTrained on {TRAINING} frames of a night with true labels, validated on {VALIDATION} later ones of it,"
        f" asked about {records[0]['frames']} of another night with other stars. Cameras: {', '.join(cameras)}."
        " Intervals over seeds and cameras (Student's t).\n"
    )
    return page, []


def _mean(values: "np.ndarray[Any, Any]", figure: str) -> tuple[str, str]:
    middle = float(values.mean())
    reach = (
        float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else 0.0
    )
    if figure == "accuracy":
        return f"{100 * middle:.1f} %", f"{100 * (middle - reach):.1f} to {100 * (middle + reach):.1f} %"
    return f"{middle:.3f}", f"{middle - reach:.3f} to {middle + reach:.3f}"
