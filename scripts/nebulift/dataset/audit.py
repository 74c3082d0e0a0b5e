"""The audit of weak labels: those that the rules gave and that frames looking alike contradict.

Confident learning (Northcutt et al. 2021, cleanlab) on probabilities out of fold, where a fold is whole blocks of time:
a frame's neighbours never vouch for it. The classifier sees what the previews show and none of the values that
the rules judged by: labels are made of those, so a classifier on them says the same again, errors included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.labels.verdict import CLEAN, CONTAMINATED

_FOLDS = 5
FEWEST_PER_CLASS = 20
_TREES = 200
_INVERSE_RIDGE = 0.1


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label that is likely wrong: the frame's place, how likely it is right (0 to 1), and the label it looks like."""

    index: int
    confidence: float
    looks_like: str

    @property
    def reason(self) -> str:
        """The words for it."""
        return f"label audit: looks {self.looks_like} to other frames, confidence in the label {self.confidence:.3g}"


def too_few_to_audit(labels: Sequence[str], blocks: Sequence[str]) -> str:
    """Return why labels (clean or contaminated) in these blocks cannot be audited; "" where they can."""
    counts = {name: labels.count(name) for name in (CLEAN, CONTAMINATED)}
    spread = min(len({b for b, label in zip(blocks, labels, strict=True) if label == name}) for name in counts)
    if min(counts.values()) >= FEWEST_PER_CLASS and spread >= _FOLDS:
        return ""
    return (
        f"too few labels to audit: {counts[CLEAN]} clean and {counts[CONTAMINATED]} contaminated, one of the two"
        f" in {spread} blocks; {FEWEST_PER_CLASS} frames and {_FOLDS} blocks of each are needed"
    )


def audit_labels(
    features: NDArray[np.float64], labels: Sequence[str], blocks: Sequence[str], by_people: Sequence[bool]
) -> list[Suspicion]:
    """Return the labels (clean or contaminated) of frames with features (N, K) that are likely wrong, the worst first.

    `blocks` are what stays together in a fold. What people said (`by_people`) helps to judge and is never suspected.
    The same frames give the same suspicions. Raises ValueError where there are too few, see `too_few_to_audit`.
    """
    if why := too_few_to_audit(labels, blocks):
        raise ValueError(why)
    # Imported here: these take seconds that only an audit has to pay.
    from cleanlab.filter import find_label_issues

    clean = np.array([label == CLEAN for label in labels], dtype=np.int64)
    probabilities = _out_of_fold(features, clean, blocks)
    found = find_label_issues(clean, probabilities, filter_by="confident_learning", n_jobs=1)
    suspicions = [
        Suspicion(index, float(probabilities[index, clean[index]]), CONTAMINATED if clean[index] else CLEAN)
        for index in np.flatnonzero(found).tolist()
        if not by_people[index]
    ]
    return sorted(suspicions, key=lambda suspicion: (suspicion.confidence, suspicion.index))


def _out_of_fold(features: NDArray[np.float64], clean: NDArray[np.int64], blocks: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities (N, 2) of contaminated and clean, each by judges that saw no frame of its block.

    The mean of trees and a logistic regression, which err on different frames. What is wrong with a frame may lie on
    either side of its group, so the latter is given the size of the features beside them.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    probabilities = np.empty((len(clean), 2))
    both_sides = np.hstack([features, np.abs(features)])
    for train, test in StratifiedGroupKFold(_FOLDS).split(features, clean, blocks):
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=3, class_weight="balanced", random_state=0)
        line = LogisticRegression(C=_INVERSE_RIDGE, class_weight="balanced", max_iter=1000)
        by_trees = trees.fit(features[train], clean[train]).predict_proba(features[test])
        by_line = line.fit(both_sides[train], clean[train]).predict_proba(both_sides[test])
        probabilities[test] = (by_trees + by_line) / 2
    return probabilities
