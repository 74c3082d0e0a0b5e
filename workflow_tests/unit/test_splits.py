"""Splits into training and validation: without leaks, and the same ones tomorrow."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.dataset.splits import TRAIN, VAL, Placement, SplitRule, split_night

EVENING = datetime(2024, 9, 9, 20)
BLOCKS = SplitRule()


def dates(*minutes: float) -> list[str]:
    return [(EVENING + timedelta(minutes=minute)).isoformat(timespec="milliseconds") for minute in sorted(minutes)]


rules = st.builds(
    SplitRule,
    st.sampled_from(["blocks", "nights"]),
    st.floats(0.001, 0.5),
    st.floats(0.1, 1440),
)
minutes_of_a_night = st.lists(st.floats(0, 600), max_size=40)


@given(rules, minutes_of_a_night, minutes_of_a_night, st.integers(0, 25), st.integers(0, 25))
def test_frames_that_join_a_night_move_no_other(
    rule: SplitRule, minutes: list[float], later: list[float], undated: int, more_undated: int
) -> None:
    first, second = dates(*minutes), dates(*(600 + minute for minute in later))
    before = split_night("2024-09-09", [*first, *[""] * undated], rule)
    after = split_night("2024-09-09", [*first, *second, *[""] * (undated + more_undated)], rule)
    start = len(first) + len(second)
    assert [*after[: len(first)], *after[start : start + undated]] == before


@given(rules, minutes_of_a_night, st.sets(st.floats(0, 600), min_size=1, max_size=5))
def test_frames_between_others_move_no_other(rule: SplitRule, minutes: list[float], between: set[float]) -> None:
    alone = dict(zip(dates(*minutes), split_night("n", dates(*minutes), rule), strict=True))
    both = dates(*minutes, *between)
    together = dict(zip(both, split_night("n", both, rule), strict=True))
    assert {date: together[date] for date in alone} == alone


@given(rules, minutes_of_a_night, st.integers(0, 45))
def test_blocks_are_never_split(rule: SplitRule, minutes: list[float], undated: int) -> None:
    placements = split_night("n", [*dates(*minutes), *[""] * undated], rule)
    sides: dict[str, set[str]] = {}
    for placement in placements:
        sides.setdefault(placement.block, set()).add(placement.side)
    assert all(len(found) == 1 for found in sides.values())


def test_a_block_is_as_long_as_it_should_be() -> None:
    # 20:00 is a border of blocks of ten minutes.
    placements = split_night("n", dates(0, 5, 9.99, 10, 19.99, 20), BLOCKS)
    blocks = [placement.block for placement in placements]
    assert blocks[0] == blocks[1] == blocks[2] != blocks[3] == blocks[4] != blocks[5]


def test_frames_without_a_time_stay_together_in_tens() -> None:
    blocks = [placement.block for placement in split_night("n", [*dates(0, 1, 2), *[""] * 25], BLOCKS)]
    assert len(set(blocks[3:13])) == len(set(blocks[13:23])) == len(set(blocks[23:])) == 1
    assert len(set(blocks)) == 4


def test_blocks_of_different_nights_are_different() -> None:
    (one,) = split_night("a", dates(0), BLOCKS)
    (other,) = split_night("b", dates(0), BLOCKS)
    assert one.block != other.block


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.3, 0.4, 0.45, 0.5])
def test_the_share_of_blocks_is_right_over_a_long_night(fraction: float) -> None:
    rule = SplitRule(validation_fraction=fraction)
    placements = split_night("n", dates(*range(0, 10_000, 10)), rule)
    assert sum(placement.side == VAL for placement in placements) == pytest.approx(1000 * fraction, abs=1)


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_the_share_of_blocks_is_right_over_many_short_nights(fraction: float, blocks: int) -> None:
    rule = SplitRule(validation_fraction=fraction)
    placements = [
        placement
        for night in range(2000)
        for placement in split_night(f"night {night}", dates(*range(0, 10 * blocks, 10)), rule)
    ]
    share = sum(placement.side == VAL for placement in placements) / len(placements)
    assert share == pytest.approx(fraction, abs=0.03)


def test_validation_is_spread_over_the_night() -> None:
    # With a fifth of the blocks there is one among each five that follow one another.
    sides = [placement.side for placement in split_night("n", dates(*range(0, 600, 10)), BLOCKS)]
    for start in range(0, 55):
        assert sides[start : start + 5].count(VAL) == 1


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_nights_as_a_whole_are_split_in_the_right_share(fraction: float) -> None:
    rule = SplitRule("nights", fraction)
    sides = []
    for number in range(2000):
        night = f"2024-09-09 {number}"
        placements = split_night(night, [*dates(0, 300), ""], rule)
        assert len(set(placements)) == 1
        assert placements[0].block == night
        sides.append(placements[0].side)
    assert sides.count(VAL) / len(sides) == pytest.approx(fraction, abs=0.03)


def test_no_frame_has_no_place() -> None:
    assert split_night("n", [], BLOCKS) == []
    assert split_night("n", [], SplitRule("nights")) == []


def test_sides_do_not_change_from_one_version_to_the_next() -> None:
    # Validation frames of one version must not train the next: models could not be compared.
    placements = split_night("2024-09-09", [*dates(0, 10, 20, 30, 40), ""], BLOCKS)
    assert [placement.side for placement in placements] == [TRAIN, VAL, TRAIN, TRAIN, TRAIN, TRAIN]
    assert placements[1] == Placement(VAL, "2024-09-09/2876521")
