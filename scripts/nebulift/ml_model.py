"""Labels, datasets and training from Python: a front on the stages and, for the whole way, on the workflow itself."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nebulift.cv_prefilter import ArtifactDetector
from nebulift.dataset.folders import check_links
from nebulift.dataset.preview import write_preview
from nebulift.dataset.splits import SplitRule
from nebulift.files import replacing
from nebulift.frames.listing import list_frames
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, Thresholds
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import BUILT_IN_WEIGHTS
from nebulift.stages.dataset import SIDES, materialise_dataset
from nebulift.stages.plan import night_name
from nebulift.stages.train import load_split
from nebulift.tables import Row, read_table, write_table
from nebulift.workflow import run_workflow

__all__ = [
    "AstroImageDataset",
    "complete_training_pipeline",
    "create_dataset_from_cv_labels",
    "generate_training_labels_from_cv",
]

LABEL_CONTAMINATED, LABEL_CLEAN = 0, 1
_CLASS = {CONTAMINATED: LABEL_CONTAMINATED, CLEAN: LABEL_CLEAN}


def generate_training_labels_from_cv(
    fits_files: Sequence[str | Path],
    artifact_detector: ArtifactDetector | None = None,
    clean_threshold: float = 0.7,
    contaminated_threshold: float = 0.3,
) -> tuple[list[Path], list[int], list[Path]]:
    """Return (labelled files, their labels, files for review), in capture order; 1 is clean, 0 contaminated.

    Raises ValueError for thresholds in the wrong order.
    """
    thresholds = Thresholds(clean_threshold, contaminated_threshold)
    rows, _ = (artifact_detector or ArtifactDetector()).analyze_files(fits_files, thresholds)
    labelled = [row for row in rows if row["label"] in _CLASS]
    return (
        [Path(row["path"]) for row in labelled],
        [_CLASS[row["label"]] for row in labelled],
        _review_files(rows),
    )


def create_dataset_from_cv_labels(
    fits_files: Sequence[str | Path],
    artifact_detector: ArtifactDetector | None = None,
    output_dir: str | Path = "dataset",
    train_split: float = 0.8,
    clean_threshold: float = 0.7,
    contaminated_threshold: float = 0.3,
) -> tuple[AstroImageDataset, AstroImageDataset, list[Path]]:
    """Label frames, lay the dataset out in `output_dir`, and return (train, validation, files for review).

    `train_split` is the share that trains, 0.5 to 1 (exclusive). Neighbouring frames stay on one side.
    """
    if not 0.5 <= train_split < 1:
        raise ValueError(f"train_split ({train_split:g}) must be at least 0.5 and below 1")
    folder = Path(output_dir)
    thresholds = Thresholds(clean_threshold, contaminated_threshold)
    rows, previews = (artifact_detector or ArtifactDetector()).analyze_files(fits_files, thresholds)
    for row in rows:
        if row["frame"] in previews:
            write_preview(folder / "previews" / row["preview"], previews[row["frame"]])
    # Links need names below the dataset's folder, whatever folders the files come from.
    names = _distinct_names([row["path"] for row in rows])
    write_table(folder / "labels.tsv", "labels", ({**row, "frame": names[row["path"]], "night": "."} for row in rows))
    materialise_dataset(
        folder / "labels.tsv",
        folder / "previews",
        folder,
        SplitRule(validation_fraction=1 - train_split),
        {"clean_threshold": clean_threshold, "contaminated_threshold": contaminated_threshold},
    )
    train, validation = (load_split(folder / "dataset.tsv", side) for side in ("train", "val"))
    return train, validation, _review_files(rows)


def complete_training_pipeline(
    fits_directory: str | Path,
    model_output_path: str | Path,
    dataset_output_dir: str | Path,
    epochs: int = 20,
    batch_size: int = 16,
    clean_threshold: float = 0.7,
    contaminated_threshold: float = 0.3,
    train_split: float = 0.8,
    weights: str = "nebulift",
    cores: int | None = None,
) -> dict[str, Any]:
    """Score, label and lay out the frames of a folder and train on them, by running the workflow.

    Each sub-folder with frames is a night, and so are the frames beside them. The dataset (train/, val/, review/,
    metadata.json) is laid out in `dataset_output_dir`, the run itself is kept in `run/` below it: called again, only
    what changed is done. The trained model is copied to `model_output_path`, and beside it with the suffix
    .onnx, which needs no torch to be used.

    Returns final_metrics (best_val_accuracy in percent, None and a reason if nothing could be trained),
    dataset_stats (training_samples, validation_samples, review_files, ...), model_path and dataset_dir.
    Raises ConfigError for arguments that cannot be used, WorkflowFailedError if a job fails.
    """
    frames, folder, model = Path(fits_directory), Path(dataset_output_dir).absolute(), Path(model_output_path)
    for side in SIDES:
        check_links(folder / side)
    config = {
        "nights": nights_below(frames, (folder,)),
        "label": {"clean_threshold": clean_threshold, "contaminated_threshold": contaminated_threshold},
        "dataset": {"validation_fraction": round(1 - train_split, 6)},
        "train": {
            "epochs": epochs,
            "batch_size": batch_size,
            "weights": weights if weights in BUILT_IN_WEIGHTS else os.path.abspath(weights),  # noqa: PTH100
        },
        "pathvars": {"dataset": str(folder)},
    }
    run = folder / "run"
    run_workflow(config, run, ["model"], cores)
    metrics = json.loads((run / "results" / "model" / "metrics.json").read_text(encoding="utf-8"))
    if metrics["trained"]:
        for copy, made in {model: "model.pth", model.with_suffix(".onnx"): "model.onnx"}.items():
            with replacing(copy) as temporary:
                shutil.copyfile(run / "results" / "model" / made, temporary)
    description = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    counts = {side: sum(description["counts"][side].values()) for side in SIDES}
    return {
        "model_path": str(model) if metrics["trained"] else None,
        "dataset_dir": str(folder),
        "run_dir": str(run),
        "history": read_table(run / "results" / "model" / "history.tsv", "history"),
        "final_metrics": {"best_val_accuracy": None, **metrics},
        "dataset_stats": {
            "training_samples": counts["train"],
            "validation_samples": counts["val"],
            "review_files": counts["review"],
            **description,
        },
    }


def nights_below(folder: Path, own_folders: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the nights of a folder as the configuration has them: one per sub-folder, one for what lies beside."""
    folder = folder.absolute()
    nights: dict[str, Any] = {}
    if list_frames(folder, recursive=False):
        nights[_night_name(folder.name, nights)] = {"path": str(folder), "recursive": False}
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and path not in own_folders):
        if not below.name.startswith(".") and list_frames(below):
            nights[_night_name(below.name, nights)] = {"path": str(below)}
    # Without any frame the workflow says so itself, about this folder.
    return nights or {_night_name(folder.name, nights): {"path": str(folder)}}


def _night_name(name: str, taken: dict[str, Any]) -> str:
    plain = night_name(name)
    number, free = 1, plain
    while free in taken:
        number += 1
        free = f"{plain}_{number}"
    return free


def _review_files(rows: Sequence[Row]) -> list[Path]:
    return [Path(row["path"]) for row in rows if row["label"] == REVIEW]


def _distinct_names(paths: Sequence[str]) -> dict[str, str]:
    """Return for each path a name of its own: below the folder that all paths share."""
    absolute = {path: os.path.abspath(path) for path in paths}  # noqa: PTH100 - links are not to be resolved
    if not absolute:
        return {}
    common = os.path.commonpath([str(Path(path).parent) for path in absolute.values()])
    return {path: Path(os.path.relpath(whole, common)).as_posix() for path, whole in absolute.items()}
