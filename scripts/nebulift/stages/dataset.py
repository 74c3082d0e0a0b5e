"""The dataset: labelled frames split into training and validation, as a table, as folders and with a description."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nebulift
from nebulift.dataset.description import SIDES, describe
from nebulift.dataset.folders import check_links, clear_links, link_frames
from nebulift.dataset.preview import PREVIEW_VERSION
from nebulift.dataset.splits import MARGIN, REVIEW, SplitRule, split_night
from nebulift.files import write_text
from nebulift.labels.verdict import CLEAN, CONTAMINATED, UNREADABLE
from nebulift.scoring.version import SCORER_VERSION
from nebulift.tables import Row, read_table, write_table

__all__ = ["SIDES", "dataset_rows", "materialise_dataset"]


def materialise_dataset(
    labels: Path, previews: Path, folder: Path, rule: SplitRule, thresholds: Mapping[str, float]
) -> None:
    """Write dataset.tsv, metadata.json and the folders train, val and review into `folder`.

    `labels` is the label table of all nights, `previews` the folder that holds a folder of previews per night.
    """
    rows = dataset_rows(read_table(labels, "labels"), previews, rule)
    for side in SIDES:
        check_links(folder / side)
    for side in SIDES:
        clear_links(folder / side)
        (folder / side).mkdir(parents=True)
    link_frames(folder, ((row["link"], row["path"], row["preview_path"]) for row in rows if row["link"]))
    write_table(folder / "dataset.tsv", "dataset", rows)
    write_text(folder / "metadata.json", json.dumps(_description(rows, rule, thresholds), indent=2) + "\n")


def dataset_rows(labels: Sequence[Row], previews: Path, rule: SplitRule) -> list[Row]:
    """Return the rows of the dataset, review frames and those of the margins included, unreadable ones never."""
    rows = []
    usable = (row for row in labels if row["label"] != UNREADABLE)
    for night, members in itertools.groupby(usable, key=lambda row: row["night"]):
        frames = list(members)
        placements = split_night(night, [row["frame"] for row in frames], [row["date_obs"] for row in frames], rule)
        for row, placement in zip(frames, placements, strict=True):
            side = placement.side if row["label"] in (CLEAN, CONTAMINATED) else REVIEW
            rows.append(
                {column: row[column] for column in ("night", "frame", "path", "date_obs", "label", "label_source")}
                | {
                    "split": side,
                    "block": placement.block,
                    "preview_path": str(previews / night / row["preview"]),
                    "link": _link(side, row),
                }
            )
    return rows


def _link(side: str, row: Row) -> str:
    """Return the frame's place below the folder; "" for one that is on no side."""
    if side == MARGIN:
        return ""
    classes = () if side == REVIEW else (row["label"],)
    return "/".join((side, *classes, row["night"], row["frame"]))


def _description(rows: Sequence[Row], rule: SplitRule, thresholds: Mapping[str, float]) -> dict[str, Any]:
    return describe(rows, rule) | {
        "thresholds": dict(thresholds),
        "versions": {
            "nebulift": nebulift.__version__,
            "scorer": SCORER_VERSION,
            "preview": PREVIEW_VERSION,
        },
    }
