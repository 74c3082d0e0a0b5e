"""What an experiment gives: rates and measures with their targets, and what explains them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reporting.intervals import wilson
from benchmarks.reporting.tables import held, markdown_table, percent

Record = dict[str, Any]
HEADER = ("what", "measured", "of", "95 % interval", "target", "")
_RESAMPLES = 1000


@dataclass(frozen=True)
class Plan:
    """What is to be run: which half of the seeds and set-ups, how much, and where the real frames lie."""

    half: str = "test"
    quick: bool = False
    data: Path | None = None

    def some(self, number: int, quick: int = 2) -> int:
        """Return how many to take: `number`, or `quick` where it only has to run."""
        return quick if self.quick else number

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame where nothing else is asked for: half a million pixels, to measure thousands."""
        return (420, 300) if self.quick else (840, 600)

    @property
    def seed(self) -> int:
        """The first seed of this half; the other half's lie far away."""
        return {"development": 1_000_000, "test": 3_000_000}[self.half]


@dataclass(frozen=True)
class Rate:
    """`found` of `of`, to be at least the target (0 to 1), or at most."""

    name: str
    found: int
    of: int
    target: float | None = None
    at_most: bool = False

    @property
    def share(self) -> float:
        """`found` over `of`; NaN where there was none."""
        return self.found / self.of if self.of else math.nan

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None without a target or a trial."""
        if self.target is None or not self.of:
            return None
        return self.share <= self.target if self.at_most else self.share >= self.target

    def row(self) -> list[str]:
        """Return the cells under HEADER."""
        low, high = wilson(self.found, self.of)
        sign = "at most" if self.at_most else "at least"
        return [
            self.name,
            f"{self.found}, {percent(self.share)}" if self.of else "",
            str(self.of),
            f"{percent(low)} to {percent(high)}" if self.of else "",
            "" if self.target is None else f"{sign} {100 * self.target:g} %",
            _word(self.holds, self.target),
        ]


@dataclass(frozen=True)
class Measure:
    """A statistic of values, to be at most the target; its interval by resampling (Efron 1979)."""

    name: str
    values: Sequence[float]
    statistic: Callable[[Any], float]
    target: float | None = None
    unit: str = ""
    scale: float = 1.0

    @property
    def value(self) -> float:
        """The statistic of the values; NaN without any."""
        return float(self.statistic(np.asarray(self.values))) if len(self.values) else math.nan

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; None without a target or a value."""
        return None if self.target is None or not len(self.values) else self.value <= self.target

    def row(self) -> list[str]:
        """Return the cells under HEADER."""
        if not len(self.values):
            return [self.name, "", "0", "", self._written(self.target), _word(None, self.target)]
        random, values = np.random.default_rng(1), np.asarray(self.values)
        again = [self.statistic(random.choice(values, len(values))) for _ in range(_RESAMPLES)]
        low, high = np.quantile(again, [0.025, 0.975])
        target = "" if self.target is None else f"at most {self._written(self.target)}"
        interval = f"{self._written(low)} to {self._written(high)}"
        verdict = _word(self.holds, self.target)
        return [self.name, self._written(self.value), str(len(values)), interval, target, verdict]

    def _written(self, value: float | None) -> str:
        return "" if value is None else f"{self.scale * value:.3g} {self.unit}".strip()


def _word(holds: bool | None, target: float | None) -> str:
    if target is None:
        return ""
    return "not measured" if holds is None else held(holds)


def rms(values: Any) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def percentile_95(values: Any) -> float:
    """Return what 95 % of the absolute values stay below."""
    return float(np.quantile(np.abs(values), 0.95))


@dataclass
class Outcome:
    """What one experiment found, ready to be written."""

    figures: list[Rate | Measure] = field(default_factory=list)
    tables: list[tuple[str, Sequence[str], Sequence[Sequence[object]]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plots: list[tuple[str, str]] = field(default_factory=list)
    """Title and file name."""

    def text(self, title: str, plots: str) -> str:
        """Return the outcome as Markdown; `plots` is the folder of the plots as seen from the page."""
        parts = [f"### {title}"]
        if self.figures:
            parts.append(markdown_table(HEADER, [figure.row() for figure in self.figures]))
        parts += self.notes
        for name, header, rows in self.tables:
            parts += [f"{name}:", markdown_table(header, rows)]
        parts += [f"![{name}]({plots}/{file})" for name, file in self.plots]
        return "\n\n".join(part.strip("\n") for part in parts)
