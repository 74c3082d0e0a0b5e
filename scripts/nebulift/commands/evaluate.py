"""`nebulift evaluate`: labels or decisions against what is true."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nebulift.commands import Commands, add_reviews


def add(commands: Commands) -> None:
    """Add the command `evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        help="hold labels or decisions against reviews or known truth",
        description="Hold tables of labels (results/labels.tsv) or decisions (results/predictions/*.tsv) against what"
        " people decided, or against a table of truth. Of labels the rules' own word is judged. Intervals are 95 %%.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE", help="table of labels or predictions")
    add_reviews(parser)
    parser.add_argument("--json", action="store_true", help="print every figure as JSON, for programs")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.stages.evaluate import evaluate_table

    figures = evaluate_table(chosen.tables, chosen.reviews)
    print(json.dumps(figures, indent=2) if chosen.json else "\n".join(_lines(figures)))
    return 0


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{figures['frames']} frames judged" + "".join(
        f", {number} {why}" for why, number in figures["left_out"].items() if number
    )
    yield f"accuracy  {_share(figures['accuracy'])} of those called clean or contaminated"
    yield f"settled   {_share(figures['settled'])}"
    yield f"macro F1  {figures['macro_f1']:.3f}"
    for name, of in figures["classes"].items():
        for figure in ("precision", "recall", "f1"):
            yield f"{name:<13} {figure:<10} {_share(of[figure])}"
    yield ""
    said = list(next(iter(figures["confusion_matrix"].values())))
    yield f"{'truly':<24}" + "".join(f"{name:>14}" for name in said)
    for name, row in figures["confusion_matrix"].items():
        yield f"{name:<24}" + "".join(f"{row[word]:>14}" for word in said)
    for title, key in (("night", "nights"), ("first reason", "reasons")):
        yield ""
        columns = list(next(iter(figures[key].values())))
        yield f"{title:<24}" + "".join(f"{column.replace('_', ' '):>20}" for column in columns)
        for name, row in figures[key].items():
            yield f"{name:<24}" + "".join(f"{row[column]:>20}" for column in columns)


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "none to tell"
    counts = f"  ({share['frames']} of {share['of']})" if "of" in share else ""
    return f"{share['value']:.3f}  [{share['low']:.3f}, {share['high']:.3f}]{counts}"
