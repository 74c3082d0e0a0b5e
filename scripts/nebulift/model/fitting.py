"""The epochs of a training, phase by phase, and the best of them."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

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
    network.to(memory_format=torch.channels_last)
    phases = plan_phases(settings.epochs, settings.learning_rate, pretrained, settings.freeze)
    order = torch.Generator().manual_seed(settings.seed)
    history: list[EpochRow] = []
    best: _Best | None = None
    seconds, cost = 0.0, 0.0
    try:
        for number, phase in enumerate(phases):
            if best is not None:
                network.load_state_dict(best.state)
            later = sum(other.epochs * other.cost for other in phases[number + 1 :])
            for measured, logits, spent in _epochs(phase, network, train, validation, settings, order):
                row = replace(measured, epoch=len(history) + 1)
                history.append(row)
                # Halved previews are not what the network is asked about later.
                if phase.kind != "half" and (best is None or _merit(row) > _merit(best.row)):
                    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
                    best = _Best(row, state, logits)
                seconds, cost = seconds + spent, cost + phase.cost
                here = sum(earlier.phase == phase.kind for earlier in history)
                left = seconds / cost * (later + (phase.epochs - here) * phase.cost)
                report(_progress(row, settings.epochs, spent, left))
    except LossNotFinite:
        logger.warning(
            "training stopped in epoch %d: the loss is no finite number any more; %s",
            len(history) + 1,
            "the best epoch so far is kept" if best else "there is no epoch to keep",
        )
    if best is None:
        raise TrainingFailed(
            "the loss was no finite number before any epoch was complete; lower train: learning_rate "
            f"({settings.learning_rate:g}) or start from other weights"
        )
    network.load_state_dict(best.state)
    network.eval()
    return Fit(network, best.logits, best.row.epoch, tuple(history))


def _epochs(
    phase: Phase,
    network: nn.Module,
    train: AstroImageDataset,
    validation: AstroImageDataset,
    settings: "TrainingSettings",
    order: torch.Generator,
) -> Iterator[tuple[EpochRow, Tensor, float]]:
    """Give the row of each epoch of a phase, the validation logits, and the seconds it took; ends by patience."""
    body, trained, examples, held_out = _prepare(phase, network, train, validation)
    optimizer = torch.optim.AdamW(trained, lr=phase.learning_rate, weight_decay=_WEIGHT_DECAY)
    steps = steps_per_epoch(len(train), settings.batch_size)
    _forget_within_an_epoch(body, steps)
    scheduler = OneCycleLR(optimizer, phase.learning_rate, total_steps=phase.epochs * steps + 1, cycle_momentum=False)
    criterion = nn.CrossEntropyLoss(weight=class_weights(examples.labels))
    best: EpochRow | None = None
    waited = 0
    for _ in range(phase.epochs):
        start = time.monotonic()
        loss, share = train_epoch(body, examples, settings.batch_size, optimizer, scheduler, criterion, order)
        logits, *validated = validate(body, held_out, criterion)
        row = EpochRow(0, phase.kind, float(scheduler.get_last_lr()[0]), loss, share, *validated)
        yield row, logits, time.monotonic() - start
        waited += 1
        if best is None or _merit(row) > _merit(best):
            best, waited = row, 0
        if waited >= settings.patience:
            return


def _prepare(
    phase: Phase, network: nn.Module, train: AstroImageDataset, validation: AstroImageDataset
) -> tuple[nn.Module, list[nn.Parameter], Examples, Examples]:
    """Return what a phase runs, which of its weights it trains, and its training and validation examples."""
    if phase.kind != "frozen":
        half = phase.kind == "half"
        return network, list(network.parameters()), Previews(train, half=half), Previews(validation, half=half)
    stem, tail = split_after_layer3(network)
    if KeptFeatures.fit_for(train):
        return tail, list(tail.parameters()), KeptFeatures(stem, train), KeptFeatures(stem, validation)
    return Frozen(stem, tail), list(tail.parameters()), Previews(train), Previews(validation)


def _forget_within_an_epoch(network: nn.Module, steps: int) -> None:
    """Let the running statistics of batch normalisation follow the weights even where an epoch has few steps.

    With 0.1 as usual, five steps leave 60 % of what they were before the epoch: validation then sees another network
    than the one that was trained. Here 5 % are left.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = max(0.1, 1 - 0.05 ** (1 / steps))


def _merit(row: EpochRow) -> tuple[float, float]:
    return row.val_balanced_accuracy, -row.val_loss


def _progress(row: EpochRow, epochs: int, seconds: float, left: float) -> str:
    minutes = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return (
        f"epoch {row.epoch}/{epochs}: train loss {row.train_loss:.2f}, validation accuracy "
        f"{100 * row.val_accuracy:.1f} %, {seconds:.1f} s, about {minutes} left"
    )
