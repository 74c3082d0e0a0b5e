"""`nebulift undo-sort`: a sorted night is taken apart again."""

import argparse
from pathlib import Path

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `undo-sort`."""
    parser = commands.add_parser(
        "undo-sort",
        help="take a sorted night apart again: moved frames go back, links and copies are removed",
        description="Take sorted nights apart again by their journals: moved frames go back to where they were, links"
        " and copies are removed.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="folder of one sorted night")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.sorting.sort import undo_sort

    for folder in chosen.folders:
        restored = undo_sort(folder)
        print(f"{folder}: {len(restored)} moved frames are back in their folder")
    return 0
