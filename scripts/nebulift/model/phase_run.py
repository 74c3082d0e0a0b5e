"""A phase of training under way: what it trains, on what, and how far it is."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from nebulift.model.dataset import AstroImageDataset
from nebulift.model.epochs import EpochRow, WeightedLoss, class_weights, steps_per_epoch, train_epoch, validate
from nebulift.model.examples import Examples, Frozen, KeptFeatures, Previews
from nebulift.model.network import NightNetwork
from nebulift.model.phases import Phase
from nebulift.model.processes import ALONE, Processes

if TYPE_CHECKING:
    from nebulift.model.training import TrainingSettings

_WEIGHT_DECAY = 0.01


class PhaseRun:
    """A phase of the training of `network`; its state can be taken after any epoch, and gone on from.

    Going on needs another run of the same phase, made with `resumed` of the state that was taken, and with the
    network as it was then: what frozen layers make of the frames is computed anew, to the same numbers, because it is
    frozen from the start.
    """

    def __init__(
        self,
        phase: Phase,
        network: NightNetwork,
        train: AstroImageDataset,
        validation: AstroImageDataset,
        settings: "TrainingSettings",
        resumed: Mapping[str, Any] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self._phase, self._settings, self._processes = phase, settings, processes
        self._body, trained, self._examples, self._held_out = _prepare(phase, network, train, validation, processes)
        self._optimizer = torch.optim.AdamW(trained, lr=phase.learning_rate, weight_decay=_WEIGHT_DECAY)
        steps = steps_per_epoch(len(train), settings.batch_size)
        _forget_within_an_epoch(self._body, steps)
        self._scheduler = OneCycleLR(
            self._optimizer, phase.learning_rate, total_steps=phase.epochs * steps + 1, cycle_momentum=False
        )
        self._criterion = WeightedLoss(class_weights(self._examples.labels, self._examples.weights))
        self._best: EpochRow | None = None
        self.done, self._waited = 0, 0
        if resumed is not None:
            self._go_on(resumed)

    @property
    def ended(self) -> bool:
        """Whether all its epochs are done, or so many in a row without a better validation that patience ends it."""
        return self.done >= self._phase.epochs or self._waited >= self._settings.patience

    def epoch(self, order: torch.Generator) -> tuple[EpochRow, Tensor, float]:
        """Train an epoch; return its row, numbered from 0, the validation logits (N, 2) and the seconds it took.

        Raises LossNotFinite.
        """
        start = time.monotonic()
        halved = self._settings.precision == "bfloat16"
        # Without the cache, which would hold on to weights from before a step.
        with torch.autocast("cpu", torch.bfloat16, enabled=halved, cache_enabled=False):
            loss, share = train_epoch(
                self._body,
                self._examples,
                self._settings.batch_size,
                self._optimizer,
                self._scheduler,
                self._criterion,
                order,
                self._processes,
            )
            logits, *validated = validate(self._body, self._held_out, self._criterion, self._processes)
        rate = float(self._scheduler.get_last_lr()[0])
        row = EpochRow(0, self._phase.kind, rate, loss, share, *validated)
        self.done, self._waited = self.done + 1, self._waited + 1
        if self._best is None or row.merit > self._best.merit:
            self._best, self._waited = row, 0
        return row, logits, time.monotonic() - start

    def state(self) -> dict[str, Any]:
        """Return all that goes on from here needs but the network: tensors and plain values."""
        return {
            "done": self.done,
            "waited": self._waited,
            "best": None if self._best is None else asdict(self._best),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "reads": {"train": list(self._examples.reads), "validation": list(self._held_out.reads)},
        }

    def _go_on(self, state: Mapping[str, Any]) -> None:
        self.done, self._waited = state["done"], state["waited"]
        self._best = None if state["best"] is None else EpochRow(**state["best"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        for name, examples in (("train", self._examples), ("validation", self._held_out)):
            examples.reads[:] = state["reads"][name]


def _prepare(
    phase: Phase,
    network: NightNetwork,
    train: AstroImageDataset,
    validation: AstroImageDataset,
    processes: Processes,
) -> tuple[nn.Module, list[nn.Parameter], Examples, Examples]:
    """Return what a phase runs, which of its weights it trains, and its training and validation examples."""
    if phase.kind != "frozen":
        half = phase.kind == "half"
        body, trained = processes.trained_together(network), list(network.parameters())
        return body, trained, Previews(train, half=half), Previews(validation, half=half)
    stem, tail = network.stem(), network.tail()
    body, trained = processes.trained_together(tail), list(tail.parameters())
    if KeptFeatures.fit_for(train):
        return body, trained, KeptFeatures(stem, train, processes), KeptFeatures(stem, validation, processes)
    return Frozen(stem, body), trained, Previews(train), Previews(validation)


def _forget_within_an_epoch(network: nn.Module, steps: int) -> None:
    """Let the running statistics of batch normalisation follow the weights even where an epoch has few steps.

    With 0.1 as usual, five steps leave 60 % of what they were before the epoch: validation then sees another network
    than the one that was trained. Here 5 % are left.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = max(0.1, 1 - 0.05 ** (1 / steps))
