"""How good labels or decisions are, held against what is true."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from nebulift.labels.truth import Truth
from nebulift.labels.verdict import CLEAN, CONTAMINATED, LABELS, REVIEW
from nebulift.tables import Row

CLASSES = (CLEAN, CONTAMINATED)


@dataclass(frozen=True, slots=True)
class Judged:
    """A frame with what was said of it (clean, contaminated, review or unreadable), and what is true."""

    night: str
    said: str
    truth: str
    reasons: str = ""


def judged_frames(rows: Sequence[Row], truth: Truth) -> tuple[list[Judged], dict[str, int]]:
    """Return the frames of a table of labels or predictions that can be judged, and how many cannot, by why.

    Of labels it is the rules' word that is judged, also where a person overruled it. A decision that a person took
    says nothing of the program, and a person's `review` does not say what is true: both are left out.
    """
    judged = []
    left_out = Counter({"without truth": 0, "true label is review": 0, "decided by a person": 0})
    for row in rows:
        true = truth.get((row["night"], row["frame"]))
        if true is None:
            left_out["without truth"] += 1
        elif true == REVIEW:
            left_out["true label is review"] += 1
        elif row.get("decided_by") == "human":
            left_out["decided by a person"] += 1
        else:
            said = row["decision"] if "decision" in row else row["cv_label"]
            judged.append(Judged(row["night"], said, true, row["reasons"]))
    return judged, dict(left_out)


def evaluate(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return figures ready for JSON, shares from 0 to 1 with 95 % intervals (Wilson 1927).

    `accuracy` is the share of the frames called clean or contaminated that are so, `settled` the share that was called
    at all, recall counts what was not as not found. The interval of F1 is that of the share TP / (TP + FP + FN), of
    which F1 is a monotone function. Nights and reasons tell how many frames they have, settled and right. Raises
    ValueError without a frame.
    """
    if not judged:
        raise ValueError("no frame whose truth is known can be judged; nothing to evaluate")
    matrix = {true: dict.fromkeys(LABELS, 0) for true in CLASSES}
    for frame in judged:
        matrix[frame.truth][frame.said] += 1
    classes = {name: _of_class(name, matrix) for name in CLASSES}
    settled = [frame for frame in judged if frame.said in CLASSES]
    f1 = [classes[name]["f1"]["value"] for name in CLASSES if classes[name]["f1"]["value"] is not None]
    return {
        "frames": len(judged),
        "accuracy": _share(sum(frame.said == frame.truth for frame in settled), len(settled)),
        "settled": _share(len(settled), len(judged)),
        "macro_f1": sum(f1) / len(f1),
        "classes": classes,
        "confusion_matrix": matrix,
        "nights": _by({night: [f for f in judged if f.night == night] for night in sorted({f.night for f in judged})}),
        "reasons": _by(_by_reason(judged)),
    }


def f1_score(found: int, called: int, present: int) -> float | None:
    """Return 2 TP / (2 TP + FP + FN) of `found` right among `called` and `present`; None where there is neither."""
    return 2 * found / (called + present) if called + present else None


def _of_class(name: str, matrix: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    found = matrix[name][name]
    called, present = sum(row[name] for row in matrix.values()), sum(matrix[name].values())
    overlap = _share(found, called + present - found)
    of_f1 = {end: None if overlap[end] is None else 2 * overlap[end] / (1 + overlap[end]) for end in ("low", "high")}
    return {
        "precision": _share(found, called),
        "recall": _share(found, present),
        "f1": {"value": f1_score(found, called, present), **of_f1},
    }


def _by_reason(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Return the frames by the word of their first reason, "none" where they have none, the most frequent first."""
    by: dict[str, list[Judged]] = {}
    for frame in judged:
        by.setdefault(frame.reasons.partition(":")[0] or "none", []).append(frame)
    return dict(sorted(by.items(), key=lambda item: (-len(item[1]), item[0])))


def _by(groups: Mapping[str, Sequence[Judged]]) -> dict[str, dict[str, int]]:
    return {
        name: {
            "frames": len(frames),
            "settled": sum(frame.said in CLASSES for frame in frames),
            "right": sum(frame.said == frame.truth for frame in frames),
            **{f"truly_{label}": sum(frame.truth == label for frame in frames) for label in CLASSES},
        }
        for name, frames in groups.items()
    }


def _share(part: int, whole: int) -> dict[str, Any]:
    if whole == 0:
        return {"value": None, "low": None, "high": None, "frames": 0, "of": 0}
    interval = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return {
        "value": part / whole,
        "low": float(interval.low),
        "high": float(interval.high),
        "frames": part,
        "of": whole,
    }
