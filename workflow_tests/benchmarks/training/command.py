"""The command: train from our weights and from none, ask both runtimes, write the section on training of RESULTS.md.

Each training's record is kept in the folder of the output; a run that was cut off goes on where it was.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting.machine import described
from benchmarks.reporting.page import BENCHMARKS, RESULTS, write_section
from benchmarks.training import inference, starts
from nebulift.files import write_text
from nebulift.model.weights_file import SHIPPED_WEIGHTS
from nebulift.simulate.catalogue import HALVES, set_ups

PACKAGES = ("numpy", "torch", "torchvision", "onnxruntime")
# The seed of the nights of each half: no night is made from one of the other.
_NIGHTS = {"development": 4_000_000, "test": 5_000_000}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    records = [
        record
        for number, set_up in enumerate(set_ups(given.half, 1024, 768)[: given.set_ups])
        for seed in range(given.seeds)
        for weights in starts.STARTS
        if (record := _kept(given, number, set_up, weights, seed))
    ]
    asked = inference.observe(given.frames)
    about = described(sys.argv[1:] if arguments is None else arguments, "training", PACKAGES)
    about += f"- half: {given.half}, {given.seeds} seeds, {given.epochs} epochs\n"
    parts = ["## Training", about.strip("\n"), starts.text(records), inference.text(asked)]
    write_section(given.page, "training", "\n\n".join(part.strip("\n") for part in parts) + "\n")
    return 0


def _kept(given: argparse.Namespace, number: int, set_up: Any, weights: str, seed: int) -> dict[str, Any]:
    """Return the record of a training, of an earlier run if there is one from the same weights."""
    content = hashlib.sha256(SHIPPED_WEIGHTS.read_bytes()).hexdigest()[:12] if weights == "nebulift" else "none"
    path = given.output / f"start-{given.half}-{number}-{content}-{seed}-{given.epochs}.json"
    if not path.exists():
        nights_seed = _NIGHTS[given.half] + 10 * number
        record = starts.observe(set_up, nights_seed, weights, seed, given.epochs, given.output / "nights")
        write_text(path, json.dumps(record))
        print(f"{set_up.name}, {weights}, seed {seed}: {record['accuracy']:.3f}, {record['auc']:.3f}", flush=True)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=tuple(HALVES), default="test", help="of set-ups and seeds")
    parser.add_argument("--set-ups", type=int, default=2, help="cameras, the first ones of the half")
    parser.add_argument("--seeds", type=int, default=5, help="trainings from each start and camera")
    parser.add_argument("--epochs", type=int, default=12, help="most epochs of a training")
    parser.add_argument("--frames", type=int, default=40, help="frames that both runtimes are asked about")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results", help="where records are kept")
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    return parser.parse_args(arguments)
