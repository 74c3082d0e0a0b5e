"""How sure a model must be for what it says to be wrong at most so often, and whether that can be promised at all.

The promise: of the frames that the model calls clean (or contaminated), at most the share `risk` is not, with a
confidence of 90 %. It is made from frames that were not trained on, by "learn then test" (Angelopoulos et al. 2021):
thresholds on a fixed grid are tested by the exact binomial distribution (Clopper & Pearson 1934), from the strictest
of each of three runs towards the most lenient, until one fails; the runs share the doubt (Bonferroni). It holds for
frames like those it was made from: of the same kinds of nights, labelled in the same way, each counted as if it were
independent of its neighbours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from nebulift.labels.verdict import CLEAN, CONTAMINATED

CONFIDENCE = 0.9
# Probabilities of the class that is called, from the strictest of each run to the most lenient.
RUNS = ((0.99, 0.98, 0.97, 0.96), (0.95, 0.94, 0.93, 0.92, 0.91), (0.9, 0.85, 0.8, 0.7, 0.6, 0.5))
_GRID = tuple(sorted(probability for run in RUNS for probability in run))

Counts = Mapping[str, Any]
"""What `count_calls` returns: enough to make a promise for any risk."""


@dataclass(frozen=True, slots=True)
class Promise:
    """From which probability of clean (`clean`), and up to which (`contaminated`), the promise holds; None if nowhere.

    Where it is None, `why_not` tells why, by class.
    """

    risk: float
    clean: float | None
    contaminated: float | None
    why_not: Mapping[str, str]


def count_calls(p_clean: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """Return, ready for JSON, how many frames each class would call at each probability, and how many wrongly.

    `p_clean` (N) are calibrated probabilities of clean, 0 to 1, on frames that were not trained on, `labels` (N) are 1
    for clean and 0 for contaminated. What is no number is no call. Raises ValueError where the numbers differ.
    """
    probabilities, clean = np.asarray(p_clean, dtype=np.float64), np.asarray(labels) == 1
    if probabilities.shape != clean.shape:
        raise ValueError(f"{probabilities.size} probabilities but {clean.size} labels: give one label per probability")

    def counted(calls: list[Any], wrong: Any) -> dict[str, list[int]]:
        return {"called": [int(call.sum()) for call in calls], "wrong": [int((call & wrong).sum()) for call in calls]}

    return {
        "probabilities": list(_GRID),
        CLEAN: counted([probabilities >= probability for probability in _GRID], ~clean),
        CONTAMINATED: counted([probabilities <= _of_clean(probability) for probability in _GRID], clean),
    }


def promise(counts: Counts, risk: float) -> Promise:
    """Return the most lenient thresholds at which the promise of a `risk` (above 0, below 1) can be kept.

    Raises ValueError for another risk, or counts that are none.
    """
    if not 0 < risk < 1:
        raise ValueError(f"a risk is above 0 and below 1, not {risk:g}")
    found: dict[str, float | None] = {}
    why_not = {}
    for word in (CLEAN, CONTAMINATED):
        try:
            calls = {
                probability: (int(called), int(wrong))
                for probability, called, wrong in zip(
                    counts["probabilities"], counts[word]["called"], counts[word]["wrong"], strict=True
                )
            }
            found[word] = _most_lenient(calls, risk)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the counts behind the model's thresholds cannot be used: {error!r}") from error
        if found[word] is None:
            why_not[word] = _why_not(word, calls, risk)
    contaminated = found[CONTAMINATED]
    return Promise(risk, found[CLEAN], None if contaminated is None else _of_clean(contaminated), why_not)


def no_promise(risk: float, why: str) -> Promise:
    """Return the promise of a model of which nothing is known."""
    return Promise(risk, None, None, {CLEAN: why, CONTAMINATED: why})


def frames_needed(risk: float) -> int:
    """Return how many frames must be called, all rightly, before `risk` can be promised."""
    return math.ceil(math.log(_doubt()) / math.log1p(-risk))


def _of_clean(contaminated: float) -> float:
    """Return the probability of clean that belongs to one of contaminated."""
    return round(1 - contaminated, 6)


def _doubt() -> float:
    """Return how often each run may err."""
    return (1 - CONFIDENCE) / len(RUNS)


def _most_lenient(calls: Mapping[float, tuple[int, int]], risk: float) -> float | None:
    """Return the lowest probability that its run reaches without a failed test, None where every run fails at once."""
    kept = []
    for run in RUNS:
        for probability in run:
            called, wrong = calls[probability]
            # How likely so few errors are if the share of errors were as high as the risk.
            if called == 0 or binom.cdf(wrong, called, risk) > _doubt():
                break
            kept.append(probability)
    return min(kept, default=None)


def _why_not(word: str, calls: Mapping[float, tuple[int, int]], risk: float) -> str:
    most, needed = max(called for called, _ in calls.values()), frames_needed(risk)
    if most < needed:
        return (
            f"of the frames that validate it calls {most} {word}, and {needed} are needed to promise"
            f" that at most {100 * risk:g} % are not"
        )
    start = min(run[0] for run in RUNS)
    called, wrong = calls[start]
    return (
        f"of the {called} frames that validate and are called {word} at {start:g} {wrong} are not,"
        f" too many, or of too few, to promise at most {100 * risk:g} %"
    )
