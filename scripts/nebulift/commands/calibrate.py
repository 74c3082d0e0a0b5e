"""`nebulift calibrate`: thresholds of the quality score by what people decided."""

import argparse
from pathlib import Path

from nebulift.commands import Commands, add_reviews


def add(commands: Commands) -> None:
    """Add the command `calibrate`."""
    parser = commands.add_parser(
        "calibrate",
        help="choose the thresholds of the quality score by reviews of several nights",
        description="Choose clean_threshold and contaminated_threshold by macro F1 on the reviewed frames of several"
        " nights, tell what they gain on nights left out, and write them as a configuration. Writes nothing where"
        " reviews are too few or nothing is gained.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("labels", type=Path, metavar="LABELS", help="table of labels: results/labels.tsv")
    add_reviews(parser)
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="what the labels were made with"
    )
    parser.add_argument("--output", type=Path, default=Path("thresholds.yaml"), help="configuration to write")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.stages.evaluate import calibrate

    choice = calibrate(chosen.labels, chosen.reviews, chosen.configfile, chosen.output)
    print(
        f"{choice.frames} reviewed frames of {choice.nights} nights; each night labelled by what the others choose:\n"
        f"macro F1 {choice.f1:.4f}, with the thresholds until now {choice.f1_before:.4f}:"
        f" {choice.put_right} frames put right, {choice.put_wrong} put wrong\n"
        f"clean_threshold {choice.thresholds.clean:g}, contaminated_threshold {choice.thresholds.contaminated:g}:"
        f" {chosen.output}\n"
        f"Use them: snakemake --configfile night.yaml {chosen.output}"
    )
    return 0
