"""The order in which the frames of a night were taken."""

from nebulift.tables import Row


def capture_order(row: Row) -> tuple[bool, str, str]:
    """Return a sorting key: by time; frames without one come last, by name."""
    return (not row["date_obs"], row["date_obs"], row["frame"])
