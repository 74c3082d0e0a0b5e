"""The lines that the score table lists of a frame: its streaks, what may be such, and what is none."""

import json
from collections.abc import Sequence

from nebulift.tables import Row

ListedLine = tuple[int, int]
"""A line: the index of its row, and its index in `listed_lines` of the row."""


def listed_lines(row: Row) -> list[list[float]]:
    """Return [significance, x1_px, y1_px, x2_px, y2_px, width_px, brightness_adu] of each.

    `streaks` come first, then `doubtful_lines`, then `other_lines`.
    """
    return [*json.loads(row["streaks"]), *json.loads(row["doubtful_lines"]), *json.loads(row["other_lines"])]


def is_streak(scores: Sequence[Row], line: ListedLine) -> bool:
    """Tell whether a line is one of the streaks of its frame."""
    index, number = line
    return number < len(json.loads(scores[index]["streaks"]))


def is_doubtful(scores: Sequence[Row], line: ListedLine) -> bool:
    """Tell whether a line is one of the doubtful ones of its frame."""
    index, number = line
    row = scores[index]
    return 0 <= number - len(json.loads(row["streaks"])) < len(json.loads(row["doubtful_lines"]))
