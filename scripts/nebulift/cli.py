"""The command `nebulift`."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import nebulift
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
    _add_train_from_fits(commands)
    _add_simulate(commands)
    _add_undo_sort(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_train_from_fits(commands: _Commands) -> None:
    parser = commands.add_parser(
        "train-from-fits",
        help="score and label the frames of a folder and train a model on them",
        description="Score and label the frames of a folder, lay out a dataset and train a ResNet18 on it, by running"
        " the workflow. Each sub-folder with frames is a night. Called again, only what changed is done.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder of FITS files")
    parser.add_argument("--model-output", type=Path, default=Path("models/nebulift.pth"), help="the model's file")
    parser.add_argument("--dataset-dir", type=Path, default=Path("datasets/nebulift"), help="the dataset's folder")
    parser.add_argument("--epochs", type=int, default=20, help="most passes over the training frames")
    parser.add_argument("--batch-size", type=int, default=16, help="frames per step")
    parser.add_argument(
        "--clean-threshold", type=float, default=0.7, help="quality score from which on frames are clean"
    )
    parser.add_argument(
        "--contaminated-threshold",
        type=float,
        default=0.3,
        help="quality score up to which frames are contaminated",
    )
    parser.add_argument("--train-split", type=float, default=0.8, help="share of the dataset that trains")
    parser.add_argument("--weights", default="imagenet", help="what training starts from: imagenet, none or a file")
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use; all if not given")
    parser.set_defaults(run=_train_from_fits)


def _train_from_fits(chosen: argparse.Namespace) -> int:
    from nebulift.ml_model import complete_training_pipeline

    results = complete_training_pipeline(
        fits_directory=chosen.directory,
        model_output_path=chosen.model_output,
        dataset_output_dir=chosen.dataset_dir,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        clean_threshold=chosen.clean_threshold,
        contaminated_threshold=chosen.contaminated_threshold,
        train_split=chosen.train_split,
        weights=chosen.weights,
        cores=chosen.cores,
    )
    stats, metrics = results["dataset_stats"], results["final_metrics"]
    print(
        f"dataset: {stats['training_samples']} frames train, {stats['validation_samples']} validate,"
        f" {stats['review_files']} need a person's review: {results['dataset_dir']}"
    )
    if not metrics["trained"]:
        print(f"no model was trained: {metrics['reason']}", file=sys.stderr)
        return 1
    print(f"model: {metrics['best_val_accuracy']:.1f} % of the validation frames right: {results['model_path']}")
    return 0


def _add_simulate(commands: _Commands) -> None:
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
    parser.set_defaults(run=_simulate)


def _simulate(chosen: argparse.Namespace) -> int:
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


def _add_undo_sort(commands: _Commands) -> None:
    parser = commands.add_parser(
        "undo-sort",
        help="take a sorted night apart again: moved frames go back, links and copies are removed",
        description="Take sorted nights apart again by their journals: moved frames go back to where they were, links"
        " and copies are removed.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="folder of one sorted night")
    parser.set_defaults(run=_undo_sort)


def _undo_sort(chosen: argparse.Namespace) -> int:
    from nebulift.sorting.sort import undo_sort

    for folder in chosen.folders:
        restored = undo_sort(folder)
        print(f"{folder}: {len(restored)} moved frames are back in their folder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
