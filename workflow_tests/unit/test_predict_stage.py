"""Deciding on a night: what people, rules and model say becomes one word for each frame."""

import itertools
import json
import os
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.config import complete_config
from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.labels.risk import Promise, count_calls, frames_needed
from nebulift.labels.verdict import CLEAN, CONTAMINATED, LABELS, REVIEW, UNREADABLE
from nebulift.stages import predict as stage
from nebulift.stages.predict import predict_night
from nebulift.tables import Row, TableError, load_schema, read_table, write_table
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


class FakeModel:
    """Stands for the module of inference: tells what it was asked, and says what it is told to say."""

    def __init__(self, *p_clean: float) -> None:
        self.p_clean = p_clean
        self.asked: list[Path] = []
        self.loaded: list[Path] = []

    def load(self, path: Path) -> "FakeModel":
        self.loaded.append(path)
        return self

    def predict(self, previews: Sequence[Path]) -> list[float]:
        self.asked += previews
        return list(self.p_clean)


def decided(
    folder: Path,
    labels: Sequence[Row],
    metrics: dict[str, Any] | None,
    model: str = "model.pth",
    policy: DecisionPolicy = BY_PROBABILITY,
) -> list[Row]:
    write_table(folder / "labels.tsv", "labels", labels)
    metrics_path = None
    if metrics is not None:
        metrics_path = folder / "metrics.json"
        metrics_path.write_text(json.dumps(metrics))
    output = folder / "predictions.tsv"
    predict_night(folder / "labels.tsv", folder / "previews", folder / model, metrics_path, output, policy)
    return read_table(output, "predictions")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*p_clean: float) -> FakeModel:
        model = FakeModel(*p_clean)
        module = types.ModuleType("nebulift.model.inference")
        module.Predictor = model  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "nebulift.model.inference", module)
        return model

    return install


def test_each_frame_is_asked_about_by_its_preview(tmp_path: Path, fake: Any) -> None:
    model = fake(0.97, 0.5, 0.0212345678)
    labels = [
        label_row("a.fits"),
        label_row("u.fits", UNREADABLE),
        label_row("b.fits", REVIEW),
        label_row("c.fits", REVIEW),
    ]
    rows = decided(tmp_path, labels, {"trained": True})
    assert model.loaded == [tmp_path / "model.pth"]
    assert model.asked == [tmp_path / "previews" / f"{name}.fits.png" for name in "abc"]
    assert [(row["frame"], row["p_clean"], row["decision"], row["decided_by"]) for row in rows] == [
        ("a.fits", 0.97, CLEAN, "agreement"),
        ("u.fits", None, UNREADABLE, "cv"),
        ("b.fits", 0.5, REVIEW, "cv"),
        ("c.fits", 0.021235, CONTAMINATED, "model"),
    ]
    assert [row["path"] for row in rows] == [row["path"] for row in labels]


def test_a_configured_model_needs_no_metrics(tmp_path: Path, fake: Any) -> None:
    model = fake(0.97)
    (row,) = decided(tmp_path, [label_row(label=REVIEW)], None, "other.pth")
    assert model.loaded == [tmp_path / "other.pth"]
    assert row["decided_by"] == "model"


@pytest.mark.parametrize("as_configured", [False, True])
def test_what_training_counted_tells_what_the_model_may_settle(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture, as_configured: bool
) -> None:
    """Also of a model that is configured, where metrics.json still lies beside it."""
    enough = count_calls([0.97] * frames_needed(0.01) + [0.3] * 20, [1] * frames_needed(0.01) + [0] * 20)
    labels = [label_row("a.fits", REVIEW), label_row("b.fits", REVIEW), label_row("c.fits", REVIEW)]
    metrics = {"trained": True, "calls": enough}
    if as_configured:
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    fake(0.97, 0.02, 0.5)
    rows = decided(tmp_path, labels, None if as_configured else metrics, policy=DecisionPolicy())
    assert [(row["decision"], row["decided_by"]) for row in rows] == [(CLEAN, "model"), (REVIEW, "cv"), (REVIEW, "cv")]
    assert "it calls 20 contaminated, and 339 are needed to promise that at most 1 % are not" in rows[1]["reasons"]
    assert "settles nothing as contaminated" in caplog.text
    assert "as clean" not in caplog.text


def test_what_the_audit_has_against_a_label_is_settled_by_the_model_or_a_person(tmp_path: Path, fake: Any) -> None:
    fake(0.97, 0.5, 0.5)
    labels = [label_row(f"{name}.fits", CLEAN) for name in "abc"]
    write_table(tmp_path / "labels.tsv", "labels", labels)
    suspected = {"split": "review", "label": CLEAN, "looks_like": CONTAMINATED, "confidence": 0.1}
    rows = [
        {**suspected, "night": "2024-09-09", "frame": "a.fits", "reasons": "label audit: a"},
        {**suspected, "night": "2024-09-09", "frame": "b.fits", "reasons": "label audit: b"},
        {**suspected, "night": "another", "frame": "c.fits", "reasons": "label audit: c"},
    ]
    write_table(tmp_path / "audit.tsv", "audit", rows)
    output = tmp_path / "out.tsv"
    predict_night(
        tmp_path / "labels.tsv", tmp_path, tmp_path / "m", None, output, BY_PROBABILITY, audit=tmp_path / "audit.tsv"
    )
    assert [(row["decision"], row["decided_by"], row["reasons"]) for row in read_table(output, "predictions")] == [
        (CLEAN, "agreement", ""),
        (REVIEW, "audit", "label audit: b"),
        (CLEAN, "cv", ""),
    ]


def test_a_model_of_which_nothing_is_known_settles_nothing(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake(0.97)
    (row,) = decided(tmp_path, [label_row(label=REVIEW)], None, "other/model.pth", DecisionPolicy())
    assert row["decision"] == REVIEW
    assert "nothing is known of how often it errs" in row["reasons"]
    assert "predict: risk: 1" in caplog.text


def test_where_none_was_trained_the_rules_decide_and_the_log_says_why(
    tmp_path: Path, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = fake()
    labels = [label_row("a.fits"), label_row("b.fits", REVIEW), label_row("c.fits", CONTAMINATED)]
    rows = decided(tmp_path, labels, {"trained": False, "reason": "3 clean frames, 8 needed"})
    assert not model.loaded
    assert [(row["p_clean"], row["decision"], row["decided_by"]) for row in rows] == [
        (None, CLEAN, "cv"),
        (None, REVIEW, "cv"),
        (None, CONTAMINATED, "cv"),
    ]
    assert "3 clean frames, 8 needed" in caplog.text


def test_without_a_model_nothing_of_torch_is_imported(tmp_path: Path) -> None:
    write_table(tmp_path / "labels.tsv", "labels", [label_row()])
    (tmp_path / "metrics.json").write_text('{"trained": false, "reason": "too few"}')
    code = """
import sys
from pathlib import Path
from nebulift.labels.decision import DecisionPolicy
from nebulift.stages.predict import predict_night
here = Path(sys.argv[1])
predict_night(here / "labels.tsv", here, here / "model", here / "metrics.json", here / "out.tsv", DecisionPolicy())
sys.exit(any(name in sys.modules for name in ("torch", "torchvision", "numpy", "scipy")))
"""
    scripts = Path(stage.__file__).parents[2]
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(scripts)}, check=False
    )
    assert finished.returncode == 0
    assert read_table(tmp_path / "out.tsv", "predictions")[0]["decision"] == CLEAN


def test_a_model_that_cannot_be_asked_keeps_the_old_decisions(tmp_path: Path, fake: Any) -> None:
    fake(0.97)
    decided(tmp_path, [label_row()], None)
    before = (tmp_path / "predictions.tsv").read_bytes()

    def broken(_: Any) -> Any:
        raise OSError("model.pth: not a model")

    fake().load = broken
    with pytest.raises(OSError, match=r"model\.pth"):
        decided(tmp_path, [label_row()], None)
    assert (tmp_path / "predictions.tsv").read_bytes() == before


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("x\n")
    with pytest.raises(TableError, match=r"labels\.tsv"):
        predict_night(tmp_path / "labels.tsv", tmp_path, tmp_path, None, tmp_path / "out.tsv", BY_PROBABILITY)


def test_words_of_the_table_are_those_of_the_schema() -> None:
    properties = load_schema("predictions")["properties"]
    assert properties["decision"]["enum"] == load_schema("sorted")["properties"]["decision"]["enum"] == list(LABELS)
    others = {"human", "unsure", "audit"}
    assert set(properties["decided_by"]["enum"]) == {decided_by for _, decided_by in POLICY.values()} | others
