"""The epochs of a training, phase by phase, and the best of them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nebulift.model.dataset import AstroImageDataset
from nebulift.model.description import CLASSES
from nebulift.model.epochs import EpochRow, LossNotFinite
from nebulift.model.network import NightNetwork, with_outputs
from nebulift.model.phase_run import PhaseRun
from nebulift.model.phases import Phase, plan_phases
from nebulift.model.processes import ALONE, Processes
from nebulift.model.unfinished import UnfinishedTraining

if TYPE_CHECKING:
    from nebulift.model.training import TrainingSettings

logger = logging.getLogger(__name__)


class TrainingFailed(ValueError):  # noqa: N818
    """No epoch gave a usable network; the message says what to do."""


@dataclass(frozen=True)
class Fit:
    """The network of the best epoch, its logits (N, 2) on the validation frames, and all epochs.

    `stopped` says why training ended before its time, "" where it did not.
    """

    network: NightNetwork
    logits: Tensor
    best_epoch: int
    history: tuple[EpochRow, ...]
    stopped: str = ""


@dataclass(frozen=True)
class _Best:
    row: EpochRow
    state: dict[str, Tensor]
    logits: Tensor


class _Fitting:
    """A training under way, phase by phase."""

    def __init__(
        self,
        network: NightNetwork,
        sides: tuple[AstroImageDataset, AstroImageDataset],
        settings: "TrainingSettings",
        pretrained: bool,
        processes: Processes,
    ) -> None:
        self._network, self._sides, self._settings, self._processes = network, sides, settings, processes
        self._phases = plan_phases(settings.epochs, settings.learning_rate, pretrained, settings.freeze)
        self._order = torch.Generator().manual_seed(settings.seed)
        self.history: list[EpochRow] = []
        self.best: _Best | None = None
        # What epochs cost so far tells how long those to come will take.
        self._seconds, self._cost = 0.0, 0.0

    def run(self, unfinished: UnfinishedTraining | None, report: Callable[[str], None]) -> None:
        """Train all phases, or what is left of them; raises LossNotFinite."""
        resumed = self._processes.handed(None if unfinished is None else unfinished.read())
        first = 0
        if resumed is not None:
            first = self._go_on(resumed)
            report(f"training goes on behind epoch {len(self.history)}")
        for number, phase in enumerate(self._phases[first:], start=first):
            if resumed is None and self.best is not None:
                self._network.load_state_dict(self.best.state)
            state = None if resumed is None else resumed["run"]
            run = PhaseRun(phase, self._network, *self._sides, self._settings, state, self._processes)
            resumed = None
            while not run.ended:
                row, logits, spent = run.epoch(self._order)
                self._note(replace(row, epoch=len(self.history) + 1), logits, phase)
                self._seconds, self._cost = self._seconds + spent, self._cost + phase.cost
                later = sum(other.epochs * other.cost for other in self._phases[number + 1 :])
                left = self._seconds / self._cost * (later + (phase.epochs - run.done) * phase.cost)
                if unfinished is not None:
                    unfinished.write({**self._state(), "phase": number, "run": run.state()})
                report(_progress(self.history[-1], self._settings.epochs, spent, left))

    def _note(self, row: EpochRow, logits: Tensor, phase: Phase) -> None:
        self.history.append(row)
        # Halved previews are not what the network is asked about later.
        if phase.kind != "half" and (self.best is None or row.merit > self.best.row.merit):
            state = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
            self.best = _Best(row, state, logits)

    def _state(self) -> dict[str, Any]:
        best = self.best
        return {
            "network": self._network.state_dict(),
            "best": None if best is None else {"row": asdict(best.row), "state": best.state, "logits": best.logits},
            "history": [asdict(row) for row in self.history],
            "order": self._order.get_state(),
            "torch": torch.get_rng_state(),
            "seconds": self._seconds,
            "cost": self._cost,
        }

    def _go_on(self, state: Mapping[str, Any]) -> int:
        """Take up a state; return the number of the phase that it was in."""
        self._network.load_state_dict(state["network"])
        best = state["best"]
        self.best = None if best is None else _Best(EpochRow(**best["row"]), best["state"], best["logits"])
        self.history = [EpochRow(**row) for row in state["history"]]
        self._order.set_state(state["order"])
        torch.set_rng_state(state["torch"])
        self._seconds, self._cost = state["seconds"], state["cost"]
        return int(state["phase"])


def fit(
    network: NightNetwork,
    train: AstroImageDataset,
    validation: AstroImageDataset,
    settings: "TrainingSettings",
    pretrained: bool,
    report: Callable[[str], None],
    unfinished: UnfinishedTraining | None = None,
    processes: Processes = ALONE,
) -> Fit:
    """Train `network` in place through all phases and return it as it was after its best epoch.

    The best epoch has the highest balanced accuracy, and of equal ones the lowest loss, on the validation frames.
    `unfinished` keeps the state after each epoch, and is gone on from where it has one. Raises TrainingFailed when no
    epoch gave a usable network. What is measured of the frames (`FrameFacts`) is learned by outputs of its own, which
    the network loses in the end. Of several processes all return the same; only the first one's `unfinished` is used.
    """
    if measured := len(train.facts[0].measured):
        with_outputs(network, len(CLASSES) + measured)
    network.to(memory_format=torch.channels_last)
    fitting = _Fitting(network, (train, validation), settings, pretrained, processes)
    stopped = ""
    try:
        with processes.statistics_of_all(network):
            fitting.run(unfinished, report)
    except LossNotFinite:
        stopped = f"training stopped in epoch {len(fitting.history) + 1}: the loss is no finite number any more"
        kept = "the best epoch so far is kept" if fitting.best else "there is no epoch to keep"
        logger.warning("%s; %s", stopped, kept)
    best = fitting.best
    if best is None:
        raise TrainingFailed(
            "the loss was no finite number before any epoch was complete; lower train: learning_rate "
            f"({settings.learning_rate:g}) or start from other weights"
        )
    network.load_state_dict(best.state)
    if measured:
        with_outputs(network, len(CLASSES))
    network.eval()
    return Fit(network, best.logits, best.row.epoch, tuple(fitting.history), stopped)


def _progress(row: EpochRow, epochs: int, seconds: float, left: float) -> str:
    minutes = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return (
        f"epoch {row.epoch}/{epochs}: train loss {row.train_loss:.2f}, validation accuracy "
        f"{100 * row.val_accuracy:.1f} %, {seconds:.1f} s, about {minutes} left"
    )
