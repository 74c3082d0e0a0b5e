"""The pictures of a training: they show what the tables say, and hold whatever the tables hold."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.model import plots
from nebulift.model.epochs import EpochRow
from nebulift.model.plots import draw_history, draw_metrics


def epochs(number: int) -> list[EpochRow]:
    return [
        EpochRow(n, "half" if n < number else "full", 1e-3, 1 / n, 1 - 0.5 / n, 1.2 / n, 1 - 0.6 / n, 0.9)
        for n in range(1, number + 1)
    ]


def metrics(**changes: Any) -> dict[str, Any]:
    matrix = {"clean_called_clean": 80, "clean_called_contaminated": 4}
    matrix |= {"contaminated_called_clean": 0, "contaminated_called_contaminated": 30}
    return {
        "trained": True,
        "confusion_matrix": matrix,
        "expected_calibration_error": 0.02,
        "reliability": [{"frames": 30, "mean_p_clean": 0.02, "share_clean": 0.0}],
        "reasons": {"streak": {"frames": 30, "accuracy": 0.0}, "none": {"frames": 84, "accuracy": 1.0}},
        "nights": {"2024-09-09": {"frames": 114, "accuracy": 0.9}},
    } | changes


def pixels(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, dtype=np.uint8)


@pytest.mark.parametrize("number", [0, 1, 2, 300])
def test_any_number_of_epochs_is_drawn(number: int) -> None:
    assert pixels(draw_history(epochs(number))).shape[1] > 900


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reasons": {}, "nights": {}},
        {"nights": {f"night {n} $x^$": {"frames": n, "accuracy": n / 40} for n in range(1, 40)}},
        {"reasons": {"ünïcode " * 20: {"frames": 1, "accuracy": 1.0}}},
        {"reliability": [{"frames": 1, "mean_p_clean": 1.0, "share_clean": 1.0}]},
    ],
)
def test_whatever_the_metrics_hold_is_drawn(changes: dict[str, Any]) -> None:
    assert len(np.unique(pixels(draw_metrics(metrics(**changes))))) > 50


def test_without_a_model_the_picture_says_why() -> None:
    short, long = (pixels(draw_metrics({"trained": False, "reason": text})) for text in ("no", "too few " * 60))
    assert (long < 128).sum() > 10 * (short < 128).sum()


def test_the_same_gives_the_same_bytes_and_another_figure_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plots.matplotlib.rcParams, "font.size", 20)
    first = draw_metrics(metrics())
    monkeypatch.undo()
    assert draw_metrics(metrics()) == first
    for changed in ("reasons", "nights"):
        assert draw_metrics(metrics(**{changed: {"x": {"frames": 3, "accuracy": 0.4}}})) != first
    matrix = metrics()["confusion_matrix"] | {"clean_called_clean": 81}
    assert draw_metrics(metrics(confusion_matrix=matrix)) != first
    assert draw_history(epochs(3)) == draw_history(epochs(3)) != draw_history(epochs(4))


def test_only_the_largest_groups_are_shown_in_the_order_of_their_names() -> None:
    groups = {f"{n:02d}": {"frames": n, "accuracy": 0.5} for n in range(40, 0, -1)}
    assert [name for name, *_ in plots._bars(groups)] == [f"{n:02d}" for n in range(27, 41)]
