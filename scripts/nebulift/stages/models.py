"""The registry of models: what training wrote becomes a registered model, and one of them decides on new nights."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nebulift.dataset.context import alone
from nebulift.dataset.preview import read_preview
from nebulift.dataset.splits import TRAIN, VAL
from nebulift.files import replacing, write_text
from nebulift.labels.decision import DecisionPolicy
from nebulift.labels.risk import promise
from nebulift.labels.truth import read_truth
from nebulift.labels.verdict import CLEAN, CONTAMINATED
from nebulift.model.card import model_card
from nebulift.model.description import ModelDescription
from nebulift.model.gates import Comparison, failed_gates
from nebulift.model.inference import Predictor
from nebulift.model.onnx_file import load_onnx_model
from nebulift.model.registry import (
    CARD_FILE,
    DATASET_FILE,
    FRAMES_FILE,
    METRICS_FILE,
    MODEL_FILE,
    RegisteredModel,
    Registry,
    RegistryError,
    check_name,
    read_registry,
    write_registry,
)
from nebulift.stages.contexts import contexts_of
from nebulift.tables import Row, read_table

logger = logging.getLogger(__name__)

_FIGURES = ("accuracy", "balanced_accuracy", "auc", "expected_calibration_error")


class PromotionRefused(RegistryError):  # noqa: N818  (an answer rather than a failure)
    """A model fails its gates; the message says which."""


def register_model(folder: Path, trained: Path, dataset: Path | None, name: str | None = None) -> RegisteredModel:
    """Copy a trained model into the registry in `folder`, with a card; it does not decide before it is promoted.

    `trained` is the folder that training wrote (results/model), `dataset` the one it was trained on (results/dataset),
    None where that is gone. Without a `name` it is model-1, model-2, ... Raises RegistryError for a name that is taken
    or a dataset laid out after the training, ModelFileError for a model that cannot be used; then nothing is written.
    """
    registry = read_registry(folder)
    chosen = check_name(name or _free_name(registry))
    if chosen in registry.models:
        raise RegistryError(f"{folder}: a model {chosen!r} is registered already; choose another --name")
    description = load_onnx_model(trained / MODEL_FILE).description
    metrics = _json_if_there(trained / METRICS_FILE)
    metadata = None if dataset is None else _json(dataset / DATASET_FILE)
    rows = [] if dataset is None else read_table(dataset / "dataset.tsv", "dataset")
    if dataset is not None:
        _check_it_trained(dataset / "dataset.tsv", trained / MODEL_FILE)
    try:
        model = RegisteredModel(
            chosen,
            _now(),
            hashlib.sha256((trained / MODEL_FILE).read_bytes()).hexdigest(),
            {figure: metrics[figure] for figure in _FIGURES} if metrics else {},
            metadata["fingerprint"] if metadata else "",
            _thresholds(trained / MODEL_FILE, description),
        )
        card = model_card(model, description, metrics, metadata, DecisionPolicy().risk)
    except (KeyError, TypeError, AttributeError) as error:
        files = " or ".join(str(path) for path in (trained / METRICS_FILE, dataset and dataset / DATASET_FILE) if path)
        raise RegistryError(f"{files}: not as this Nebulift writes it ({error!r}); train again") from error
    for file in (MODEL_FILE, "model.pth", METRICS_FILE):
        if (trained / file).is_file():
            _copy(trained / file, folder / chosen / file)
    if dataset is not None:
        _copy(dataset / DATASET_FILE, folder / chosen / DATASET_FILE)
        frames = [[row["night"], row["frame"]] for row in rows if row["split"] in (TRAIN, VAL)]
        write_text(folder / chosen / FRAMES_FILE, json.dumps(frames) + "\n")
    write_text(folder / chosen / CARD_FILE, card)
    write_registry(registry.with_model(model))
    return model


def promote_model(
    folder: Path, name: str, labels: Path, previews: Path | None, reviews: Iterable[Path], force: bool = False
) -> list[str]:
    """Let a registered model decide on new nights; return what speaks against it, which only `force` allows.

    `labels` is a table of labels with the previews of its nights in `previews` (None compares nothing). On those of its
    frames whose truth `reviews` tell, and that neither model was trained on, the model is held against the current one.
    Raises PromotionRefused.
    """
    registry = read_registry(folder)
    registry.model(name)
    current = registry.promoted if registry.promoted != name else None
    comparison = None
    if current is not None and previews is not None:
        comparison = _compare(registry, name, current, labels, previews, reviews)
        logger.info(
            "%d reviewed frames: %d right, by the current model %d",
            comparison.frames,
            comparison.right,
            comparison.right_of_current,
        )
    against = failed_gates(
        _json_if_there(registry.file(name, DATASET_FILE)), comparison, has_current=current is not None
    )
    if against and not force:
        raise PromotionRefused(f"{name} is not promoted: {'; '.join(against)}. --force promotes it all the same")
    write_registry(registry.with_promoted(name, _now()))
    return against


def _check_it_trained(dataset: Path, model: Path) -> None:
    """Raise RegistryError where the dataset was laid out anew since: its times are what Snakemake goes by, too."""
    if dataset.stat().st_mtime_ns > model.stat().st_mtime_ns:
        raise RegistryError(
            f"{dataset} was laid out after {model} was trained, so it is not what the model was trained on;"
            " train again: snakemake --cores 4 model --configfile night.yaml"
        )


def _compare(
    registry: Registry, name: str, current: str, labels: Path, previews: Path, reviews: Iterable[Path]
) -> Comparison:
    truth = read_truth(reviews)
    seen = {frame for model in (name, current) for frame in _frames(registry, model)}
    graded = [row for row in read_table(labels, "labels") if row["preview"]]
    asked = [
        row
        for row in graded
        if truth.get((row["night"], row["frame"])) in (CLEAN, CONTAMINATED) and (row["night"], row["frame"]) not in seen
    ]
    paths = [_preview(previews, row) for row in asked]
    # What the night tells of a frame, its other frames tell.
    nights = {row["night"] for row in asked}
    beside = [row for row in graded if row["night"] in nights]
    contexts = contexts_of(beside, (read_preview(_preview(previews, row)) for row in beside))
    by_frame = {(row["night"], row["frame"]): context for row, context in zip(beside, contexts, strict=True)}
    told = np.stack([by_frame[row["night"], row["frame"]] for row in asked]) if asked else alone(0)
    clean = [truth[row["night"], row["frame"]] == CLEAN for row in asked]
    right = []
    for model in (name, current):
        p_clean = Predictor.load(registry.file(model, MODEL_FILE)).predict(paths, told)
        right.append(sum((p >= 0.5) == true for p, true in zip(p_clean, clean, strict=True)))
    return Comparison(len(asked), int(right[0]), int(right[1]))


def _preview(previews: Path, row: Row) -> Path:
    return previews / str(row["night"]) / str(row["preview"])


def _frames(registry: Registry, name: str) -> set[tuple[str, str]]:
    """Return the frames that trained or validated a model; none where that is not known."""
    return {(night, frame) for night, frame in _json_if_there(registry.file(name, FRAMES_FILE)) or []}


def _thresholds(path: Path, description: ModelDescription) -> dict[str, float | None]:
    if description.calls is None:
        return {CLEAN: None, CONTAMINATED: None}
    try:
        made = promise(description.calls, DecisionPolicy().risk)
    except ValueError as error:
        raise RegistryError(f"{path}: {error}; train again") from error
    return {CLEAN: made.clean, CONTAMINATED: made.contaminated}


def _free_name(registry: Registry) -> str:
    number = 1
    while f"model-{number}" in registry.models:
        number += 1
    return f"model-{number}"


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RegistryError(f"{path}: cannot be read: {error}") from error


def _json_if_there(path: Path) -> Any:
    return _json(path) if path.is_file() else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
