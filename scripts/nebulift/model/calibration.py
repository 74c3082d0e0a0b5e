"""Calibration: making a probability of 0.9 be right nine times in ten."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

TEMPERATURE_RANGE = (0.05, 20.0)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature that logits (N, 2) are to be divided by: temperature scaling (Guo et al. 2017).

    It minimises the negative log-likelihood of labels (N) on frames that were not trained on, by L-BFGS, together with
    a prior as strong as one frame that keeps it near 1: frames that are few or all right would else ask for certainty.
    """
    usable = torch.isfinite(logits).all(dim=1)
    values, targets = logits[usable].double(), labels[usable].long()
    if len(values) == 0:
        return 1.0
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")
    low, high = map(math.log, TEMPERATURE_RANGE)

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = values / torch.exp(torch.clamp(log_temperature, 2 * low, 2 * high))
        error = torch.nn.functional.cross_entropy(scaled, targets, reduction="sum")
        total: Tensor = (error + 0.5 * log_temperature**2) / len(values)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = float(log_temperature.detach())
    return math.exp(min(max(found, low), high)) if math.isfinite(found) else 1.0


@dataclass(frozen=True)
class ReliabilityBin:
    """The frames whose probability of clean lies between two values: its mean, and the share that is clean."""

    frames: int
    mean_p_clean: float
    share_clean: float


def reliability(p_clean: ArrayLike, labels: ArrayLike, bins: int = 15) -> list[ReliabilityBin]:
    """Return the bins of equal width over the probability that have frames, from the lowest; the reliability diagram.

    Raises ValueError without frames.
    """
    p, clean = np.asarray(p_clean, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if p.size == 0:
        raise ValueError("no predictions to measure the calibration of")
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    frames, said, was = (np.bincount(place, weights=of, minlength=bins) for of in (None, p, clean))
    return [
        ReliabilityBin(int(frames[one]), float(said[one] / frames[one]), float(was[one] / frames[one]))
        for one in np.flatnonzero(frames)
    ]


def expected_calibration_error(p_clean: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Return the mean distance, 0 to 1, between the probability of clean and the share that is clean.

    In bins of equal width over the probability, weighted by their frames (Naeini et al. 2015). Raises ValueError
    without frames.
    """
    found = reliability(p_clean, labels, bins)
    return sum(one.frames * abs(one.mean_p_clean - one.share_clean) for one in found) / sum(one.frames for one in found)
