"""`nebulift pretrain`: the weights that training starts from, made anew."""

import argparse
import os
from pathlib import Path

from nebulift.commands import Commands
from nebulift.job import limit_threads


def add(commands: Commands) -> None:
    """Add the command `pretrain`."""
    parser = commands.add_parser(
        "pretrain",
        help="make the weights that training starts from, from simulated frames",
        description="Simulate frames with known artefacts from many set-ups, score them, train a ResNet18 on their"
        " previews, and write its weights, and a card beside them. Ended and called again, it goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the weights, a .safetensors file")
    parser.add_argument("--frames", type=int, default=2560, help="frames to simulate")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same weights")
    parser.add_argument("--width-px", type=int, default=640, help="width of a frame")
    parser.add_argument("--height-px", type=int, default=480, help="height of a frame")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="frames simulated side by side")
    parser.add_argument("--epochs", type=int, default=10, help="most passes over the training frames")
    parser.add_argument("--batch-size", type=int, default=16, help="frames per step")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="largest learning rate")
    parser.add_argument("--threads", type=int, default=1, help="threads of training; another number, other weights")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="bfloat16", help="bfloat16 is faster on some processors"
    )
    parser.add_argument("--cache", type=Path, default=Path("pretrain"), help="folder of previews and of what is undone")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    # Before numpy and its kin are imported; the processes side by side take it over.
    limit_threads(chosen.threads)
    if chosen.output.suffix != ".safetensors":
        raise ValueError(f"--output is {chosen.output}: give a file ending in .safetensors")
    from nebulift.model.training import TrainingSettings
    from nebulift.stages.made_up_previews import MadeUp
    from nebulift.stages.pretrain import pretrain

    figures = pretrain(
        chosen.output,
        MadeUp(chosen.frames, chosen.seed, chosen.width_px, chosen.height_px),
        chosen.cache,
        chosen.workers,
        TrainingSettings(
            weights="none",
            epochs=chosen.epochs,
            batch_size=chosen.batch_size,
            learning_rate=chosen.learning_rate,
            seed=chosen.seed,
            threads=chosen.threads,
            precision=chosen.precision,
        ),
        lambda line: print(line, flush=True),
    )
    print(f"{chosen.output}: {100 * figures['accuracy']:.1f} % of the frames held out right, and a card beside it")
    return 0
