"""What only the night can tell of a frame."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.nights.context import Context, group_of, night_context
from nebulift.nights.order import capture_order
from nebulift.tables import Row
from unit.builders import label_settings, score_row

GROUP = 4
CLEAN_RATIO = label_settings().limits["star_count_ratio"].clean
CONTAMINATED_RATIO = label_settings().limits["star_count_ratio"].contaminated
RELATIVE = (
    "star_count_ratio",
    "star_flux_ratio",
    "fwhm_ratio",
    "background_ratio",
    "background_structure_excess_sigma",
)


def night(*changes: dict[str, Any], **all_changes: Any) -> list[Row]:
    return [score_row(f"{number:03d}.fits", **all_changes, **change) for number, change in enumerate(changes)]


def count_ratio(context: Context) -> float:
    assert context.star_count_ratio is not None
    return context.star_count_ratio


def test_a_group_is_target_filter_exposure_camera_and_size() -> None:
    assert group_of(score_row()) == "M 31 | L | 60 s | Camera | 1000x800"
    assert group_of(score_row(object="", filter="", exposure_s=None, camera="")) == "? | ? | ? | ? | 1000x800"
    changes = [{"object": "M 42"}, {"filter": "R"}, {"exposure_s": 30.0}, {"camera": "B"}, {"width_px": 1001}]
    names = {group_of(score_row(**change)) for change in [{}, *changes]}
    assert len(names) == 1 + len(changes)


@pytest.mark.parametrize(("one", "other", "same"), [(59.997, 60.002, True), (60, 61, False), (0.001, 0.002, False)])
def test_exposures_that_a_shutter_measured_are_one_exposure(one: float, other: float, same: bool) -> None:
    assert (group_of(score_row(exposure_s=one)) == group_of(score_row(exposure_s=other))) == same


def test_long_exposures_are_written_out() -> None:
    assert " 1200 s " in group_of(score_row(exposure_s=1200.0))


def test_frames_are_compared_with_their_own_group_alone() -> None:
    wide = [{"filter": "L", "star_count": 800, "fwhm_px": 2.0, "background_adu": 2000.0}] * 5
    narrow = [{"filter": "Ha", "star_count": 80, "fwhm_px": 4.0, "background_adu": 100.0}] * 5
    # In turn, so that the order of the rows differs from the order of the groups.
    rows = night(*(change for pair in zip(wide, narrow, strict=True) for change in pair))
    contexts = night_context(rows, GROUP)
    assert [context.group.split(" | ")[1] for context in contexts] == ["L", "Ha"] * 5
    for context in contexts:
        assert context.group_frames == 5
        assert count_ratio(context) > 0.99
        assert context.fwhm_ratio == pytest.approx(1)
        assert context.background_ratio == pytest.approx(1)
        assert context.star_flux_ratio == pytest.approx(1)
        assert context.background_structure_excess_sigma == pytest.approx(0)


def test_figures_are_relative_to_the_group() -> None:
    odd = {
        "star_count": 100,
        "flux_15th_adu": 10_000.0,
        "flux_50th_adu": 10_000.0,
        "fwhm_px": 6.0,
        "background_adu": 5000.0,
        "background_structure_sigma": 2.1,
    }
    *good, bad = night_context(night(*[{}] * 9, odd), GROUP)
    assert bad.star_flux_ratio == pytest.approx(0.2)
    assert bad.fwhm_ratio == pytest.approx(2)
    assert bad.background_ratio == pytest.approx(5)
    assert bad.background_structure_excess_sigma == pytest.approx(2)
    assert 0.25 < count_ratio(bad) < CONTAMINATED_RATIO
    assert all(context.star_flux_ratio == pytest.approx(1) for context in good)


def test_small_groups_abstain() -> None:
    rows = night(*[{"filter": "L"}] * (GROUP - 1), *[{"filter": "R"}] * GROUP)
    contexts = night_context(rows, GROUP)
    for context in contexts[: GROUP - 1]:
        assert context.group_frames == GROUP - 1
        assert [getattr(context, column) for column in RELATIVE] == [None] * len(RELATIVE)
    for context in contexts[GROUP - 1 :]:
        assert None not in [getattr(context, column) for column in RELATIVE]


def test_a_night_clouded_most_of_the_time_is_held_against_its_clear_frames() -> None:
    cloud = {"star_count": 90, "flux_15th_adu": 15_000.0, "flux_50th_adu": 15_000.0}
    rows = night(*[cloud] * 14, *[{}] * 6)
    contexts = night_context(rows, GROUP)
    for context in contexts[:14]:
        assert count_ratio(context) < CONTAMINATED_RATIO
        assert context.star_flux_ratio == pytest.approx(0.3)
    for context in contexts[14:]:
        assert count_ratio(context) > CLEAN_RATIO
        assert context.star_flux_ratio == pytest.approx(1)


def test_sparse_fields_abstain() -> None:
    few = {"flux_15th_adu": None, "flux_50th_adu": None}
    for context in night_context(night(*[{"star_count": 9} | few] * 9, {"star_count": 1} | few), GROUP):
        assert context.star_count_ratio is None
        assert context.star_flux_ratio is None


def test_no_star_at_all_where_there_are_many_is_a_cloud() -> None:
    none = {"star_count": 0, "fwhm_px": None, "flux_15th_adu": None, "flux_50th_adu": None}
    *_, context = night_context(night(*[{}] * 9, none), GROUP)
    assert count_ratio(context) < CONTAMINATED_RATIO
    assert context.star_flux_ratio is None
    assert context.fwhm_ratio is None


@pytest.mark.parametrize("brighter", [1.5, 2.0, 4.0])
def test_brighter_sky_alone_does_not_lower_the_count_ratio(brighter: float) -> None:
    # N ~ 10^(0.3 m), and the faintest star that is found is as bright as the noise.
    moonlit = {"background_noise_adu": 20.0 * brighter, "star_count": round(400 * brighter**-0.75)}
    contexts = night_context(night(*[{}] * 10, *[moonlit] * 10), GROUP)
    assert all(count_ratio(context) > 0.95 for context in contexts)


def test_a_cloud_in_the_moonlight_is_seen_all_the_same() -> None:
    cloud = {"background_noise_adu": 40.0, "star_count": 50}
    *_, context = night_context(night(*[{}] * 10, cloud), GROUP)
    assert count_ratio(context) < CONTAMINATED_RATIO


@pytest.mark.parametrize(("stars", "limit"), [(30, CONTAMINATED_RATIO), (100, CLEAN_RATIO), (2000, CLEAN_RATIO)])
@given(seed=st.integers(0, 2**32 - 1))
def test_chance_alone_does_not_lower_the_count_ratio(stars: int, limit: float, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(stars, 30)
    contexts = night_context(night(*({"star_count": int(count)} for count in counts)), GROUP)
    assert all(count_ratio(context) > limit for context in contexts)


def test_what_was_not_measured_is_not_compared() -> None:
    sky = ("background_adu", "background_noise_adu", "background_structure_sigma")
    unmeasured = dict.fromkeys((*sky, "fwhm_px", "flux_15th_adu", "flux_50th_adu"))
    *_, context = night_context(night(*[{}] * 5, unmeasured), GROUP)
    assert [getattr(context, column) for column in RELATIVE] == [None] * len(RELATIVE)


def test_a_sky_level_around_zero_gives_no_ratio() -> None:
    for context in night_context(night(*[{"background_adu": 0.0}] * 5, {"background_adu": -3.0}), GROUP):
        assert context.background_ratio is None


def test_a_night_without_frames_has_no_context() -> None:
    assert night_context([], GROUP) == []


Line = tuple[float, float, float, float]


def streaks(*lines: Line, significance: float = 20.0) -> dict[str, str]:
    return {"streaks": json.dumps([[significance, *line, 2.0] for line in lines])}


def line_through(x: float, y: float, angle_deg: float, length: float) -> Line:
    dx, dy = length / 2 * math.cos(math.radians(angle_deg)), length / 2 * math.sin(math.radians(angle_deg))
    return (x - dx, y - dy, x + dx, y + dy)


def kept(contexts: list[Context]) -> list[bool]:
    return [context.streak_significance != 0 for context in contexts]


def test_the_strongest_streak_counts() -> None:
    both = json.dumps([[12.5, 0, 0, 500, 500, 2], [31.5, 0, 300, 500, 0, 3]])
    strong, none = night_context(night({"streaks": both}, {}), GROUP)
    assert (strong.streak_significance, strong.persistent_streaks) == (31.5, 0)
    assert (none.streak_significance, none.persistent_streaks) == (0.0, 0)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_a_line_that_stays_in_three_frames_is_the_detectors(frames: int) -> None:
    contexts = night_context(night(*[streaks((100, 100, 900, 700))] * frames, {}), GROUP)
    stays = frames >= 3
    assert kept(contexts) == [not stays] * frames + [False]
    assert [context.persistent_streaks for context in contexts] == [int(stays)] * frames + [0]


def test_a_trail_in_a_frame_with_a_persistent_line_is_kept() -> None:
    column = (500, 0, 500, 799)
    rows = night(*[streaks(column)] * 4, streaks(column, (0, 100, 900, 600)))
    *_, context = night_context(rows, GROUP)
    assert context.persistent_streaks == 1
    assert context.streak_significance == 20.0


def test_every_persistent_line_of_a_frame_counts() -> None:
    lines = [line_through(500, 20 + 40 * number, 0, 900) for number in range(19)]
    for context in night_context(night(*[streaks(*lines)] * 3), GROUP):
        assert (context.persistent_streaks, context.streak_significance) == (19, 0)


@pytest.mark.parametrize("angle_deg", [0.0, 90.0, 37.0])
def test_lines_are_the_same_within_what_they_are_measured_to(angle_deg: float) -> None:
    random = np.random.default_rng(3)
    rows = night(
        *(
            streaks(
                line_through(
                    *(np.array([500, 400]) + random.uniform(-1.5, 1.5, 2)),
                    angle_deg + random.uniform(-0.3, 0.3),
                    random.uniform(500, 700),
                )
            )
            for _ in range(5)
        )
    )
    assert kept(night_context(rows, GROUP)) == [False] * 5


@pytest.mark.parametrize("y", [100.0, 400.0, 700.0])
def test_lines_near_0_and_180_degrees_are_the_same(y: float) -> None:
    lines = [line_through(500, y, angle_deg, 800) for angle_deg in (0.2, 179.8, 0.0, 180.2)]
    reversed_ends = [(x2, y2, x1, y1) for x1, y1, x2, y2 in lines]
    for chosen in (lines, reversed_ends, [lines[0], reversed_ends[1], lines[2], reversed_ends[3]]):
        assert kept(night_context(night(*map(streaks, chosen)), GROUP)) == [False] * 4


@pytest.mark.parametrize("y", [100.0, 400.0])
def test_lines_on_both_sides_of_the_centre_are_not_the_same(y: float) -> None:
    lines = [line_through(500, place, angle, 800) for place, angle in ((y, 0.2), (800 - y + 10, 179.8), (y + 30, 0.1))]
    assert kept(night_context(night(*map(streaks, lines)), GROUP)) == [True] * 3


def test_real_trails_are_kept() -> None:
    random = np.random.default_rng(5)
    lines = [line_through(*random.uniform(200, 600, 2), random.uniform(0, 180), 600) for _ in range(40)]
    assert kept(night_context(night(*map(streaks, lines)), GROUP)) == [True] * 40


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 179.9])
def test_parallel_trails_are_kept(angle_deg: float) -> None:
    # A train of satellites crosses one frame after the other along the same way, a little aside.
    rows = night(*(streaks(line_through(500, 300 + 15 * number, angle_deg, 700)) for number in range(5)))
    assert kept(night_context(rows, GROUP)) == [True] * 5


@pytest.mark.parametrize("angle_deg", [0.1, 45.0, 179.9])
def test_pieces_of_one_trail_in_successive_frames_are_kept(angle_deg: float) -> None:
    # A geostationary satellite drifts on along its line from frame to frame.
    step = np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))])
    centres = [np.array([500, 400]) + step * along for along in (-300, -100, 100, 300)]
    rows = night(*(streaks(line_through(*centre, angle_deg, 190)) for centre in centres))
    assert kept(night_context(rows, GROUP)) == [True] * 4


def test_lines_are_compared_between_frames_of_one_size_alone() -> None:
    line = streaks((100, 100, 900, 700))
    rows = night(*[line] * 2, *[{**line, "width_px": 1200}] * 2)
    assert kept(night_context(rows, GROUP)) == [True] * 4


def test_lines_persist_through_groups() -> None:
    line = streaks((100, 100, 900, 700))
    rows = night(*({**line, "filter": name} for name in "LRGB"))
    assert kept(night_context(rows, GROUP)) == [False] * 4


def test_several_streaks_of_one_frame_do_not_confirm_each_other() -> None:
    close = [(100, 100 + offset, 900, 700 + offset) for offset in (0, 1, 2)]
    assert kept(night_context(night(streaks(*close), {}), GROUP)) == [True, False]


def test_capture_order_is_by_time_then_by_name_and_undated_last() -> None:
    rows = [
        score_row("d.fits", date_obs=""),
        score_row("b.fits", date_obs="2024-09-09T22:00:00.000"),
        score_row("a.fits", date_obs=""),
        score_row("z.fits", date_obs="2024-09-09T21:00:00.000"),
        score_row("a.fits", date_obs="2024-09-09T22:00:00.000"),
    ]
    ordered = sorted(rows, key=capture_order)
    assert [row["frame"] for row in ordered] == ["z.fits", "a.fits", "b.fits", "a.fits", "d.fits"]
    assert [bool(row["date_obs"]) for row in ordered] == [True, True, True, False, False]
