"""`nebulift analyze`: grade files without a workflow."""

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nebulift.commands import Commands


def add(commands: Commands) -> None:
    """Add the command `analyze`."""
    parser = commands.add_parser(
        "analyze",
        help="grade a few files: score, reasons and what the model says",
        description="Grade files, compared with each other like the frames of one night. The model is the one given,"
        " configured, or promoted (nebulift models); without one the rules decide.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="frame: FITS, TIFF, PNG or JPEG")
    parser.add_argument("--model", default=None, help="model.onnx or model.pth to ask")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="configuration, as for the workflow"
    )
    parser.add_argument("--json", action="store_true", help="print every value as JSON, for programs")
    parser.set_defaults(run=_run)


_DECIDED_BY = {
    "cv": "decided by the rules",
    "agreement": "rules and model agree",
    "model": "decided by the model",
    "disagreement": "rules and model disagree",
    "unsure": "the model is not sure",
}


def _run(chosen: argparse.Namespace) -> int:
    from nebulift.config import read_config
    from nebulift.stages.analyze import analyze_files

    config: dict[str, Any] = read_config(chosen.configfile) if chosen.configfile else {}
    if chosen.model is not None:
        config = {**config, "model": {**config.get("model", {}), "path": chosen.model}}
    rows = analyze_files(chosen.files, config)
    if chosen.json:
        print(json.dumps([{column: _plain(value) for column, value in row.items()} for row in rows], indent=2))
        return 0
    for row in rows:
        print("\n".join(_lines(row)))
    graded = {row["frame"] for row in rows}
    for file in chosen.files:
        if file not in graded:
            print(f"{file}: not graded, for it is no light frame")
    return 0


def _plain(value: Any) -> Any:
    """Return what was not measured as JSON has it: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"{row['frame']}: {row['decision']}, {_DECIDED_BY[row['decided_by']]}"
    score = row.get("quality_score")
    yield f"    rules: {row['label']}" + ("" if score is None else f", quality {score:.2f}")
    yield "    model: " + ("none" if row["p_clean"] is None else f"clean with probability {row['p_clean']:.3f}")
    for reason in filter(None, row["decision_reasons"].split("; ")):
        yield f"    {reason}"
