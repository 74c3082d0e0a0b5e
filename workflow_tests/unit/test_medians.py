"""Weighted medians: half of the weight on either side, of values alone or of many rows at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.nights.medians import weighted_median, weighted_medians


@pytest.mark.parametrize(
    ("values", "weights", "median"),
    [
        ([3.0, 1.0, 2.0], [1.0, 1.0, 1.0], 2.0),
        ([1.0, 2.0], [1.0, 1.0], 1.5),
        ([1.0, 2.0, 9.0], [10.0, 1.0, 1.0], 1.0 + 1 / 5.5),
        ([7.0], [2.0], 7.0),
    ],
)
def test_half_of_the_weight_lies_on_either_side(values: list[float], weights: list[float], median: float) -> None:
    assert weighted_median(np.array(values), np.array(weights)) == pytest.approx(median)


def test_what_is_no_number_is_passed_over() -> None:
    assert weighted_median(np.array([np.nan, 5.0, np.inf]), np.array([9.0, 1.0, 9.0])) == 5.0
    assert np.isnan(weighted_median(np.array([np.nan]), np.ones(1)))


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9), st.booleans())
def test_many_rows_at_once_have_the_medians_of_each(seed: int, rows: int, columns: int, alike: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (rows, columns))
    if alike:
        values = values.round()
    weights = rng.uniform(0.01, 100, (rows, columns))
    expected = []
    for row, weight in zip(values, weights, strict=True):
        order = np.argsort(row, kind="stable")
        middles = np.cumsum(weight[order]) - 0.5 * weight[order]
        expected.append(np.interp(0.5 * weight.sum(), middles, row[order]))
    assert weighted_medians(values, weights) == pytest.approx(np.array(expected), rel=1e-12, abs=1e-12)
