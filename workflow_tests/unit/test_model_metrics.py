"""Metrics and calibration of predictions, against counting by hand and made-up logits of known temperature."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nebulift.model.calibration import TEMPERATURE_RANGE, expected_calibration_error, fit_temperature
from nebulift.model.metrics import (
    accuracy,
    area_under_curve,
    balanced_accuracy,
    classification_metrics,
    confusion_matrix,
    precision_and_recall,
)

# Few different values, so that ties are frequent.
scored_labels = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=40)


@given(scored_labels)
def test_area_under_curve_is_the_share_of_pairs_in_order(pairs: list[tuple[int, int]]) -> None:
    clean = [score for label, score in pairs if label == 1]
    contaminated = [score for label, score in pairs if label == 0]
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in clean for b in contaminated]
    found = area_under_curve([label for label, _ in pairs], [score / 6 for _, score in pairs])
    assert found == (pytest.approx(sum(wins) / len(wins)) if wins else None)


@given(scored_labels)
def test_the_confusion_matrix_counts_every_frame_once(pairs: list[tuple[int, int]]) -> None:
    labels = [label for label, _ in pairs]
    predicted = [int(score > 3) for _, score in pairs]
    matrix = confusion_matrix(labels, predicted)
    for label in (0, 1):
        for called in (0, 1):
            assert matrix[label, called] == sum(pair == (label, called) for pair in zip(labels, predicted, strict=True))
    assert accuracy(matrix) == pytest.approx(np.mean(np.equal(labels, predicted)))


def test_balanced_accuracy_is_not_bought_by_the_larger_class() -> None:
    matrix = confusion_matrix([1] * 90 + [0] * 10, [1] * 100)
    assert accuracy(matrix) == pytest.approx(0.9)
    assert balanced_accuracy(matrix) == pytest.approx(0.5)


def test_precision_and_recall_by_hand() -> None:
    found = precision_and_recall(confusion_matrix([1, 1, 1, 0, 0], [1, 1, 0, 1, 0]))
    assert found["clean"] == {"precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3)}
    assert found["contaminated"] == {"precision": pytest.approx(1 / 2), "recall": pytest.approx(1 / 2)}


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    found = classification_metrics([1, 1, 0], [0.9, 0.8, 0.7])
    assert found["classes"]["contaminated"] == {"precision": None, "recall": 0.0}
    assert found["confusion_matrix"]["contaminated_called_clean"] == 1
    assert found["auc"] == 1.0


def made_up_logits(temperature: float, number: int = 6000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits that are too large by `temperature`, and labels drawn from what they should have said."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, number)
    labels = random.random(number) < 1 / (1 + np.exp(-true))
    logits = np.stack([-true / 2, true / 2], axis=1) * temperature
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(labels.astype(np.int64))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    assert fit_temperature(*made_up_logits(temperature)) == pytest.approx(temperature, rel=0.06)


def test_calibration_mends_overconfidence() -> None:
    logits, labels = made_up_logits(4.0)
    temperature = fit_temperature(*made_up_logits(4.0, seed=1))
    before, after = (
        expected_calibration_error(torch.softmax(logits / divisor, dim=1)[:, 1], labels)
        for divisor in (1.0, temperature)
    )
    assert before > 0.08
    assert after < 0.03


def test_a_perfectly_separable_validation_set_does_not_ask_for_certainty() -> None:
    logits = torch.tensor([[-3.0, 3.0], [3.0, -3.0]] * 20)
    temperature = fit_temperature(logits, torch.tensor([1, 0] * 20))
    assert 0.3 < temperature <= 1.0


@pytest.mark.parametrize("labels", [[1], [0]])
def test_a_single_frame_moves_the_temperature_little(labels: list[int]) -> None:
    assert 0.2 < fit_temperature(torch.tensor([[0.0, 5.0]]), torch.tensor(labels)) < 5


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.integers(0, 1)), max_size=30),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_the_temperature_stays_in_its_range(pairs: list[tuple[float, int]], scale: float) -> None:
    logits = torch.tensor([[0.0, value * scale] for value, _ in pairs]).reshape(-1, 2)
    low, high = TEMPERATURE_RANGE
    assert low <= fit_temperature(logits, torch.tensor([label for _, label in pairs])) <= high


def test_logits_that_are_no_numbers_are_left_out() -> None:
    logits, labels = made_up_logits(2.0)
    spoilt = torch.cat([logits, torch.tensor([[float("nan"), 0.0], [float("inf"), 0.0]])])
    assert fit_temperature(spoilt, torch.cat([labels, torch.tensor([0, 0])])) == fit_temperature(logits, labels)


def test_calibration_error_of_perfectly_calibrated_predictions_is_small() -> None:
    random = np.random.default_rng(3)
    p = random.random(20_000)
    labels = random.random(20_000) < p
    assert expected_calibration_error(p, labels) < 0.02
    assert expected_calibration_error(p**3, labels) > 0.15


def test_calibration_error_by_hand() -> None:
    # Two bins of two: one says 0.25 where a half is clean, one says 1 where all are.
    assert expected_calibration_error([0.25, 0.25, 1.0, 1.0], [0, 1, 1, 1], bins=2) == pytest.approx(0.125)
    with pytest.raises(ValueError, match="no predictions"):
        expected_calibration_error([], [])
