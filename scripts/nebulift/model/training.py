"""Training: labelled previews become a model, and everything that is known about it."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nebulift.files import replacing
from nebulift.model.checkpoint import TorchModel, save_model, save_no_model
from nebulift.model.context_start import knows_contexts, learn_contexts
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import CLASSES, ModelDescription
from nebulift.model.epochs import class_weights, steps_per_epoch
from nebulift.model.examples import Previews
from nebulift.model.export import check_export, export_no_model, export_onnx
from nebulift.model.fitting import Fit, TrainingFailed, fit
from nebulift.model.network import NightNetwork, build_network
from nebulift.model.onnx_file import load_onnx_model
from nebulift.model.phases import FREEZE
from nebulift.model.processes import ALONE, Processes
from nebulift.model.quantized import export_quantized
from nebulift.model.records import trained_metrics, untrained_metrics, write_records
from nebulift.model.reproducible import reproducible
from nebulift.model.unfinished import UnfinishedTraining, training_key

logger = logging.getLogger(__name__)

_MOST_FRAMES_CHECKED = 200
_LARGEST_DIFFERENCE = 1e-3
_MOST_FRAMES_SEEN = 64
_LARGEST_SHARE_OF_OTHER_CLASS = 0.001


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    `weights` is "nebulift", "imagenet", "none" or a file (see build_network), `epochs` the most passes over the frames,
    `learning_rate` the largest, `patience` the epochs without a better validation that end a phase, `freeze` what is
    kept of the weights at first: "auto", "layer3" (and to the end) or "none". `review_weight` is how many labels of the
    rules a person's label counts for (the dataset has it with each frame, see `FrameFacts`). `threads` of None takes as
    many as torch has been given; another number sums up in another order and gives another model. `precision` of
    "bfloat16" computes in half precision, twice as fast where the processor can, slower elsewhere. `nodes` is the
    number of processes that share every batch, one per node (`Processes`); others give the same but for rounding.
    "bfloat16" computes in half precision, twice as fast where the processor can, slower elsewhere. With `int8`
    model.onnx is in 8-bit integers, unless it then decides otherwise on over a thousandth of the validation frames.
    """

    weights: str = "nebulift"
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    patience: int = 6
    seed: int = 0
    freeze: str = "auto"
    minimum_per_class: int = 8
    review_weight: float = 3.0
    threads: int | None = None
    precision: str = "float32"
    nodes: int = 1
    int8: bool = False

    def __post_init__(self) -> None:
        if self.freeze not in FREEZE:
            raise ValueError(f"freeze is one of {', '.join(FREEZE)}, not {self.freeze!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is float32 or bfloat16, not {self.precision!r}")
        for name, lowest in (("epochs", 1), ("batch_size", 2), ("patience", 1), ("minimum_per_class", 1), ("nodes", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be {lowest} or more, not {getattr(self, name)}")
        for name in ("learning_rate", "review_weight"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class TrainingResult:
    """What training made: the model's path, the content of metrics.json, the epochs (empty when not trained)."""

    model: Path
    metrics: dict[str, Any]
    fit: Fit | None

    @property
    def trained(self) -> bool:
        """Whether there is a network in the model's file."""
        return self.fit is not None


def untrainable(train: AstroImageDataset, validation: AstroImageDataset, settings: TrainingSettings) -> str | None:
    """Return why these frames make no model and what to do about it, or None if they do."""
    counts = {name: train.labels.count(label) for label, name in enumerate(CLASSES)}
    too_few = [name for name, count in counts.items() if count < settings.minimum_per_class]
    if too_few:
        return (
            f"too few {' and too few '.join(too_few)} frames to train on: {_counts(train)}, and "
            f"{settings.minimum_per_class} of each class are needed (train: minimum_per_class); "
            "grade more nights, or review more frames"
        )
    missing = [name for label, name in enumerate(CLASSES) if label not in validation.labels]
    if missing:
        return (
            f"no {' and no '.join(missing)} frame to validate on: {_counts(validation)}; grade more nights, review "
            "more frames, or raise dataset: validation_fraction"
        )
    return None


def train(
    train: AstroImageDataset,
    validation: AstroImageDataset,
    settings: TrainingSettings,
    output: Path,
    report: Callable[[str], None] = logger.info,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Train on `train`, choose the best epoch on `validation`, calibrate on it, and write all into the folder `output`.

    model.pth, model.onnx, metrics.json, history.tsv, args.yaml and plots; `report` gets a line per epoch. The same
    previews, settings and number of threads give the same bytes on the same kind of machine, also where training was
    killed and is called again: it goes on behind its last whole epoch. Raises ModelFileError for weights that cannot be
    used, TrainingFailed when no epoch gave a usable network.

    Several `processes` call this alike; the first one reads and writes all files and reports. Another number of them
    learns the same but for rounding, and goes on where one number was ended by another. Raises ValueError where a step
    has fewer frames than there are processes.
    """
    _check_share(len(train), settings.batch_size, processes)
    with reproducible(settings.seed, processes.threads(settings.threads)):
        network, weights_used = _same_network(settings.weights, processes)
        if not knows_contexts(network):
            examples = Previews(train)
            balanced = class_weights(examples.labels, examples.weights)[examples.labels] * examples.weights
            learn_contexts(network, train.contexts(), examples.labels, balanced)
        if not processes.first:
            fitted = fit(
                network, train, validation, settings, weights_used != "none", _say_nothing, processes=processes
            )
            return TrainingResult(output / "model.pth", {}, fitted)
        report(f"training on {_counts(train)}, validating on {_counts(validation)}, weights: {weights_used}")
        unfinished = UnfinishedTraining(output, training_key(settings, network, train, validation))
        fitted = fit(network, train, validation, settings, weights_used != "none", report, unfinished, processes)
        metrics = trained_metrics(train, validation, fitted, weights_used)
    description = ModelDescription(metrics["temperature"], weights_used, metrics["calls"])
    model = output / "model.pth"
    save_model(model, fitted.network, description)
    metrics["onnx"] = _exported(output / "model.onnx", fitted, description, validation)
    if settings.int8:
        metrics["onnx"]["int8"] = _quantized(output / "model.onnx", train, validation, report)
    write_records(output, metrics, fitted.history, settings)
    unfinished.remove()
    report(
        f"best epoch {fitted.best_epoch}: validation accuracy {metrics['best_val_accuracy']:.1f} %, balanced "
        f"{100 * metrics['balanced_accuracy']:.1f} %"
    )
    return TrainingResult(model, metrics, fitted)


def train_or_explain(
    train_set: AstroImageDataset,
    validation: AstroImageDataset,
    settings: TrainingSettings,
    output: Path,
    report: Callable[[str], None] = logger.info,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Do as `train`, or write the same files with the reason why there is no model."""
    reason = untrainable(train_set, validation, settings)
    if reason is None:
        try:
            return train(train_set, validation, settings, output, report, processes)
        except TrainingFailed as error:
            reason = str(error)
    if not processes.first:
        return TrainingResult(output / "model.pth", {}, None)
    report(f"no model: {reason}")
    metrics = untrained_metrics(train_set, validation, reason)
    model = output / "model.pth"
    save_no_model(model, reason)
    export_no_model(output / "model.onnx", reason)
    write_records(output, metrics, (), settings)
    UnfinishedTraining(output).remove()
    return TrainingResult(model, metrics, None)


def _same_network(weights: str, processes: Processes) -> tuple[NightNetwork, str]:
    """Return the network to train and what its weights start from, as the first process finds them."""
    if processes.number == 1:
        return build_network(weights)
    network, used = build_network(weights if processes.first else "none")
    sent = processes.handed({"used": used, "state": network.state_dict()})
    assert sent is not None
    network.load_state_dict(sent["state"])
    return network, sent["used"]


def _check_share(frames: int, batch_size: int, processes: Processes) -> None:
    fewest = frames // steps_per_epoch(frames, batch_size)
    if fewest < processes.number:
        raise ValueError(
            f"train: nodes: {processes.number} cannot share the {fewest} frames of a step; raise train: batch_size"
            f" (now {batch_size}), lower train: nodes, or grade more nights ({frames} frames train)"
        )


def _say_nothing(line: str) -> None:
    """Say nothing: what one process has told need not be told again."""


def _exported(path: Path, fitted: Fit, description: ModelDescription, validation: AstroImageDataset) -> dict[str, Any]:
    """Write model.onnx and return how its answers on the validation frames differ from the network's.

    Raises TrainingFailed where they are not the same but for rounding.
    """
    export_onnx(path, fitted.network, description)
    number = min(len(validation), _MOST_FRAMES_CHECKED)
    inputs = [(preview.numpy(), context.numpy()) for preview, context in map(validation.input, range(number))]
    check = check_export(load_onnx_model(path), TorchModel(fitted.network, description), inputs)
    if check.largest_difference_of_logits > _LARGEST_DIFFERENCE:
        raise TrainingFailed(
            f"{path}: the exported network answers otherwise than the trained one (logits differ by up to"
            f" {check.largest_difference_of_logits:.3g}); please report this with your versions"
        )
    return asdict(check)


def _quantized(
    path: Path, train: AstroImageDataset, validation: AstroImageDataset, report: Callable[[str], None]
) -> dict[str, Any]:
    """Put a model in 8-bit integers in the place of `path`, if it decides alike; return how their answers differ."""
    inputs, seen = (
        [(preview.numpy(), context.numpy()) for preview, context in map(side.input, range(min(len(side), most)))]
        for side, most in ((validation, _MOST_FRAMES_CHECKED), (train, _MOST_FRAMES_SEEN))
    )
    with tempfile.TemporaryDirectory(prefix="nebulift-") as folder:
        quantized = Path(folder) / "model.onnx"
        export_quantized(quantized, path, seen)
        check = check_export(load_onnx_model(quantized), load_onnx_model(path), inputs)
        used = check.other_class <= _LARGEST_SHARE_OF_OTHER_CLASS * check.frames
        if used:
            with replacing(path) as temporary:
                shutil.copyfile(quantized, temporary)
    report(
        f"model.onnx is {'' if used else 'not '}in 8-bit integers: of {check.frames} validation frames"
        f" {check.other_class} would be decided otherwise"
    )
    return {"used": used, **asdict(check)}


def _counts(dataset: AstroImageDataset) -> str:
    return " and ".join(f"{dataset.labels.count(label)} {name}" for label, name in enumerate(CLASSES))
