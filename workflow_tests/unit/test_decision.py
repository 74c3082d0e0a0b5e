"""The decision on a frame: what people, rules and model say becomes one word."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.config import complete_config
from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.labels.risk import Promise
from nebulift.labels.verdict import CLEAN, CONTAMINATED, LABELS, REVIEW, UNREADABLE
from nebulift.tables import load_schema
from unit.builders import label_row

BY_PROBABILITY = DecisionPolicy(clean_probability=0.9, contaminated_probability=0.1, risk=1)
NONE, SURE_CLEAN, UNSURE, SURE_CONTAMINATED = "none", "sure of clean", "unsure", "sure of contaminated"
# What the model says, as one probability of clean for each.
P_CLEAN = {NONE: None, SURE_CLEAN: 0.97, UNSURE: 0.5, SURE_CONTAMINATED: 0.02}

# The policy: what the rules say, what the model says -> the decision and who decided.
POLICY = {
    (CLEAN, NONE): (CLEAN, "cv"),
    (CLEAN, SURE_CLEAN): (CLEAN, "agreement"),
    (CLEAN, UNSURE): (CLEAN, "cv"),
    (CLEAN, SURE_CONTAMINATED): (REVIEW, "disagreement"),
    (REVIEW, NONE): (REVIEW, "cv"),
    (REVIEW, SURE_CLEAN): (CLEAN, "model"),
    (REVIEW, UNSURE): (REVIEW, "cv"),
    (REVIEW, SURE_CONTAMINATED): (CONTAMINATED, "model"),
    (CONTAMINATED, NONE): (CONTAMINATED, "cv"),
    (CONTAMINATED, SURE_CLEAN): (REVIEW, "disagreement"),
    (CONTAMINATED, UNSURE): (CONTAMINATED, "cv"),
    (CONTAMINATED, SURE_CONTAMINATED): (CONTAMINATED, "agreement"),
}


def test_the_policy_is_whole() -> None:
    assert set(POLICY) == set(itertools.product([CLEAN, REVIEW, CONTAMINATED], P_CLEAN))


@pytest.mark.parametrize(("rules", "model"), list(POLICY))
def test_rules_and_model(rules: str, model: str) -> None:
    label = label_row(label=rules)
    decision = decide(label, P_CLEAN[model], BY_PROBABILITY)
    assert (decision.decision, decision.decided_by) == POLICY[rules, model]
    if label["reasons"]:
        assert label["reasons"] in decision.reasons, "what the rules found is never hidden"


@pytest.mark.parametrize("model", list(P_CLEAN))
@pytest.mark.parametrize("person", [CLEAN, REVIEW, CONTAMINATED])
@pytest.mark.parametrize("rules", [CLEAN, REVIEW, CONTAMINATED])
def test_a_persons_word_wins(person: str, rules: str, model: str) -> None:
    label = label_row(label=person, cv_label=rules, label_source="human", reasons="human: seen")
    decision = decide(label, P_CLEAN[model], BY_PROBABILITY)
    assert (decision.decision, decision.decided_by, decision.reasons) == (person, "human", "human: seen")


@pytest.mark.parametrize("model", list(P_CLEAN))
@pytest.mark.parametrize("source", ["cv", "human"])
def test_what_cannot_be_read_stays_so(source: str, model: str) -> None:
    label = label_row(label=UNREADABLE, label_source=source, reasons="unreadable: empty file (0 bytes)")
    decision = decide(label, P_CLEAN[model], BY_PROBABILITY)
    assert (decision.decision, decision.decided_by) == (UNREADABLE, "cv")
    assert decision.reasons == "unreadable: empty file (0 bytes)"


@pytest.mark.parametrize(
    ("p_clean", "decision"),
    [(0.9, CLEAN), (0.899999, REVIEW), (0.1, CONTAMINATED), (0.100001, REVIEW), (1.0, CLEAN), (0.0, CONTAMINATED)],
)
def test_at_its_threshold_the_model_is_sure(p_clean: float, decision: str) -> None:
    assert decide(label_row(label=REVIEW), p_clean, BY_PROBABILITY).decision == decision


def test_the_models_word_is_among_the_reasons_with_its_threshold() -> None:
    cloudy = label_row(label=REVIEW, reasons="cloud: star count ratio 0.5 < 0.65")
    told = decide(cloudy, 0.0213, BY_PROBABILITY).reasons
    assert told == "model: p_clean 0.0213 <= 0.1; cloud: star count ratio 0.5 < 0.65"
    assert decide(label_row(label=CLEAN), 0.05, BY_PROBABILITY).reasons == "model: p_clean 0.05 <= 0.1"
    assert decide(label_row(label=CONTAMINATED), 0.95, BY_PROBABILITY).reasons.startswith(
        "model: p_clean 0.95 >= 0.9; "
    )


@given(st.sampled_from(LABELS), st.none() | st.floats(0, 1), st.floats(0.5, 1), st.floats(0, 0.5))
def test_a_model_alone_never_throws_out_what_the_rules_find_clean(
    rules: str, p_clean: float | None, clean: float, contaminated: float
) -> None:
    decision = decide(label_row(label=rules), p_clean, DecisionPolicy(clean, contaminated, risk=1))
    assert decision.decision in LABELS
    assert (rules, decision.decision) not in {(CLEAN, CONTAMINATED), (CONTAMINATED, CLEAN)}
    assert (decision.decision == UNREADABLE) == (rules == UNREADABLE)


def test_the_configurations_defaults_are_those_of_the_library() -> None:
    assert DecisionPolicy.from_config(complete_config({})["predict"]) == DecisionPolicy()


def test_the_policy_is_taken_from_the_configuration() -> None:
    given = {
        "clean_probability": 0.8,
        "contaminated_probability": 0.2,
        "risk": 0.05,
        "policy": {"disagreement": "rules", "left_open": "review", "unsure": "review"},
    }
    policy = DecisionPolicy.from_config(complete_config({"predict": given})["predict"])
    assert policy == DecisionPolicy(0.8, 0.2, 0.05, "rules", "review", "review")


policies = st.builds(
    DecisionPolicy,
    st.floats(0.5, 1),
    st.floats(0, 0.5),
    st.floats(0.001, 1),
    st.sampled_from(["review", "rules", "model"]),
    st.sampled_from(["model", "review"]),
    st.sampled_from(["rules", "review"]),
)
promises = st.none() | st.builds(
    Promise,
    st.just(0.01),
    st.none() | st.floats(0.5, 1),
    st.none() | st.floats(0, 0.5),
    st.just({CLEAN: "too few", CONTAMINATED: "too few"}),
)


@given(st.sampled_from([CLEAN, CONTAMINATED, REVIEW]), st.none() | st.floats(0, 1), policies, promises, st.text())
def test_under_every_policy_a_persons_word_wins(
    person: str, p_clean: float | None, policy: DecisionPolicy, made: Promise | None, doubt: str
) -> None:
    label = label_row(label=person, label_source="human", reasons="human: seen")
    decision = decide(label, p_clean, policy, made, doubt)
    assert (decision.decision, decision.decided_by) == (person, "human")


@given(
    st.sampled_from(LABELS), st.none() | st.floats(0, 1), policies, promises, st.sampled_from(["", "label audit: x"])
)
def test_under_every_policy(
    rules: str, p_clean: float | None, policy: DecisionPolicy, made: Promise | None, doubt: str
) -> None:
    label = label_row(label=rules)
    decision = decide(label, p_clean, policy, made, doubt)
    said = decide(label_row(label=REVIEW), p_clean, DecisionPolicy(*_probabilities_of(policy), risk=1)).decision
    assert label["reasons"] in decision.reasons
    # Where rules and model say the same, that is it, whatever else is chosen.
    if rules in (CLEAN, CONTAMINATED) and said == rules:
        assert (decision.decision, decision.decided_by) == (rules, "agreement")
    # Nothing but a sure model that keeps its promise turns a label into the other, or a review into a label.
    elif decision.decision in (CLEAN, CONTAMINATED) and decision.decision != rules:
        assert (decision.decision, decision.decided_by) == (said, "model")
        assert (policy.left_open if rules == REVIEW else policy.disagreement) == "model"
        if made is not None:
            threshold = made.clean if said == CLEAN else made.contaminated
            assert p_clean is not None and threshold is not None
            assert p_clean >= threshold if said == CLEAN else p_clean <= threshold
    if p_clean is None and not doubt:
        assert decision.decision == rules
    if doubt and rules in (CLEAN, CONTAMINATED) and said != rules:
        assert (decision.decision, decision.decided_by) == (REVIEW, "audit")
        assert decision.reasons.startswith(doubt)


def _probabilities_of(policy: DecisionPolicy) -> tuple[float, float]:
    return policy.clean_probability, policy.contaminated_probability


@pytest.mark.parametrize(
    ("policy", "rules", "model", "decision"),
    [
        ({"disagreement": "rules"}, CLEAN, SURE_CONTAMINATED, (CLEAN, "cv")),
        ({"disagreement": "model"}, CLEAN, SURE_CONTAMINATED, (CONTAMINATED, "model")),
        ({"disagreement": "model"}, CONTAMINATED, SURE_CLEAN, (CLEAN, "model")),
        ({"disagreement": "model"}, CLEAN, UNSURE, (CLEAN, "cv")),
        ({"left_open": "review"}, REVIEW, SURE_CLEAN, (REVIEW, "cv")),
        ({"unsure": "review"}, CLEAN, UNSURE, (REVIEW, "unsure")),
        ({"unsure": "review"}, CONTAMINATED, UNSURE, (REVIEW, "unsure")),
        ({"unsure": "review"}, CLEAN, NONE, (CLEAN, "cv")),
    ],
)
def test_what_may_be_chosen(policy: dict[str, Any], rules: str, model: str, decision: tuple[str, str]) -> None:
    made = decide(label_row(label=rules), P_CLEAN[model], DecisionPolicy(risk=1, **policy))
    assert (made.decision, made.decided_by) == decision


def test_where_nothing_can_be_promised_the_frame_stays_in_review_and_says_why() -> None:
    nothing = Promise(0.01, None, None, {CLEAN: "of the frames that validate it calls 9 clean", CONTAMINATED: "few"})
    cloudy = label_row(label=REVIEW, reasons="cloud: star count ratio 0.5 < 0.65")
    decision = decide(cloudy, 0.97, DecisionPolicy(), nothing)
    assert (decision.decision, decision.decided_by) == (REVIEW, "cv")
    assert decision.reasons == (
        "model: p_clean 0.97 settles nothing, of the frames that validate it calls 9 clean;"
        " cloud: star count ratio 0.5 < 0.65"
    )
    stricter = Promise(0.01, 0.98, 0.05, {})
    assert decide(cloudy, 0.97, DecisionPolicy(), stricter).reasons.startswith(
        "model: p_clean 0.97 settles nothing, at least 0.98 keeps the risk to 1 %; "
    )
    assert decide(cloudy, 0.98, DecisionPolicy(), stricter).decision == CLEAN
    assert decide(cloudy, 0.06, DecisionPolicy(), stricter).decision == REVIEW
    assert decide(cloudy, 0.05, DecisionPolicy(), stricter).decision == CONTAMINATED
    # A contradiction is a reason to look, however little the model can promise.
    assert decide(label_row(label=CLEAN), 0.02, DecisionPolicy(), nothing).decided_by == "disagreement"


def test_words_of_the_table_are_those_of_the_schema() -> None:
    properties = load_schema("predictions")["properties"]
    assert properties["decision"]["enum"] == load_schema("sorted")["properties"]["decision"]["enum"] == list(LABELS)
    others = {"human", "unsure", "audit"}
    assert set(properties["decided_by"]["enum"]) == {decided_by for _, decided_by in POLICY.values()} | others
