"""`nebulift simulate`: nights with known artefacts."""

import argparse
from pathlib import Path

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `simulate`."""
    parser = commands.add_parser(
        "simulate",
        help="make up nights of frames with known artefacts",
        description="Write made-up nights, each in a folder named by its date, and truth.tsv beside them.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder to write the nights into")
    parser.add_argument("--nights", type=int, default=3, help="number of nights")
    parser.add_argument("--frames", type=int, default=60, help="frames per night")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same frames")
    parser.add_argument("--width-px", type=int, default=960, help="width of a frame")
    parser.add_argument("--height-px", type=int, default=640, help="height of a frame")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.simulate.night import simulate_nights

    truth = simulate_nights(
        chosen.directory,
        nights=chosen.nights,
        frames=chosen.frames,
        seed=chosen.seed,
        width_px=chosen.width_px,
        height_px=chosen.height_px,
    )
    print(f"{chosen.nights} nights of {chosen.frames} frames, and what is wrong with them: {truth}")
    return 0
