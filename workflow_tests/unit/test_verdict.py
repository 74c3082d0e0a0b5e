"""Verdicts: the label that follows from the findings, with its reasons."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nebulift.labels.checks import CHECKS, Check, Finding, Limits, quality, run_checks
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, Thresholds, judge
from unit.builders import is_true_as_printed, label_settings

LIMITS = label_settings().limits
STRONG = [check for check in CHECKS if not check.only_review]
WEAK = [check for check in CHECKS if check.only_review]


@st.composite
def any_thresholds(draw: st.DrawFn) -> Thresholds:
    contaminated = draw(st.floats(0.05, 0.8))
    return Thresholds(draw(st.floats(contaminated + 0.01, 0.95)), contaminated)


# From far on the good side to far on the bad one, in widths between the limits from the clean one on.
any_values = st.fixed_dictionaries({}, optional={check.column: st.floats(-2, 6) for check in CHECKS}).map(
    lambda steps: {
        column: LIMITS[column].clean + step * (LIMITS[column].contaminated - LIMITS[column].clean)
        for column, step in steps.items()
    }
)


def found(check: Check, wanted: float) -> Finding:
    return Finding(check, 1.0, Limits(2, 1), wanted)


@given(any_values, any_thresholds())
def test_the_label_follows_from_the_score_as_it_is_printed(values: dict[str, float], thresholds: Thresholds) -> None:
    verdict = judge(run_checks(values, LIMITS), thresholds)
    printed = float(f"{verdict.quality_score:.6g}")
    assert printed == verdict.quality_score
    if printed >= thresholds.clean:
        assert verdict.label == CLEAN
    elif printed <= thresholds.contaminated:
        assert verdict.label == CONTAMINATED
    else:
        assert verdict.label == REVIEW


@given(any_values, any_thresholds())
def test_whatever_is_not_clean_has_reasons_that_are_true(values: dict[str, float], thresholds: Thresholds) -> None:
    verdict = judge(run_checks(values, LIMITS), thresholds)
    reasons = verdict.reasons.split("; ") if verdict.reasons else []
    assert bool(reasons) == (verdict.label != CLEAN)
    assert all(is_true_as_printed(reason) for reason in reasons)


@given(any_values, any_thresholds())
def test_a_contaminated_frame_is_told_the_limit_of_contaminated_first(
    values: dict[str, float], thresholds: Thresholds
) -> None:
    verdict = judge(run_checks(values, LIMITS), thresholds)
    assume(verdict.label == CONTAMINATED)
    # Nearly equal ones may change places by rounding.
    worst = [one for one in run_checks(values, LIMITS) if one.quality <= verdict.quality_score + 1e-6]
    assert verdict.reasons.split("; ")[0] in [
        one.reason(thresholds.contaminated) for one in worst if not one.check.only_review
    ]


@given(any_values)
def test_weak_evidence_alone_never_contaminates(values: dict[str, float]) -> None:
    weak = {check.column: values[check.column] for check in WEAK if check.column in values}
    assert judge(run_checks(weak, LIMITS), Thresholds()).label != CONTAMINATED


@pytest.mark.parametrize("check", WEAK, ids=[check.column for check in WEAK])
@pytest.mark.parametrize("thresholds", [Thresholds(), Thresholds(0.9, 0.6), Thresholds(0.4, 0.1)])
def test_weak_evidence_asks_for_a_look_wherever_the_thresholds_are(check: Check, thresholds: Thresholds) -> None:
    limits = LIMITS[check.column]
    value = limits.contaminated + 3 * (limits.contaminated - limits.clean)
    verdict = judge(run_checks({check.column: value}, LIMITS), thresholds)
    assert verdict.label == REVIEW
    assert check.reason in verdict.reasons


@pytest.mark.parametrize("check", STRONG, ids=[check.column for check in STRONG])
def test_strong_evidence_contaminates_alone(check: Check) -> None:
    limits = LIMITS[check.column]
    at_limit = judge(run_checks({check.column: limits.contaminated}, LIMITS), Thresholds())
    assert (at_limit.label, at_limit.quality_score) == (CONTAMINATED, 0.3)
    beyond = judge(run_checks({check.column: 3 * limits.contaminated - 2 * limits.clean}, LIMITS), Thresholds())
    assert beyond.label == CONTAMINATED
    assert beyond.quality_score >= check.lowest_quality


@pytest.mark.parametrize("check", CHECKS, ids=[check.column for check in CHECKS])
def test_at_the_clean_limit_a_frame_is_clean(check: Check) -> None:
    verdict = judge(run_checks({check.column: LIMITS[check.column].clean}, LIMITS), Thresholds())
    assert (verdict.label, verdict.quality_score, verdict.reasons) == (CLEAN, 0.7, "")


@pytest.mark.parametrize(
    ("wanted", "label"),
    [
        (0.69999996, CLEAN),
        (0.6999994, REVIEW),
        (0.30000004, CONTAMINATED),
        (0.3000006, REVIEW),
        (0.7, CLEAN),
        (0.3, CONTAMINATED),
    ],
)
def test_a_score_that_rounds_to_a_threshold_has_reached_it(wanted: float, label: str) -> None:
    verdict = judge([found(STRONG[0], wanted)], Thresholds())
    assert verdict.label == label
    assert Thresholds().label(verdict.quality_score) == label
    assert bool(verdict.reasons) == (label != CLEAN)


def test_reasons_stand_worst_first() -> None:
    findings = [found(STRONG[0], 0.5), found(STRONG[1], 0.1), found(STRONG[4], 0.9), found(STRONG[5], 0.2)]
    verdict = judge(findings, Thresholds())
    assert verdict.quality_score == 0.1
    assert [reason.split(":")[0] for reason in verdict.reasons.split("; ")] == [
        STRONG[1].reason,
        STRONG[5].reason,
        STRONG[0].reason,
    ]


def test_many_weak_findings_do_not_add_up() -> None:
    findings = [found(check, 0.0) for check in WEAK]
    assert judge(findings, Thresholds()).label == REVIEW


def test_without_findings_a_frame_is_clean() -> None:
    assert judge([], Thresholds()).label == CLEAN


@pytest.mark.parametrize(("clean", "contaminated"), [(0.3, 0.7), (0.5, 0.5), (1.1, 0.3), (0.7, -0.1)])
def test_thresholds_in_the_wrong_order_are_refused(clean: float, contaminated: float) -> None:
    with pytest.raises(ValueError, match="contaminated_threshold"):
        Thresholds(clean, contaminated)


@given(any_thresholds(), st.floats(0, 1), st.floats(0, 1))
def test_a_better_score_never_has_a_worse_label(thresholds: Thresholds, one: float, other: float) -> None:
    order = [CONTAMINATED, REVIEW, CLEAN]
    low, high = sorted((one, other))
    assert order.index(thresholds.label(low)) <= order.index(thresholds.label(high))


def test_quality_of_the_finding_is_that_of_its_value() -> None:
    limits = LIMITS["fwhm_ratio"]
    middle = (limits.clean + limits.contaminated) / 2
    (one,) = run_checks({"fwhm_ratio": middle}, LIMITS)
    assert one.quality == pytest.approx(quality(middle, limits)) == pytest.approx(0.5)
