"""`nebulift train-from-fits`: from a folder of frames to a trained model."""

import argparse
import sys
from pathlib import Path

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `train-from-fits`."""
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
    parser.add_argument(
        "--weights", default="nebulift", help="what training starts from: nebulift, imagenet, none or a file"
    )
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use; all if not given")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
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
        f" {stats['left_out_in_margins']} are too near to these in time,"
        f" {stats['review_files']} need a person's review: {results['dataset_dir']}"
    )
    if not metrics["trained"]:
        print(f"no model was trained: {metrics['reason']}", file=sys.stderr)
        return 1
    print(f"model: {metrics['best_val_accuracy']:.1f} % of the validation frames right: {results['model_path']}")
    return 0
