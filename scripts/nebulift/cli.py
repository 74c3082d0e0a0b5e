"""The command `nebulift`."""

import argparse
import logging
import sys
from collections.abc import Sequence

import nebulift
from nebulift.commands import (
    analyze,
    calibrate,
    evaluate,
    merge_labels,
    models,
    pretrain,
    simulate,
    train_from_fits,
    undo_sort,
    watch,
)
from nebulift.config import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 if there is no result, 2 for arguments that cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    chosen = build_parser().parse_args([_with_hyphens(argument) for argument in given])
    try:
        status: int = chosen.run(chosen)
    except (ConfigError, ValueError, OSError) as error:
        print(f"nebulift: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"nebulift: {error}", file=sys.stderr)
        return 1
    return status


def _with_hyphens(argument: str) -> str:
    """Write the name of an option with hyphens: --model_output is --model-output. Values stay as they are."""
    if not argument.startswith("--"):
        return argument
    name, sign, value = argument.partition("=")
    return name.replace("_", "-") + sign + value


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="nebulift",
        description="Grades nights of raw telescope frames before stacking. Options may be written with - or _.",
        epilog="The main way to use Nebulift is its workflow: snakemake --cores 4 --configfile night.yaml",
    )
    parser.add_argument("--version", action="version", version=f"nebulift {nebulift.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listed = (analyze, train_from_fits, evaluate, calibrate, models, simulate, pretrain, undo_sort, merge_labels, watch)
    for command in listed:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
