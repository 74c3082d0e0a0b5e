"""What is to be run, and what an experiment of this benchmark gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Which half of the set-ups and seeds, how much of each, and where the real frames lie."""

    half: str = "test"
    quick: bool = False
    data: Path | None = None

    def some(self, number: int, quick: int = 2) -> int:
        """Return how many to take: `number`, or `quick` where it only has to run."""
        return quick if self.quick else number
