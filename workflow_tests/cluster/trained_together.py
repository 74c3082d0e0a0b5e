"""A training of made-up previews, alone or as one of several processes: what the tests start."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from nebulift.model import fitting, phase_run
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.processes import ALONE, Processes, joined_processes
from nebulift.model.training import train
from unit.test_model_training import previews, settings


class Cut(BaseException):
    """Ends a training as from outside."""


def frames() -> tuple[AstroImageDataset, AstroImageDataset]:
    """Give 18 frames that train and 10 that validate; labels of unequal weight, and two numbers measured of each."""
    sides = previews(0, 18, augment=True), previews(1000, 10)
    for side in sides:
        side.facts = [FrameFacts(weight=1.0 + number % 3, measured=(0.1 * number, 1.0)) for number in range(len(side))]
    return sides


def trained(folder: Path, how: dict[str, Any], processes: Processes = ALONE) -> None:
    """Train; `killed` of [rank, epoch] kills that process before that epoch, `kept` says whether features are kept."""
    how = {"batch_size": 7, **how}
    kept, killed = how.pop("kept", True), how.pop("killed", None)
    if not kept:
        phase_run.KeptFeatures.fit_for = staticmethod(lambda _: False)  # type: ignore[method-assign]
    if killed is not None and processes.rank == killed[0]:
        _die_before(killed[1], how.pop("cut", False))
    train(*frames(), settings(**how), folder, print, processes)


def _die_before(epoch: int, cut: bool) -> None:
    original, done = fitting.PhaseRun.epoch, []

    def counted(*given: Any) -> Any:
        done.append(1)
        if len(done) == epoch:
            if cut:
                raise Cut
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given)

    fitting.PhaseRun.epoch = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    with joined_processes() as together:
        trained(Path(sys.argv[1]), json.loads(sys.argv[2]), together)
