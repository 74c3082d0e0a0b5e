"""The lines that the score table lists of a frame: its streaks, then those that are no trails."""

import json
from collections.abc import Sequence

from nebulift.tables import Row


def listed_lines(row: Row) -> list[list[float]]:
    """Return [significance, x1_px, y1_px, x2_px, y2_px, width_px, brightness_adu] of each, `streaks` first."""
    return [*json.loads(row["streaks"]), *json.loads(row["other_lines"])]


def is_streak(scores: Sequence[Row], line: tuple[int, int]) -> bool:
    """Tell whether a line, (index of the row, index in its listed lines), is one of its streaks."""
    index, number = line
    return number < len(json.loads(scores[index]["streaks"]))
