"""The model card: what a model is for, what it was trained on, how good it is, and what it may promise."""

from collections.abc import Iterator, Mapping
from typing import Any

from nebulift.model.description import ModelDescription
from nebulift.model.registry import RegisteredModel


def model_card(
    model: RegisteredModel,
    description: ModelDescription,
    metrics: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    risk: float,
) -> str:
    """Return the card as Markdown.

    `metrics` is the content of metrics.json, `metadata` that of the dataset's metadata.json, each None where it is not
    known; the thresholds of `model` hold for `risk`.
    """
    return "\n".join(
        [
            f"# {model.name}",
            "",
            "A ResNet18 that tells clean from contaminated frames by their three-channel previews and by what their",
            "night and the checks tell of them, for Nebulift.",
            "",
            f"- registered: {model.registered}",
            f"- SHA-256 of model.onnx: {model.sha256}",
            f"- previews: version {description.preview_version}",
            f"- training started from: {description.weights}",
            "",
            "## Trained on",
            "",
            *_data(metadata),
            "",
            "## How good it is",
            "",
            *_figures(metrics),
            "",
            "## What it may settle",
            "",
            *_promises(model, risk),
            "",
            "## Limits",
            "",
            "Labels are mostly those of Nebulift's rules: what the rules never see it was never taught. The figures",
            "are of the frames by which the best epoch and the temperature were chosen: expect less elsewhere.",
            "",
        ]
    )


def _data(metadata: Mapping[str, Any] | None) -> Iterator[str]:
    if metadata is None:
        yield "Not known: registered without its dataset."
        return
    for side, counts in metadata["counts"].items():
        yield f"- {side}: " + (", ".join(f"{number} {label}" for label, number in counts.items()) or "no frame")
    nights = sorted({night for side in ("train", "val") for night in metadata["nights"][side]})
    yield f"- nights: {', '.join(nights) or 'none'}"
    yield f"- labels by people: {metadata['labels_by_people']}"
    yield f"- fingerprint: {metadata['fingerprint']}"


def _figures(metrics: Mapping[str, Any] | None) -> Iterator[str]:
    if metrics is None:
        yield "Not known: registered without metrics.json."
        return
    yield f"- accuracy: {metrics['accuracy']:.4g}, balanced {metrics['balanced_accuracy']:.4g}"
    auc = metrics["auc"]
    yield f"- area under the ROC curve: {'not measured' if auc is None else f'{auc:.4g}'}"
    yield f"- expected calibration error: {metrics['expected_calibration_error']:.3g}"
    for name, of in metrics["classes"].items():
        told = (f"{figure} {'none' if value is None else f'{value:.4g}'}" for figure, value in of.items())
        yield f"- {name}: {', '.join(told)}"
    for called, number in metrics["confusion_matrix"].items():
        yield f"- {called.replace('_', ' ')}: {number}"


def _promises(model: RegisteredModel, risk: float) -> Iterator[str]:
    for word, sign in (("clean", "from"), ("contaminated", "up to")):
        threshold = model.thresholds[word]
        yield (
            f"- as {word}: nothing at a risk of {100 * risk:g} %, for too few frames validate it"
            if threshold is None
            else f"- as {word}: {sign} a probability of clean of {threshold:g}, at a risk of {100 * risk:g} %"
        )
