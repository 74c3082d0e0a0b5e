"""Making the weights that ship with Nebulift: a network trained on made-up frames whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nebulift
from nebulift.dataset.context import without_group
from nebulift.dataset.version import CONTEXT_VERSION, PREVIEW_VERSION
from nebulift.files import write_text
from nebulift.labels.verdict import CLEAN, CONTAMINATED
from nebulift.model.calibration import expected_calibration_error
from nebulift.model.checkpoint import TorchModel, load_model
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.inference import Predictor
from nebulift.model.metrics import classification_metrics
from nebulift.model.network import build_network
from nebulift.model.training import TrainingSettings, train
from nebulift.model.weights_file import write_weights
from nebulift.scoring.version import SCORER_VERSION
from nebulift.stages.made_up_previews import FRAMES_PER_SET_UP, LabelledPreview, MadeUp, make_previews

# Of eight set-ups one validates and one is held out for the figures of the card: no camera is on two sides.
_SHARE, _VALIDATES, _HELD_OUT = 8, 3, 7


def pretrain(
    output: Path,
    made_up: MadeUp,
    cache: Path,
    workers: int,
    settings: TrainingSettings,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Make up frames, train on them, write the weights to `output` and a card beside it; return the card's figures.

    Previews and the training under way lie in `cache`: a run that was ended goes on from there. The same arguments
    give the same bytes on the same kind of machine. Raises ValueError for fewer than eight set-ups.
    """
    if made_up.set_ups < _SHARE:
        raise ValueError(f"{made_up.frames} frames are too few: give {_SHARE * FRAMES_PER_SET_UP} or more")
    previews = make_previews(made_up, cache, workers, report)
    sides = _sides(previews)
    result = train(
        _dataset(sides["train"], augment=True, seed=settings.seed),
        _dataset(sides["validation"]),
        settings,
        cache / "training",
        report,
    )
    trained = load_model(result.model)
    write_weights(output, trained.network)
    figures = _figures(output, trained, sides["held out"])
    write_text(output.with_suffix(".md"), _card(made_up, settings, sides, figures))
    return figures


def _sides(previews: Sequence[LabelledPreview]) -> dict[str, list[LabelledPreview]]:
    """Divide previews by their set-up."""
    sides: dict[str, list[LabelledPreview]] = {"train": [], "validation": [], "held out": []}
    for one in previews:
        place = one.set_up % _SHARE
        sides["validation" if place == _VALIDATES else "held out" if place == _HELD_OUT else "train"].append(one)
    return sides


def _dataset(previews: Sequence[LabelledPreview], augment: bool = False, seed: int = 0) -> AstroImageDataset:
    paths, labels = [one.preview for one in previews], [one.label for one in previews]
    facts = [FrameFacts(measured=one.measured, context=one.context) for one in previews]
    return AstroImageDataset(paths, labels, augment=augment, seed=seed, facts=facts)


def _figures(weights: Path, trained: TorchModel, previews: Sequence[LabelledPreview]) -> dict[str, Any]:
    """Ask the network as it is in the file of weights about frames of other cameras than it was trained on."""
    network, _ = build_network(str(weights))
    network.to(memory_format=torch.channels_last).eval()
    model = TorchModel(network, replace(trained.description, weights="none"))
    paths = [one.preview for one in previews]
    p_clean = Predictor(model).predict(paths, np.stack([one.context for one in previews]))
    labels = np.array([one.label for one in previews])
    kinds = sorted({kind for one in previews for kind in one.artifacts.split(",")})
    right = (p_clean >= 0.5) == labels
    by_kind = {}
    for kind in kinds:
        members = np.array([kind in one.artifacts.split(",") for one in previews])
        by_kind[kind] = (int(right[members].sum()), int(members.sum()))
    return {
        **classification_metrics(labels, p_clean),
        "expected_calibration_error": expected_calibration_error(p_clean, labels),
        "right_by_artifact": by_kind,
        "alone": classification_metrics(
            labels, Predictor(model).predict(paths, np.stack([without_group(one.context) for one in previews]))
        ),
        "rules_right": sum(one.rules == (CONTAMINATED, CLEAN)[one.label] for one in previews),
    }


def _card(
    made_up: MadeUp,
    settings: TrainingSettings,
    sides: dict[str, list[LabelledPreview]],
    figures: dict[str, Any],
) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "numpy"))
    counts = ", ".join(
        f"{len(members)} {name} ({sum(one.label for one in members)} clean)" for name, members in sides.items()
    )
    return "\n".join(
        [
            "# The weights that training starts from",
            "",
            "A ResNet18 for Nebulift's three-channel previews and what the night tells of each frame, in half",
            "precision, to be trained further on real frames (`train: weights: nebulift`).",
            "",
            f"- made by: nebulift pretrain --frames {made_up.frames} --seed {made_up.seed} --width-px "
            f"{made_up.width_px} --height-px {made_up.height_px} --epochs {settings.epochs} --batch-size "
            f"{settings.batch_size} --learning-rate {settings.learning_rate:g} --threads {settings.threads} "
            f"--precision {settings.precision}",
            f"- trained on: made-up frames alone, {made_up.width_px} x {made_up.height_px} px, {FRAMES_PER_SET_UP} from"
            f" each of {made_up.set_ups} set-ups drawn from the parts of the development half (nebulift.simulate)",
            f"- frames: {counts}; no set-up on two sides",
            "- labels: the truth of the simulation",
            "- learned along: width of the stars, defocus, tracking, trails, obstacles and clouds in numbers",
            f"- previews: version {PREVIEW_VERSION}, contexts: version {CONTEXT_VERSION}, by scorer {SCORER_VERSION}",
            f"- versions: nebulift {nebulift.__version__}, {versions}",
            "",
            "## On the frames held out",
            "",
            "As the network is in the file, calibrated on the validation frames, cut at a probability of one half.",
            "",
            f"- accuracy: {figures['accuracy']:.4f}",
            f"- area under the ROC curve: {figures['auc']:.4f}",
            f"- both where each frame is taken without its group, by its preview and its own checks: "
            f"{figures['alone']['accuracy']:.4f} and {figures['alone']['auc']:.4f}",
            f"- the rules by themselves: {figures['rules_right']} of {len(sides['held out'])} right",
            f"- expected calibration error: {figures['expected_calibration_error']:.4f}",
            *(f"- {name.replace('_', ' ')}: {number}" for name, number in figures["confusion_matrix"].items()),
            *(f"- right with {kind}: {right} of {of}" for kind, (right, of) in figures["right_by_artifact"].items()),
            "",
        ]
    )
