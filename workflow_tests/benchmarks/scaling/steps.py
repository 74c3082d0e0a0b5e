"""One of several processes that take steps together; the first one prints what they took as JSON.

Started by torchrun: `torchrun ... -m benchmarks.scaling.steps BATCH STEPS`. Previews are noise: what they show costs
nothing, and how long a step takes does not depend on it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from nebulift.dataset.preview import PREVIEW_SIZE_PX
from nebulift.model.dataset import AstroImageDataset
from nebulift.model.network import build_network
from nebulift.model.phase_run import PhaseRun
from nebulift.model.phases import Phase
from nebulift.model.processes import Processes, joined_processes
from nebulift.model.reproducible import reproducible
from nebulift.model.training import TrainingSettings

PHASES = ("frozen", "full")


def observe(batch_size: int, steps: int, processes: Processes) -> dict[str, float]:
    """Return the seconds of a step in each phase, and of putting the gradients of all weights together."""
    settings = TrainingSettings(batch_size=batch_size, threads=1)
    taken = {}
    with reproducible(0, 1):
        for kind in PHASES:
            network = build_network(settings.weights)[0].to(memory_format=torch.channels_last)
            sides = noise(batch_size * steps, 0), noise(2 * processes.number, 1)
            with processes.statistics_of_all(network):
                phase = Phase(kind, 2, 1e-4, 1.0)  # type: ignore[arg-type]
                run = PhaseRun(phase, network, *sides, settings, processes=processes)
                order = torch.Generator().manual_seed(0)
                run.epoch(order)  # the first one prepares what later ones find
                taken[kind] = run.epoch(order)[2] / steps
        weights = torch.zeros(sum(weight.numel() for weight in network.parameters()))
        taken["exchange"] = _seconds(weights) if processes.number > 1 else 0.0
        taken["megabytes"] = 4 * len(weights) / 1e6
    return taken


def noise(number: int, seed: int) -> AstroImageDataset:
    """Return previews of noise, half of them clean."""
    random = np.random.default_rng(seed)

    def load(path: Path) -> Any:
        return random.integers(0, 256, (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX, 3), np.uint8)

    labels = [index % 2 for index in range(number)]
    return AstroImageDataset([Path(f"{index}.png") for index in range(number)], labels, load=load)


def _seconds(weights: Tensor, times: int = 5) -> float:
    distributed.all_reduce(weights)
    begun = time.perf_counter()
    for _ in range(times):
        distributed.all_reduce(weights)
    return (time.perf_counter() - begun) / times


if __name__ == "__main__":
    with joined_processes() as together:
        observed = observe(int(sys.argv[1]), int(sys.argv[2]), together)
    if together.first:
        print(json.dumps(observed))
