"""Checks: what a value means, and the reason that is told."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nebulift.labels.checks import CHECKS, Check, Finding, Limits, limit_at, quality, run_checks
from unit.builders import is_true_as_printed, label_settings

DEFAULT_LIMITS = label_settings().limits


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    clean = draw(st.floats(0.01, 100))
    share = draw(st.floats(0.05, 3))
    contaminated = clean * (1 + share) if draw(st.booleans()) else clean / (1 + share)
    room = draw(st.none() | st.floats(0.1, 5))
    return Limits(clean, contaminated, None if room is None else clean - room * (contaminated - clean))


def finding(value: float, limits: Limits) -> Finding:
    return Finding(Check("x", 0.0, "streak", "significance"), value, limits, quality(value, limits))


@given(any_limits())
def test_the_limits_are_where_the_quality_is_that_of_the_thresholds(limits: Limits) -> None:
    assert quality(limits.clean, limits) == pytest.approx(0.7)
    assert quality(limits.contaminated, limits) == pytest.approx(0.3)
    assert quality((limits.clean + limits.contaminated) / 2, limits) == pytest.approx(0.5)


def test_a_faultless_frame_is_of_full_quality_and_a_usual_one_nearly() -> None:
    for check in CHECKS:
        limits = DEFAULT_LIMITS[check.column]
        assert limits.ideal == check.ideal
        assert quality(check.ideal, limits) == pytest.approx(1.0)
        assert quality((check.ideal + limits.clean) / 2, limits) > 0.9


def test_limits_without_room_for_an_ideal_do_without() -> None:
    assert Limits(1.0, 2.0, ideal=1.5).ideal is None
    assert Limits(2.0, 1.0, ideal=2.0).ideal is None
    assert Limits(2.0, 1.0, ideal=3.0).ideal == 3.0


@given(any_limits(), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_quality_only_falls_from_clean_to_contaminated(limits: Limits, one: float, other: float) -> None:
    better, worse = sorted((one, other), reverse=limits.clean > limits.contaminated)
    assert 0 <= quality(worse, limits) <= quality(better, limits) <= 1


@given(any_limits(), st.floats(0.001, 0.01))
def test_quality_tells_neighbouring_values_apart_between_the_limits(limits: Limits, step: float) -> None:
    middle, width = (limits.clean + limits.contaminated) / 2, limits.contaminated - limits.clean
    assert quality(middle, limits) > quality(middle + step * width, limits)


@given(any_limits(), st.floats(0.01, 0.99))
def test_limit_at_inverts_quality(limits: Limits, threshold: float) -> None:
    assert quality(limit_at(threshold, limits), limits) == pytest.approx(threshold)


@pytest.mark.parametrize("limits", DEFAULT_LIMITS.values(), ids=DEFAULT_LIMITS)
def test_the_usual_thresholds_give_back_the_limits_of_the_configuration(limits: Limits) -> None:
    assert limit_at(0.7, limits) == pytest.approx(limits.clean, rel=1e-12)
    assert limit_at(0.3, limits) == pytest.approx(limits.contaminated, rel=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_limits_of_thresholds_at_the_ends_are_numbers(threshold: float) -> None:
    assert math.isfinite(limit_at(threshold, Limits(1, 2)))


@pytest.mark.parametrize("value", [-1e308, 1e308])
def test_wild_values_overflow_nothing(value: float) -> None:
    assert quality(value, Limits(1, 2)) == pytest.approx(float(value < 0))


@given(any_limits(), st.floats(0.05, 0.95), st.floats(-4, 4))
def test_the_inequality_of_a_reason_is_true_as_printed(limits: Limits, threshold: float, steps: float) -> None:
    value = limit_at(threshold, limits) + steps * (limits.contaminated - limits.clean)
    assume(quality(value, limits) < threshold)
    assert is_true_as_printed(finding(value, limits).reason(threshold))


@pytest.mark.parametrize(
    ("value", "limits", "threshold", "told"),
    [
        (14.23, Limits(4, 6), 0.3, "streak: significance 14.2 > 6"),
        (0.123456, Limits(0.75, 0.55), 0.3, "streak: significance 0.123 < 0.55"),
        (0.7496, Limits(0.75, 0.55), 0.7, "streak: significance 0.7496 < 0.75"),
        (6.0, Limits(4, 6), 0.3, "streak: significance 6 >= 6"),
        (0.55, Limits(0.75, 0.55), 0.3, "streak: significance 0.55 <= 0.55"),
        (1523.7, Limits(11, 15), 0.3, "streak: significance 1524 > 15"),
        (999.7, Limits(11, 15), 0.3, "streak: significance 1000 > 15"),
        (0.00001234, Limits(0.000001, 0.000002), 0.3, "streak: significance 1.23e-05 > 2e-06"),
    ],
)
def test_a_reason_has_the_digits_that_it_needs(value: float, limits: Limits, threshold: float, told: str) -> None:
    assert finding(value, limits).reason(threshold) == told
    assert is_true_as_printed(told)


def test_what_was_not_measured_says_nothing() -> None:
    values = {"fwhm_ratio": None, "elongation": math.nan, "transparency": math.inf, "star_count": 5.0}
    assert [found.check.column for found in run_checks(values, DEFAULT_LIMITS)] == ["star_count"]
    assert run_checks({}, DEFAULT_LIMITS) == []


@pytest.mark.parametrize("check", CHECKS, ids=[check.column for check in CHECKS])
def test_every_check_is_held_against_its_own_limits(check: Check) -> None:
    limits = DEFAULT_LIMITS[check.column]
    bad = limits.contaminated + 5 * (limits.contaminated - limits.clean)
    (found,) = run_checks({check.column: bad}, DEFAULT_LIMITS)
    assert found.check is check
    assert (found.value, found.limits) == (bad, limits)
    assert found.quality == max(quality(bad, limits), check.lowest_quality)
    assert found.reason(0.3).startswith(f"{check.reason}: {check.words} ")
    (good,) = run_checks({check.column: limits.clean}, DEFAULT_LIMITS)
    assert good.quality == pytest.approx(0.7)


@pytest.mark.parametrize("check", [check for check in CHECKS if check.unless], ids=lambda check: check.column)
def test_a_frames_own_evidence_counts_only_where_the_night_has_none(check: Check) -> None:
    bad = {check.column: 2 * DEFAULT_LIMITS[check.column].contaminated}
    assert [found.check for found in run_checks(bad, DEFAULT_LIMITS)] == [check]
    assert [found.check.column for found in run_checks({**bad, check.unless: 1.0}, DEFAULT_LIMITS)] == [check.unless]


def test_columns_of_checks_are_their_own() -> None:
    assert len({check.column for check in CHECKS}) == len(CHECKS)


def test_weak_evidence_is_marked_as_such() -> None:
    assert [check.column for check in CHECKS if check.only_review] == [
        "background_bump",
        "background_ratio",
        "depth_loss_mag",
        "fwhm_beyond_seeing_px",
        "star_flatness",
        "fwhm_tilt_excess",
        "uneven_eccentricity_excess",
        "star_count",
    ]


@pytest.mark.parametrize(("order", "word"), [(0.95, "tracking"), (0.2, "optics"), (None, "tracking")])
def test_what_draws_out_stars_is_told_by_their_directions(order: float | None, word: str) -> None:
    values = {"elongation": 2.9, "elongation_ratio": 1.9, "elongation_order": order}
    absolute, excess = run_checks(values, DEFAULT_LIMITS)
    assert absolute.reason(0.3).startswith(f"{word}: length of the stars over their width 2.9")
    assert excess.reason(0.3).startswith("tracking: "), "this one is measured in one direction alone"
