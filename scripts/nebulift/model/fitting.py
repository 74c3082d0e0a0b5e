"""The epochs of a training, phase by phase, and the best of them."""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nebulift.model.dataset import AstroImageDataset
from nebulift.model.epochs import (
    EpochRow,
    LossNotFinite,
    class_weights,
    steps_per_epoch,
    train_epoch,
    validate,
)
from nebulift.model.examples import Examples, Frozen, KeptFeatures, Previews, split_after_layer3
from nebulift.model.phases import Phase, plan_phases

if TYPE_CHECKING:
    from nebulift.model.training import TrainingSettings

logger = logging.getLogger(__name__)

_WEIGHT_DECAY = 0.01


class TrainingFailed(ValueError):  # noqa: N818
    """No epoch gave a usable network; the message says what to do."""


@dataclass(frozen=True)
class Fit:
    """The network of the best epoch, its logits (N, 2) on the validation frames, and all epochs."""

    network: nn.Module
    logits: Tensor
    best_epoch: int
    history: tuple[EpochRow, ...]


@dataclass(frozen=True)
class _Best:
    row: EpochRow
    state: dict[str, Tensor]
    logits: Tensor


def fit(
    network: nn.Module,
    train: AstroImageDataset,
    validation: AstroImageDataset,
    settings: "TrainingSettings",
    pretrained: bool,
    report: Callable[[str], None],
) -> Fit:
    """Train `network` in place through all phases and return it as it was after its best epoch.

    The best epoch has the highest balanced accuracy, and of equal ones the lowest loss, on the validation frames.
    Raises TrainingFailed when there is none.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(network, train, validation, settings, report)
    phases = plan_phases(settings.epochs, settings.learning_rate, pretrained, settings.freeze)
    try:
        for number, phase in enumerate(phases):
            run.phase(phase, phases[number + 1 :])
    except LossNotFinite:
        logger.warning(
            "training stopped in epoch %d: the loss is no finite number any more; %s",
            len(run.history) + 1,
            "the best epoch so far is kept" if run.best else "there is no epoch to keep",
        )
    if run.best is None:
        raise TrainingFailed(
            "the loss was no finite number before any epoch was complete; lower train: learning_rate "
            f"({settings.learning_rate:g}) or train from other weights"
        )
    network.load_state_dict(run.best.state)
    network.eval()
    return Fit(network, run.best.logits, run.best.row.epoch, tuple(run.history))
