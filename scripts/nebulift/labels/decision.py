"""Who decides: a person, rules and model together, the model alone, or the rules alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE
from nebulift.tables import Row

if TYPE_CHECKING:  # where there is no model, nothing of its arithmetic is imported
    from nebulift.labels.risk import Promise


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """Whose word counts where rules and model say different things; a person's always does.

    From `clean_probability` of clean upwards the model says clean, up to `contaminated_probability` contaminated,
    between them it is not sure. `risk` is the share of what it settles that may be wrong: what it cannot promise, it
    does not settle; 1 settles by the probabilities alone. `disagreement` says who decides where the model
    contradicts the rules, `left_open` where the rules ask for a review, `unsure` where the model is not sure.
    """

    clean_probability: float = 0.9
    contaminated_probability: float = 0.1
    risk: float = 0.01
    disagreement: Literal["review", "rules", "model"] = "review"
    left_open: Literal["model", "review"] = "model"
    unsure: Literal["rules", "review"] = "rules"

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> "DecisionPolicy":
        """Take the section `predict` of a complete configuration."""
        flat = {**section, **section["policy"]}
        return cls(**{field.name: flat[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a frame goes, who decided it, and why."""

    decision: str
    decided_by: str
    reasons: str


def decide(
    label: Row, p_clean: float | None, policy: DecisionPolicy, promise: "Promise | None" = None, doubt: str = ""
) -> Decision:
    """Decide on a frame from its row of the label table and the model's probability of clean, if there is one.

    A person's label wins. Where rules and model agree, that is it; where they contradict each other, a person has to
    look, and where the rules left it open the model settles it, if it is sure and keeps the `promise` (see `promise`
    in `risk`; None where none is asked for). `doubt` is what the audit of the labels has against the rules'
    label: then a person has to look unless the model agrees with it.
    """
    measured, reasons = label["label"], label["reasons"]
    if measured == UNREADABLE:
        return Decision(UNREADABLE, "cv", reasons)
    if label["label_source"] == "human":
        return Decision(measured, "human", reasons)
    said, word = _said(p_clean, policy)
    if measured == REVIEW:
        return _open(said, word, p_clean, reasons, policy, promise)
    if measured == said:
        return Decision(said, "agreement", reasons)
    if doubt:
        return Decision(REVIEW, "audit", _joined(doubt, word, reasons))
    if p_clean is None or (not said and policy.unsure == "rules"):
        return Decision(measured, "cv", reasons)
    if not said:
        return Decision(REVIEW, "unsure", _joined(f"model: p_clean {p_clean:.3g} is not sure", reasons))
    if policy.disagreement == "rules":
        return Decision(measured, "cv", _joined(word, reasons))
    if policy.disagreement == "model" and not _broken(said, p_clean, promise):
        return Decision(said, "model", _joined(word, reasons))
    return Decision(REVIEW, "disagreement", _joined(word, reasons))


def _said(p_clean: float | None, policy: DecisionPolicy) -> tuple[str, str]:
    """Return what the model says, "" where it is not sure or not there, and the words for it."""
    if p_clean is None:
        return "", ""
    if p_clean >= policy.clean_probability:
        return CLEAN, f"model: p_clean {p_clean:.3g} >= {policy.clean_probability:g}"
    if p_clean <= policy.contaminated_probability:
        return CONTAMINATED, f"model: p_clean {p_clean:.3g} <= {policy.contaminated_probability:g}"
    return "", ""


def _open(
    said: str, word: str, p_clean: float | None, reasons: str, policy: DecisionPolicy, promise: "Promise | None"
) -> Decision:
    """Decide where the rules ask for a review."""
    if not said or p_clean is None or policy.left_open == "review":
        return Decision(REVIEW, "cv", reasons)
    broken = _broken(said, p_clean, promise)
    if broken:
        return Decision(REVIEW, "cv", _joined(f"model: p_clean {p_clean:.3g} settles nothing, {broken}", reasons))
    return Decision(said, "model", _joined(word, reasons))


def _broken(said: str, p_clean: float, promise: "Promise | None") -> str:
    """Return why the model's word does not keep the promise; "" where it does, or where none is asked for."""
    if promise is None:
        return ""
    threshold = promise.clean if said == CLEAN else promise.contaminated
    if threshold is None:
        return promise.why_not[said]
    if p_clean >= threshold if said == CLEAN else p_clean <= threshold:
        return ""
    return f"{'at least' if said == CLEAN else 'at most'} {threshold:g} keeps the risk to {100 * promise.risk:g} %"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
