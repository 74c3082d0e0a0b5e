"""What a person decided: reviews/<night>.tsv, which no rule ever writes."""

from pathlib import Path

from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW
from nebulift.tables import Row, TableError, read_numbered

_REVIEWABLE = (CLEAN, CONTAMINATED, REVIEW)


def read_reviews(path: Path) -> dict[str, Row]:
    """Return the reviews by frame; a later line about a frame overrides an earlier one.

    Raises TableError, naming the file and the line, for a label that is none.
    """
    reviews: dict[str, Row] = {}
    for line, row in read_numbered(path, "reviews"):
        label = row["label"].strip().lower()
        if label not in _REVIEWABLE:
            raise TableError(f"{path}: line {line}: {row['label']!r} is no label; use {', '.join(_REVIEWABLE)}")
        reviews[row["frame"]] = {**row, "label": label, "note": row.get("note") or ""}
    return reviews
