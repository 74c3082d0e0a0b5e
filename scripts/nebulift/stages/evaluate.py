"""Evaluation and calibration: tables and reviews become figures, and thresholds that the workflow reads."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from nebulift.config import read_config
from nebulift.files import write_text
from nebulift.labels.evaluation import evaluate, judged_frames
from nebulift.labels.threshold_choice import ThresholdChoice, choose_thresholds, reviewed_frames
from nebulift.labels.truth import read_truth
from nebulift.stages.label import LabelSettings
from nebulift.tables import TableError, read_table


def evaluate_table(tables: Iterable[Path], truth: Iterable[Path]) -> dict[str, Any]:
    """Hold tables of labels or predictions against reviews or tables of truth; return the figures, see `evaluate`.

    `left_out` tells how many rows could not be judged, and why. Raises ValueError where none could.
    """
    rows = [row for table in tables for row in _labels_or_predictions(table)]
    judged, left_out = judged_frames(rows, read_truth(truth))
    if not judged:
        told = ", ".join(f"{number} {why}" for why, number in left_out.items() if number)
        raise ValueError(
            f"no frame can be judged: {told or 'the tables are empty'}. Decisions that follow a person's review are"
            " the person's: evaluate labels.tsv, or predictions made before the review"
        )
    return {**evaluate(judged), "left_out": left_out}


def calibrate(labels: Path, reviews: Iterable[Path], configfiles: Sequence[Path], output: Path) -> ThresholdChoice:
    """Choose thresholds by reviews and write them as a configuration; see `choose_thresholds` for what is raised.

    `configfiles` are those that the table of labels was made with. Nothing is written where nothing is gained.
    """
    settings = LabelSettings.from_config(read_config(configfiles)["label"])
    frames = reviewed_frames(read_table(labels, "labels"), read_truth(reviews), settings.limits, settings.thresholds)
    choice = choose_thresholds(frames, settings.thresholds)
    written = {
        "label": {
            "clean_threshold": choice.thresholds.clean,
            "contaminated_threshold": choice.thresholds.contaminated,
        }
    }
    told = (
        f"# Written by `nebulift calibrate` from {choice.frames} reviewed frames of {choice.nights} nights.\n"
        f"# Macro F1 on nights left out: {choice.f1:.4f}, with the thresholds before: {choice.f1_before:.4f}.\n"
        "# Give it to the workflow behind your own file: snakemake --configfile night.yaml THIS_FILE\n"
    )
    write_text(output, told + yaml.safe_dump(written, sort_keys=False))
    return choice


def _labels_or_predictions(path: Path) -> list[dict[str, Any]]:
    try:
        return read_table(path, "labels")
    except TableError as as_labels:
        try:
            return read_table(path, "predictions")
        except TableError as as_predictions:
            raise TableError(
                f"{path}: neither a table of labels ({as_labels}) nor one of predictions ({as_predictions})"
            ) from as_predictions
