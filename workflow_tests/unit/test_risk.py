"""The promise about how often the model errs: kept where it is made, not made where frames are too few."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from nebulift.labels.risk import CONFIDENCE, RUNS, count_calls, frames_needed, no_promise, promise

GRID = sorted(probability for run in RUNS for probability in run)


def test_calls_are_counted_by_class_and_probability() -> None:
    counts = count_calls([0.995, 0.9, 0.6, 0.1, 0.04, float("nan")], [1, 0, 1, 0, 1, 1])
    assert json.loads(json.dumps(counts)) == counts
    clean = dict(zip(counts["probabilities"], zip(*counts["clean"].values(), strict=True), strict=True))
    assert (clean[0.5], clean[0.6], clean[0.9], clean[0.99]) == ((3, 1), (3, 1), (2, 1), (1, 0))
    spoilt = dict(zip(counts["probabilities"], zip(*counts["contaminated"].values(), strict=True), strict=True))
    assert (spoilt[0.5], spoilt[0.9], spoilt[0.96], spoilt[0.99]) == ((2, 1), (2, 1), (1, 1), (0, 0))


@pytest.mark.parametrize(("risk", "needed"), [(0.01, 339), (0.05, 67), (0.1, 33)])
def test_one_frame_too_few_promises_nothing_and_says_how_many_it_takes(risk: float, needed: int) -> None:
    assert frames_needed(risk) == needed
    enough, too_few = (promise(count_calls([0.97] * n, [1] * n), risk) for n in (needed, needed - 1))
    assert enough.clean == 0.5
    assert "clean" not in enough.why_not
    assert too_few.clean is None
    assert f"calls {needed - 1} clean, and {needed} are needed" in too_few.why_not["clean"]
    assert enough.contaminated is None
    assert f"calls 0 contaminated, and {needed} are needed" in enough.why_not["contaminated"]


def test_both_classes_have_a_threshold_of_their_own() -> None:
    # Clean is right at every probability, contaminated only above 0.92.
    p_clean = [0.9] * 400 + [0.04] * 400 + [0.08] * 50
    made = promise(count_calls(p_clean, [1] * 400 + [0] * 400 + [1] * 50), 0.01)
    assert made.clean == 0.5
    assert made.contaminated == 0.07
    assert not made.why_not


def test_too_many_errors_promise_nothing_and_are_told() -> None:
    made = promise(count_calls([0.999] * 500, [1] * 480 + [0] * 20), 0.01)
    assert made.clean is None
    assert "of the 500 frames that validate and are called clean at 0.9 20 are not" in made.why_not["clean"]


@pytest.mark.parametrize("called", [100, 400, 1000])
@pytest.mark.parametrize("wrong", [0, 1, 5, 10])
def test_a_promise_is_that_of_the_exact_interval(called: int, wrong: int) -> None:
    """Against the upper end of Clopper and Pearson's interval by the beta distribution, at one run's confidence."""
    upper = beta.ppf(1 - (1 - CONFIDENCE) / len(RUNS), wrong + 1, called - wrong)
    counts = count_calls([0.999] * called, [1] * (called - wrong) + [0] * wrong)
    assert promise(counts, upper * 1.001).clean is not None
    assert promise(counts, upper * 0.999).clean is None


@pytest.mark.parametrize("risk", [0.02, 0.1])
def test_a_promise_is_kept_nine_times_in_ten(risk: float) -> None:
    """On frames whose true share of errors at each threshold is known."""
    rng = np.random.default_rng(5)

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        p = rng.beta(5, 0.3, number)
        # Overconfident: what has the probability p is clean less often.
        return p, (rng.random(number) < 1 - 1.5 * (1 - p)).astype(int)

    p_true, labels_true = drawn(400_000)
    share = {edge: 1 - labels_true[p_true >= edge].mean() for edge in GRID}
    made = [promise(count_calls(*drawn(600)), risk).clean for _ in range(300)]
    broken = sum(threshold is not None and share[threshold] > risk for threshold in made)
    assert sum(threshold is not None for threshold in made) > 100
    assert broken / len(made) <= 1 - CONFIDENCE


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), max_size=200), st.floats(0.01, 0.5), st.floats(0.01, 0.5)
)
def test_who_accepts_more_risk_is_promised_no_less(frames: list[tuple[float, int]], one: float, other: float) -> None:
    counts = count_calls([p for p, _ in frames], [label for _, label in frames])
    strict, lenient = (promise(counts, risk) for risk in sorted((one, other)))
    assert strict.clean is None or (lenient.clean is not None and lenient.clean <= strict.clean)
    assert strict.contaminated is None or (
        lenient.contaminated is not None and lenient.contaminated >= strict.contaminated
    )
    for made in (strict, lenient):
        assert set(made.why_not) == {word for word in ("clean", "contaminated") if getattr(made, word) is None}


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="3 probabilities but 2 labels"):
        count_calls([0.1, 0.2, 0.3], [0, 1])
    for risk in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="risk"):
            promise(count_calls([], []), risk)
    for counts in ({}, {"probabilities": [0.5]}, {**count_calls([], []), "clean": {"called": [1], "wrong": [1]}}):
        with pytest.raises(ValueError, match="cannot be used"):
            promise(counts, 0.1)


def test_of_what_nothing_is_known_nothing_is_promised() -> None:
    made = no_promise(0.01, "unknown")
    assert (made.clean, made.contaminated) == (None, None)
    assert made.why_not == {"clean": "unknown", "contaminated": "unknown"}
