"""What metadata.json says of a dataset: counts, blocks with their sides and times, and a fingerprint."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nebulift.dataset.splits import MARGIN, REVIEW, TRAIN, VAL, SplitRule, count_in_name
from nebulift.tables import Row

SIDES = (TRAIN, VAL, REVIEW)


def describe(rows: Sequence[Row], rule: SplitRule) -> dict[str, Any]:
    """Return what is known of a dataset from the rows of its table, ready for JSON; see `leaks` and `fingerprint`."""

    def counted(column: str, side: str) -> dict[str, int]:
        return dict(sorted(Counter(row[column] for row in rows if row["split"] == side).items()))

    return {
        "frames": len(rows),
        "counts": {side: counted("label", side) for side in SIDES},
        "nights": {side: counted("night", side) for side in SIDES},
        "left_out_in_margins": sum(row["split"] == MARGIN for row in rows),
        "labels_by_people": sum(row["label_source"] == "human" for row in rows),
        "split_rule": asdict(rule),
        "fingerprint": fingerprint(rows),
        "blocks": _blocks(rows),
    }


def fingerprint(rows: Iterable[Row]) -> str:
    """Return a SHA-256 of what trains and validates: frames with side, label, who gave it, context and preview.

    Neither the order of the rows nor where the files lie changes it. A preview that is missing counts as empty.
    """
    columns = ("night", "frame", "split", "label", "label_source", "context")
    used = sorted(
        [*(row[column] for column in columns), _content(row["preview_path"])]
        for row in rows
        if row["split"] in (TRAIN, VAL)
    )
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()


def _content(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _blocks(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Describe each block by the frames of it that train or validate: how many, and from when to when.

    Where frames have no time it is by the counts in their names.
    """
    members: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["split"] in (TRAIN, VAL):
            members.setdefault((row["night"], row["block"], row["split"]), []).append(row)
    return [_block(*key, frames) for key, frames in members.items()]


def _block(night: str, block: str, side: str, frames: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    dates = sorted(row["date_obs"] for row in frames if row["date_obs"])
    counts = sorted(
        count for row in frames if not row["date_obs"] and (count := count_in_name(row["frame"])) is not None
    )
    return {
        "night": night,
        "block": block,
        "side": side,
        "frames": len(frames),
        "times": [dates[0], dates[-1]] if dates else [],
        "counts_in_names": [counts[0], counts[-1]] if counts else [],
    }
