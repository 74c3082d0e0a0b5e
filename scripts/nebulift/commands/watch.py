"""`nebulift watch`: grade a night while it happens."""

import argparse
from pathlib import Path

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `watch`."""
    parser = commands.add_parser(
        "watch",
        help="grade the frames of a night as they land",
        description="Grade the frames of a folder as they land, by running the workflow on it whenever there are new"
        " ones. A file that is still being written is left alone until it is whole. The labels so far are always in"
        " results/watch/<night>.tsv. Ends with Ctrl-C, and goes on when it is started again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder that the night's frames land in")
    parser.add_argument("--run", type=Path, default=Path(), help="folder of the run, with its results", dest="folder")
    parser.add_argument("--night", default=None, help="name of the night; that of DIR if not given")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="settings, as for the workflow")
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use; all if not given")
    parser.add_argument(
        "--settled", type=float, default=1.0, help="seconds for which a file has to stay as it is before it is read"
    )
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.stages.watch import Watch

    watch = Watch(chosen.directory, chosen.folder, chosen.night, chosen.configfile, chosen.cores, chosen.settled)
    watch.go_on_until_interrupted()
    return 0
