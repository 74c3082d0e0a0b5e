"""`nebulift merge-labels`: the labels of several seasons become one table."""

import argparse
from pathlib import Path

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `merge-labels`."""
    parser = commands.add_parser(
        "merge-labels",
        help="join the labels of several seasons into one table",
        description="Join tables of labels (results/labels.tsv) of runs of their own, season by season, into one.",
    )
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE", help="labels.tsv of a season")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the table to write")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.stages.merge import merge_seasons

    nights = merge_seasons(chosen.tables, chosen.output)
    print(f"{chosen.output}: {sum(nights.values())} frames of {len(nights)} nights")
    return 0
