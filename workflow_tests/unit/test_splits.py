"""Splits into training and validation: without leaks, and the same ones tomorrow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.dataset.splits import MARGIN, TRAIN, VAL, Placement, SplitRule, count_in_name, split_night

EVENING = datetime(2024, 9, 9, 20)
BLOCKS = SplitRule()


def dates(*minutes: float) -> list[str]:
    return [(EVENING + timedelta(minutes=minute)).isoformat(timespec="milliseconds") for minute in sorted(minutes)]


def dated(night: str, taken: Sequence[str], rule: SplitRule) -> list[Placement]:
    """Place frames with a time, whose names say nothing."""
    return split_night(night, ["light.fits"] * len(taken), taken, rule)


def undated(night: str, names: Sequence[str], rule: SplitRule) -> list[Placement]:
    return split_night(night, names, [""] * len(names), rule)


@st.composite
def block_rules(draw: st.DrawFn) -> SplitRule:
    block_minutes = draw(st.floats(0.1, 1440))
    margin = draw(st.floats(0, 0.5)) * block_minutes
    return SplitRule("blocks", draw(st.floats(0.001, 0.5)), block_minutes, margin)


rules = st.one_of(block_rules(), st.builds(SplitRule, st.just("nights"), st.floats(0.001, 0.5)))
minutes_of_a_night = st.lists(st.floats(0, 600), max_size=40)
names_without_times = st.lists(st.sampled_from([f"IMG_{count:04d}.JPG" for count in range(200)] + ["moon.png"]))


@given(block_rules(), st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3000)), min_size=2, max_size=60))
def test_no_neighbour_within_the_margin_is_on_the_other_side(rule: SplitRule, frames: list[tuple[str, float]]) -> None:
    """Of whatever night: one folder per filter makes nights of one evening."""
    taken = [(EVENING + timedelta(minutes=minute)).isoformat(timespec="milliseconds") for _, minute in frames]
    sides = [dated(night, [date], rule)[0].side for (night, _), date in zip(frames, taken, strict=True)]
    moments = [datetime.fromisoformat(date) for date in taken]
    validates = [moment for moment, side in zip(moments, sides, strict=True) if side == VAL]
    trains = [moment for moment, side in zip(moments, sides, strict=True) if side == TRAIN]
    # Times are kept in microseconds, and a margin of half of one is none.
    margin = timedelta(minutes=rule.margin_minutes) - timedelta(microseconds=1)
    assert all(abs(one - other) > margin for one in trains for other in validates)


@given(block_rules(), st.sets(st.integers(0, 300), min_size=2, max_size=60))
def test_without_times_no_neighbour_by_number_is_on_the_other_side(rule: SplitRule, counts: set[int]) -> None:
    placements = undated("n", [f"IMG_{count}.JPG" for count in sorted(counts)], rule)
    sides = dict(zip(sorted(counts), placements, strict=True))
    for one, placement in sides.items():
        for other in range(one - rule.margin_frames, one + rule.margin_frames + 1):
            if other in sides:
                assert {placement.side, sides[other].side} != {TRAIN, VAL}


@given(rules, minutes_of_a_night, minutes_of_a_night, names_without_times, names_without_times)
def test_frames_that_join_a_night_move_no_other(
    rule: SplitRule, minutes: list[float], more: list[float], names: list[str], more_names: list[str]
) -> None:
    def placed(minutes: list[float], names: list[str]) -> dict[tuple[str, str], Placement]:
        taken = dates(*minutes)
        frames = [*(("light.fits", date) for date in taken), *((name, "") for name in sorted(names))]
        placements = split_night("n", [name for name, _ in frames], [date for _, date in frames], rule)
        return dict(zip(frames, placements, strict=True))

    before, after = placed(minutes, names), placed([*minutes, *more], [*names, *more_names])
    assert {frame: after[frame] for frame in before} == before


@given(block_rules(), minutes_of_a_night, names_without_times)
def test_a_block_is_never_on_both_sides(rule: SplitRule, minutes: list[float], names: list[str]) -> None:
    sides: dict[str, set[str]] = {}
    for placement in [*dated("n", dates(*minutes), rule), *undated("n", names, rule)]:
        sides.setdefault(placement.block, set()).add(placement.side)
    assert all(not {TRAIN, VAL} <= found and not {VAL, MARGIN} <= found for found in sides.values())


def test_a_block_is_as_long_as_it_should_be() -> None:
    # 20:00 is a border of blocks of ten minutes.
    blocks = [placement.block for placement in dated("n", dates(0, 5, 9.99, 10, 19.99, 20), BLOCKS)]
    assert blocks[0] == blocks[1] == blocks[2] != blocks[3] == blocks[4] != blocks[5]


def test_the_margin_takes_from_training_on_both_sides_and_nothing_else() -> None:
    # On this evening the block from 20:10 to 20:20 validates.
    at = {0: TRAIN, 6.9: TRAIN, 7: MARGIN, 9.9: MARGIN, 10: VAL, 19.9: VAL, 20: MARGIN, 22.9: MARGIN, 23: TRAIN}
    assert [placement.side for placement in dated("n", dates(*at), BLOCKS)] == list(at.values())
    no_margin = SplitRule(margin_minutes=0)
    assert {placement.side for placement in dated("n", dates(*at), no_margin)} == {TRAIN, VAL}


@pytest.mark.parametrize("margin", [-1, 5.1, 20])
def test_a_margin_that_leaves_nothing_between_two_blocks_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin_minutes"):
        SplitRule(margin_minutes=margin)
    assert SplitRule("nights", margin_minutes=20)


def test_frames_without_a_time_stay_together_by_tens_of_their_numbers() -> None:
    blocks = [placement.block for placement in undated("n", [f"IMG_{count:04d}.JPG" for count in range(25)], BLOCKS)]
    assert len(set(blocks[:10])) == len(set(blocks[10:20])) == len(set(blocks[20:])) == 1
    assert len(set(blocks)) == 3


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("IMG_0042.JPG", 42),
        ("M31/L_7.png", 7),
        ("2024-09-09/moon.png", None),
        ("light_60s_0001.tif", 1),
        ("20240909213015.png", None),
        ("moon.png", None),
        ("DSC01234.TIF", 1234),
    ],
)
def test_the_count_in_a_name(name: str, count: int | None) -> None:
    assert count_in_name(name) == count


def test_frames_with_neither_time_nor_count_are_one_block() -> None:
    placements = undated("n", ["moon.png", "a/sun.png", "20240909213015.png"], BLOCKS)
    assert len(set(placements)) == 1


def test_blocks_of_different_nights_are_different_but_one_evening_has_one_side() -> None:
    minutes = [float(minute) for minute in range(0, 300, 3)]
    red, blue = (dated(night, dates(*minutes), BLOCKS) for night in ("2024-09-09_R", "2024-09-09_B"))
    assert not {placement.block for placement in red} & {placement.block for placement in blue}
    assert [placement.side for placement in red] == [placement.side for placement in blue]


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.3, 0.4, 0.45, 0.5])
def test_the_share_of_blocks_is_right_over_a_long_night(fraction: float) -> None:
    rule = SplitRule(validation_fraction=fraction, block_minutes=1, margin_minutes=0)
    # From dusk to the next noon, where the count of the next day begins.
    placements = dated("n", dates(*map(float, range(960))), rule)
    assert sum(placement.side == VAL for placement in placements) == pytest.approx(960 * fraction, abs=1)


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_the_share_of_blocks_is_right_over_many_short_nights(fraction: float, blocks: int) -> None:
    rule = SplitRule(validation_fraction=fraction)
    placements = [
        placement
        for day in range(1000, 2500)
        for placement in dated("n", dates(*(1440.0 * day + 10 * block + 5 for block in range(blocks))), rule)
    ]
    share = sum(placement.side == VAL for placement in placements) / len(placements)
    assert share == pytest.approx(fraction, abs=0.04)


def test_validation_is_spread_over_the_night() -> None:
    # With a fifth of the blocks there is one among each five that follow one another.
    sides = [placement.side for placement in dated("n", dates(*range(5, 605, 10)), BLOCKS)]
    for start in range(0, 55):
        assert sides[start : start + 5].count(VAL) == 1


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_nights_as_a_whole_are_split_in_the_right_share(fraction: float) -> None:
    rule = SplitRule("nights", fraction)
    sides = []
    for number in range(2000):
        night = f"2024-09-09 {number}"
        placements = split_night(night, ["a.fits", "b.fits", "c.png"], [*dates(0, 300), ""], rule)
        assert len(set(placements)) == 1
        assert placements[0].block == night
        sides.append(placements[0].side)
    assert sides.count(VAL) / len(sides) == pytest.approx(fraction, abs=0.03)


def test_no_frame_has_no_place() -> None:
    assert split_night("n", [], [], BLOCKS) == []
    assert split_night("n", [], [], SplitRule("nights")) == []


def test_sides_do_not_change_from_one_version_to_the_next() -> None:
    # Validation frames of one version must not train the next: models could not be compared.
    placements = dated("2024-09-09", dates(0, 10, 20, 30, 40), BLOCKS)
    assert [placement.side for placement in placements] == [TRAIN, VAL, MARGIN, TRAIN, TRAIN]
    assert placements[1] == Placement(VAL, "2024-09-09/2876521")
    assert undated("2024-09-09", ["IMG_0042.JPG"], BLOCKS) == [Placement(TRAIN, "2024-09-09/undated 4")]
