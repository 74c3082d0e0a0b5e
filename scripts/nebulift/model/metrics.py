"""How good predictions are: pure functions of labels (1 clean, 0 contaminated) and of the probability of clean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nebulift.model.description import CLASSES


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """Return counts (2, 2): row = label, column = prediction, both in the order contaminated, clean."""
    matrix = np.zeros((2, 2), dtype=np.int64)
    np.add.at(matrix, (np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
    return matrix


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the share of the predictions that are right, 0 to 1."""
    return float(matrix.trace() / matrix.sum())


def balanced_accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the mean recall of the classes, 0 to 1; a class without frames is left out."""
    counts = matrix.sum(axis=1)
    return float(np.mean(matrix.diagonal()[counts > 0] / counts[counts > 0]))


def area_under_curve(labels: ArrayLike, p_clean: ArrayLike) -> float | None:
    """Return the area under the ROC curve: how often a clean frame stands above a contaminated one, ties half.

    By ranks (Mann & Whitney 1947). None when a class has no frame.
    """
    clean = np.asarray(labels) == 1
    pairs = int(clean.sum()) * int((~clean).sum())
    if pairs == 0:
        return None
    _, place, counts = np.unique(np.asarray(p_clean, dtype=np.float64), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    number = int(clean.sum())
    return float((ranks[clean].sum() - number * (number + 1) / 2) / pairs)


def precision_and_recall(matrix: NDArray[np.int64]) -> dict[str, dict[str, float | None]]:
    """Return precision and recall of each class, 0 to 1, None where nothing was predicted or there is no frame."""
    found, predicted, present = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        name: {
            "precision": float(found[index] / predicted[index]) if predicted[index] else None,
            "recall": float(found[index] / present[index]) if present[index] else None,
        }
        for index, name in enumerate(CLASSES)
    }


def accuracy_by(groups: Sequence[Sequence[str]], right: ArrayLike) -> dict[str, dict[str, float]]:
    """Return how many frames each group has and the share of them that is right; a frame may belong to several."""
    correct = np.asarray(right, dtype=bool)
    names = sorted({name for members in groups for name in members})
    of = {name: np.array([name in members for members in groups]) for name in names}
    return {
        name: {"frames": int(member.sum()), "accuracy": float(correct[member].mean())} for name, member in of.items()
    }


def classification_metrics(labels: ArrayLike, p_clean: ArrayLike) -> dict[str, Any]:
    """Return all of the above for predictions cut at one half, ready for JSON."""
    matrix = confusion_matrix(labels, np.asarray(p_clean) >= 0.5)
    return {
        "accuracy": accuracy(matrix),
        "balanced_accuracy": balanced_accuracy(matrix),
        "auc": area_under_curve(labels, p_clean),
        "classes": precision_and_recall(matrix),
        "confusion_matrix": {
            f"{label}_called_{called}": int(matrix[row, column])
            for row, label in enumerate(CLASSES)
            for column, called in enumerate(CLASSES)
        },
    }
