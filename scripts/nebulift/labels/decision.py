"""Who decides: a person, rules and model together, the model alone, or the rules alone."""

from dataclasses import dataclass

from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE
from nebulift.tables import Row


@dataclass(frozen=True, slots=True)
class Certainty:
    """Probabilities of clean: from `clean` upwards the model is sure of clean, up to `contaminated` of contaminated."""

    clean: float = 0.9
    contaminated: float = 0.1


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a frame goes, who decided it, and why."""

    decision: str
    decided_by: str
    reasons: str


def decide(label: Row, p_clean: float | None, certainty: Certainty) -> Decision:
    """Decide on a frame from its row of the label table and the model's probability of clean, if there is one.

    A person's label wins. Where rules and model contradict each other, a person has to look. The model settles what
    the rules left open, if it is sure; where it is not, the rules stand.
    """
    measured, reasons = label["label"], label["reasons"]
    if measured == UNREADABLE:
        return Decision(UNREADABLE, "cv", reasons)
    if label["label_source"] == "human":
        return Decision(measured, "human", reasons)
    if p_clean is None:
        return Decision(measured, "cv", reasons)
    if p_clean >= certainty.clean:
        sure, word = CLEAN, f"model: p_clean {p_clean:.3g} >= {certainty.clean:g}"
    elif p_clean <= certainty.contaminated:
        sure, word = CONTAMINATED, f"model: p_clean {p_clean:.3g} <= {certainty.contaminated:g}"
    else:
        return Decision(measured, "cv", reasons)
    told = "; ".join(part for part in (word, reasons) if part)
    if measured == REVIEW:
        return Decision(sure, "model", told)
    if measured == sure:
        return Decision(sure, "agreement", reasons)
    return Decision(REVIEW, "disagreement", told)
