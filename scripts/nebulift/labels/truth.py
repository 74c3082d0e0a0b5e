"""What is known to be true of frames: a person's reviews, or a table of truth such as `nebulift simulate` writes."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from nebulift.files import read_exactly
from nebulift.labels.reviews import read_reviews
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW
from nebulift.tables import TableError

Truth = dict[tuple[str, str], str]
"""The true label, clean, contaminated or review, by night and frame."""


def read_truth(paths: Iterable[Path]) -> Truth:
    """Read files or folders of them.

    A file is a table of reviews named after its night (columns frame and label), or a table of truth with the columns
    night, frame and verdict. Raises TableError, naming file and line, for what is neither, ValueError for nothing.
    """
    truth: Truth = {}
    given = list(paths)
    for path in given:
        for file in sorted(path.glob("*.tsv")) if path.is_dir() else [path]:
            truth |= _read_file(file)
    if not truth:
        raise ValueError(f"{', '.join(map(str, given))}: no reviews there; see Reviews in config/README.md")
    return truth


def _read_file(path: Path) -> Truth:
    rows = csv.DictReader(io.StringIO(read_exactly(path, "utf-8-sig"), newline=""), delimiter="\t")
    if "verdict" not in (rows.fieldnames or ()):
        return {(path.stem, frame): row["label"] for frame, row in read_reviews(path).items()}
    if missing := {"night", "frame"} - set(rows.fieldnames or ()):
        raise TableError(f"{path}: the column {min(missing)!r} is missing: a table of truth has night, frame, verdict")
    truth = {}
    for row in rows:
        if row["verdict"] not in (CLEAN, CONTAMINATED, REVIEW):
            raise TableError(f"{path}: line {rows.line_num}: {row['verdict']!r} is no verdict")
        truth[row["night"], row["frame"]] = row["verdict"]
    return truth
