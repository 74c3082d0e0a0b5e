"""The commands of `nebulift`, one module each: its options, and a call of the library."""

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command adds its parser to."""


REVIEWS = [Path("reviews")]
"""Where reviews are if nothing else is said."""


def add_reviews(parser: argparse.ArgumentParser) -> None:
    """Add the option `--reviews`: where to read what is true of frames."""
    parser.add_argument(
        "--reviews",
        type=Path,
        nargs="+",
        default=REVIEWS,
        metavar="PATH",
        help="folder of reviews, a file of reviews named after its night, or a table with night, frame and verdict",
    )
