"""The context of a frame: how it stands among its group, and what the checks measured."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.dataset.context import (
    CONTEXT_SIZE,
    FEWEST_FRAMES,
    alone,
    contexts,
    of_preview,
    read_context,
    without_group,
    write_context,
)
from nebulift.dataset.preview_features import FEATURES
from nebulift.frames.listing import list_frames
from nebulift.labels.checks import CHECKS
from nebulift.scoring.score import ScoringSettings
from nebulift.simulate.night import tiny_night
from nebulift.stages.label import label_rows
from nebulift.stages.score import score_chunk
from nebulift.tables import read_table
from unit.builders import label_settings

CHECKED = 1 + 2 * FEATURES


def features(frames: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100, 1, (frames, FEATURES))


def test_a_frame_unlike_its_group_stands_out_and_on_which_side() -> None:
    values = features(30)
    values[3, 7], values[4, 7] = 140.0, 60.0
    told = contexts(values, ["a"] * 30, [""] * 30)
    assert told.shape == (30, CONTEXT_SIZE)
    assert told.dtype == np.float32
    signed, unsigned = told[:, 1 + 7], told[:, 1 + FEATURES + 7]
    assert np.argmax(signed) == 3 and np.argmin(signed) == 4
    assert set(np.argsort(unsigned)[-2:]) == {3, 4}
    np.testing.assert_allclose(of_preview(told[3]), told[3, 1 : 1 + FEATURES])


def test_frames_are_held_against_their_own_group_alone() -> None:
    values = np.vstack([features(10), features(10) + 1000.0])
    told = contexts(values, ["a"] * 10 + ["b"] * 10, [""] * 20)
    np.testing.assert_allclose(told[:10], contexts(values[:10], ["a"] * 10, [""] * 10))
    np.testing.assert_allclose(told[10:], contexts(values[10:], ["b"] * 10, [""] * 10))


def test_a_group_that_is_too_small_tells_nothing() -> None:
    small = contexts(features(FEWEST_FRAMES - 1), ["a"] * (FEWEST_FRAMES - 1), [""] * (FEWEST_FRAMES - 1))
    assert np.array_equal(small, alone(FEWEST_FRAMES - 1))
    enough = contexts(features(FEWEST_FRAMES), ["a"] * FEWEST_FRAMES, [""] * FEWEST_FRAMES)
    assert enough[:, 0].tolist() == [1.0] * FEWEST_FRAMES


def test_a_check_that_fails_is_told_by_its_own_place_and_by_the_worst() -> None:
    (told,) = contexts(features(1), ["a"], [json.dumps({"streak_significance": 0.3, "transparency": 0.99})])
    logit = math.log(0.3 / 0.7) - math.log(0.85 / 0.15)
    assert told[CHECKED] == pytest.approx(logit, abs=1e-4)
    assert told[CHECKED + 1] > 0
    assert told[-1] == told[CHECKED]
    assert np.count_nonzero(told) == 3


def test_a_check_of_which_the_network_knows_nothing_counts_as_the_worst_at_most() -> None:
    (told,) = contexts(features(1), ["a"], [json.dumps({"something new": 0.1})])
    assert np.flatnonzero(told).tolist() == [CONTEXT_SIZE - 1]


def test_hopeless_and_perfect_qualities_stay_within_limits() -> None:
    (told,) = contexts(features(1), ["a"], [json.dumps({"streak_significance": 0.0, "transparency": 1.0})])
    assert (told[CHECKED], told[CHECKED + 1]) == (-6.0, 3.0)


def test_every_check_of_the_rules_has_its_place() -> None:
    """A new check may have none until the context's version is raised; one that is gone leaves nothing to learn."""
    (told,) = contexts(features(1), ["a"], [json.dumps(dict.fromkeys((check.column for check in CHECKS), 0.1))])
    assert np.count_nonzero(told[CHECKED:-1]) == CONTEXT_SIZE - CHECKED - 1


def test_without_its_group_only_a_frames_own_checks_are_told() -> None:
    qualities = json.dumps({"streak_significance": 0.4, "transparency": 0.1, "star_count": 0.9})
    told = contexts(features(9), ["a"] * 9, [qualities] * 9)[0]
    (lone,) = contexts(features(1), ["a"], [json.dumps({"streak_significance": 0.4, "star_count": 0.9})])
    assert np.array_equal(without_group(told), lone)
    assert not without_group(alone(1)[0]).any()


def test_what_is_measured_of_a_lone_frame_needs_no_group(tmp_path: Path) -> None:
    tiny_night(tmp_path / "raw", frames=1, seed=1)
    score_chunk("n", list_frames(tmp_path / "raw"), tmp_path / "scores.tsv", tmp_path, ScoringSettings())
    (row,) = label_rows(read_table(tmp_path / "scores.tsv", "scores"), label_settings())
    (told,) = contexts(features(1), ["n"], [row["qualities"]])
    assert np.count_nonzero(told[CHECKED:-1]) >= 5
    assert np.array_equal(without_group(told), told)


def test_a_context_is_read_back_to_the_bit() -> None:
    (told, *_) = contexts(features(8), ["a"] * 8, [json.dumps({"star_count": 0.123456})] * 8)
    assert np.array_equal(read_context(write_context(told)), told)
    with pytest.raises(ValueError, match="lay the dataset out anew"):
        read_context("[1, 2]")
