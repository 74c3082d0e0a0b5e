"""Trainings of made-up previews, alone or by one of several processes: what the tests start."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from nebulift.model import phase_run, training
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.epochs import WeightedLoss, class_weights, train_epoch
from nebulift.model.examples import Previews
from nebulift.model.network import Inputs, new_network
from nebulift.model.processes import ALONE, Processes, joined_processes
from nebulift.model.reproducible import reproducible
from unit.labelled_pictures import previews, settings

# At larger ones what differs in the last digit of a single-precision number grows beyond 1e-4 within a few steps.
LEARNING_RATE = 1e-4


def frames() -> tuple[AstroImageDataset, AstroImageDataset]:
    """Give 18 frames that train and 10 that validate; labels of unequal weight, and two numbers measured of each."""
    sides = previews(0, 18, augment=True), previews(1000, 10)
    for side in sides:
        side.facts = [FrameFacts(weight=1.0 + number % 3, measured=(0.1 * number, 1.0)) for number in range(len(side))]
    return sides


def trained(folder: Path, processes: Processes = ALONE, **how: Any) -> None:
    """Train in batches of 5 and 4. `killed` of (rank, epoch) kills that process behind the steps of that epoch.

    The export is left out: it is made by one process, when training is over.
    """
    killed = how.pop("killed", None)
    if killed is not None and processes.rank == killed[0]:
        _die_in(killed[1])
    how = {"weights": "nebulift", "batch_size": 5, "learning_rate": LEARNING_RATE, "nodes": processes.number} | how
    with mock.patch.object(training, "_exported", return_value={}):
        training.train(*frames(), settings(**how), folder, print, processes)


def exact_steps(processes: Processes = ALONE) -> dict[str, float]:
    """Take steps from random weights in double precision, where rounding is no excuse; return what became of them."""

    class Doubled(Previews):
        def batch(self, indices: Any) -> Inputs:
            previews, contexts = super().batch(indices)
            return previews.double(), contexts.double()

    with reproducible(0, 1):
        network = new_network().double()
        examples = Doubled(frames()[0])
        examples.measured = examples.measured[:, :0]
        criterion = WeightedLoss(class_weights(examples.labels, examples.weights).double())
        with processes.statistics_of_all(network):
            body = processes.trained_together(network)
            optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
            scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
            order = torch.Generator().manual_seed(0)
            loss, right = train_epoch(body, examples, 5, optimizer, scheduler, criterion, order, processes)
    sums = {name: float((tensor.detach().double() ** 2).sum()) for name, tensor in network.state_dict().items()}
    return {"loss": loss, "right": right, "reads": float(sum(examples.reads)), **sums}


def with_frozen_layers(folder: Path, processes: Processes = ALONE) -> None:
    """Train the last layer without keeping features."""
    with mock.patch.object(phase_run.KeptFeatures, "fit_for", return_value=False):
        trained(folder, processes, freeze="layer3", epochs=2)


def _die_in(epoch: int) -> None:
    original, done = phase_run.validate, []

    def counted(*given: Any) -> Any:
        done.append(1)
        if len(done) == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given)

    phase_run.validate = counted


def main() -> None:
    """Do as the arguments say: a folder, and how to train as JSON, or nothing for the rest."""
    folder, how = Path(sys.argv[1]), json.loads(sys.argv[2])
    with joined_processes() as processes:
        if how:
            trained(folder, processes, **how)
            return
        with_frozen_layers(folder, processes)
        became = exact_steps(processes)
        (folder / f"exact-{processes.rank}.json").write_text(json.dumps(became))


if __name__ == "__main__":
    main()
