"""The dataset: labelled frames split into training and validation, as a table, as folders and with a description."""

import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nebulift
from nebulift.dataset.audit import audit_labels, too_few_to_audit
from nebulift.dataset.context import of_preview, read_context, write_context
from nebulift.dataset.description import SIDES, describe
from nebulift.dataset.folders import check_links, clear_links, link_frames
from nebulift.dataset.preview import PREVIEW_VERSION, read_preview
from nebulift.dataset.splits import MARGIN, REVIEW, TRAIN, SplitRule, split_night
from nebulift.dataset.version import CONTEXT_VERSION
from nebulift.files import write_text
from nebulift.labels.verdict import CLEAN, CONTAMINATED, UNREADABLE
from nebulift.scoring.version import SCORER_VERSION
from nebulift.stages.contexts import contexts_of
from nebulift.tables import Row, read_table, write_table

__all__ = ["SIDES", "dataset_rows", "materialise_dataset"]

logger = logging.getLogger(__name__)

# Below review: no night can be called so, and it stands before them in most listings.
AUDIT_FOLDER = "_label_audit"
_TAKEN_OVER = ("night", "frame", "path", "date_obs", "label", "label_source", "reasons")


def materialise_dataset(
    labels: Path, previews: Path, folder: Path, rule: SplitRule, thresholds: Mapping[str, float], audit: bool = True
) -> None:
    """Write dataset.tsv, audit.tsv, metadata.json and the folders train, val and review into `folder`.

    `labels` is the label table of all nights, `previews` the folder that holds a folder of previews per night. With
    `audit`, labels of the rules that frames looking alike contradict leave training for review/_label_audit; those
    that validate stay, because the figures would be flattered without them, and are listed like the others.
    """
    graded = read_table(labels, "labels")
    rows = dataset_rows(graded, previews, rule)
    readable = [row for row in graded if row["label"] != UNREADABLE]
    told = contexts_of(readable, (read_preview(Path(row["preview_path"])) for row in rows))
    for row, context in zip(rows, told, strict=True):
        row["context"] = write_context(context)
    suspected, skipped = audited(rows) if audit else ([], "not asked for")
    for side in SIDES:
        check_links(folder / side)
    for side in SIDES:
        clear_links(folder / side)
        (folder / side).mkdir(parents=True)
    link_frames(folder, ((row["link"], row["path"], row["preview_path"]) for row in rows if row["link"]))
    write_table(folder / "dataset.tsv", "dataset", rows)
    write_table(folder / "audit.tsv", "audit", suspected)
    description = _description(rows, rule, thresholds)
    description["audit"] = {"suspected": len(suspected), **({"skipped": skipped} if skipped else {})}
    write_text(folder / "metadata.json", json.dumps(description, indent=2) + "\n")


def dataset_rows(labels: Sequence[Row], previews: Path, rule: SplitRule) -> list[Row]:
    """Return the rows of the dataset, review frames and those of the margins included, unreadable ones never.

    Their contexts are still empty.
    """
    rows = []
    usable = [row for row in labels if row["label"] != UNREADABLE]
    for night, members in itertools.groupby(usable, key=lambda row: row["night"]):
        frames = list(members)
        placements = split_night(night, [row["frame"] for row in frames], [row["date_obs"] for row in frames], rule)
        for row, placement in zip(frames, placements, strict=True):
            side = placement.side if row["label"] in (CLEAN, CONTAMINATED) else REVIEW
            rows.append(
                {column: row[column] for column in _TAKEN_OVER}
                | {
                    "split": side,
                    "block": placement.block,
                    "preview_path": str(previews / night / row["preview"]),
                    "context": "",
                    "link": _link(side, row),
                }
            )
    return rows


def audited(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """Audit the labels of a dataset's rows; return the rows of the table of the audit, and why there was none, or "".

    Suspected rows that would train are changed to lie in review.
    """
    labelled = [row for row in rows if row["label"] in (CLEAN, CONTAMINATED)]
    labels = [row["label"] for row in labelled]
    # The same time in two nights is one block: one folder per filter makes nights of one evening.
    blocks = [row["block"].partition("/")[2] or row["block"] for row in labelled]
    if too_few := too_few_to_audit(labels, blocks):
        logger.info("%s", too_few)
        return [], too_few
    found = []
    # Without the checks' qualities: labels are made of these, errors included.
    features = np.stack([of_preview(read_context(row["context"])) for row in labelled])
    for suspicion in audit_labels(features, labels, blocks, [r["label_source"] == "human" for r in labelled]):
        row = labelled[suspicion.index]
        if row["split"] == TRAIN:
            row |= {"split": REVIEW, "link": "/".join((REVIEW, AUDIT_FOLDER, row["night"], row["frame"]))}
        found.append(
            {column: row[column] for column in ("night", "frame", "path", "split", "label")}
            | {"looks_like": suspicion.looks_like, "confidence": suspicion.confidence, "reasons": suspicion.reason}
        )
    if found:
        logger.warning("%d labels are suspected to be wrong; review them first: audit.tsv", len(found))
    return found, ""


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
            "context": CONTEXT_VERSION,
        },
    }
