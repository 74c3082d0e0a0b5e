"""What only the night can tell of a frame."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.nights.context import Context, group_of, night_context
from nebulift.nights.order import capture_order
from nebulift.tables import Row
from unit.builders import label_settings, score_row, star_list

GROUP = 4
CLEAN_RATIO = label_settings().limits["star_count_ratio"].clean
CONTAMINATED_RATIO = label_settings().limits["star_count_ratio"].contaminated
RELATIVE = (
    "transparency",
    "hidden_fraction",
    "star_count_ratio",
    "fwhm_ratio",
    "background_ratio",
    "background_bump",
    "background_structure_excess_sigma",
    "eccentricity_excess",
    "uneven_eccentricity_excess",
    "fwhm_tilt_excess",
    "depth_loss_mag",
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
        assert context.transparency == pytest.approx(1)
        assert context.hidden_fraction == 0
        assert context.evidence == "night"
        assert context.background_structure_excess_sigma == pytest.approx(0)


def test_figures_are_relative_to_the_group() -> None:
    odd = {
        "star_count": 100,
        "stars": star_list(light=0.2),
        "eccentricity": 0.7,
        "elongation_order": 1.0,
        "fwhm_tilt": 0.8,
        "fwhm_px": 6.0,
        "background_adu": 5000.0,
        "background_structure_sigma": 2.1,
    }
    *good, bad = night_context(night(*[{}] * 9, odd), GROUP)
    assert bad.transparency == pytest.approx(0.2, abs=0.01)
    assert bad.eccentricity_excess == pytest.approx(0.7, abs=0.02), "what goes all ways adds nothing to one direction"
    assert bad.fwhm_tilt_excess == pytest.approx(0.75, abs=0.1)
    assert bad.depth_loss_mag == pytest.approx(2.5 * math.log10(1 / 0.2), abs=0.05)
    assert bad.background_bump == pytest.approx(1), "what rises until the end is no bump"
    assert bad.fwhm_ratio == pytest.approx(2 * ((1 - 0.7**2) / (1 - 0.4**2)) ** 0.25), "across the elongation"
    assert bad.background_ratio == pytest.approx(5)
    assert bad.background_structure_excess_sigma == pytest.approx(2)
    assert 0.25 < count_ratio(bad) < CONTAMINATED_RATIO
    assert all(context.transparency == pytest.approx(1, abs=0.01) for context in good)


def test_small_groups_abstain() -> None:
    rows = night(*[{"filter": "L"}] * (GROUP - 1), *[{"filter": "R"}] * GROUP)
    contexts = night_context(rows, GROUP)
    for context in contexts[: GROUP - 1]:
        assert context.group_frames == GROUP - 1
        assert context.evidence == "frame alone"
        assert [getattr(context, column) for column in RELATIVE] == [None] * len(RELATIVE)
    for context in contexts[GROUP - 1 :]:
        assert None not in [getattr(context, column) for column in RELATIVE]


def test_a_night_clouded_most_of_the_time_is_held_against_its_clear_frames() -> None:
    cloud = {"star_count": 90, "stars": star_list(light=0.3)}
    rows = night(*[cloud] * 14, *[{}] * 6)
    contexts = night_context(rows, GROUP)
    for context in contexts[:14]:
        assert count_ratio(context) < CONTAMINATED_RATIO
        assert context.transparency == pytest.approx(0.3, abs=0.01)
    for context in contexts[14:]:
        assert count_ratio(context) > CLEAN_RATIO
        assert context.transparency == pytest.approx(1, abs=0.01)


def test_sparse_fields_abstain() -> None:
    few = {"stars": "[]"}
    for context in night_context(night(*[{"star_count": 9} | few] * 9, {"star_count": 1} | few), GROUP):
        assert context.star_count_ratio is None
        assert context.transparency is None
        assert context.hidden_fraction is None


def test_no_star_at_all_where_there_are_many_is_a_cloud() -> None:
    none = {"star_count": 0, "fwhm_px": None, "stars": "[]"}
    *_, context = night_context(night(*[{}] * 9, none), GROUP)
    assert count_ratio(context) < CONTAMINATED_RATIO
    assert context.transparency is not None
    assert context.transparency < 0.2, "stars that must have been seen and were not are counted"
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
    contexts = night_context(night(*({"star_count": int(count), "stars": "[]"} for count in counts)), GROUP)
    assert all(count_ratio(context) > limit for context in contexts)


def test_what_was_not_measured_is_not_compared() -> None:
    sky = ("background_adu", "background_noise_adu", "background_structure_sigma")
    unmeasured = dict.fromkeys((*sky, "fwhm_px", "fwhm_tilt", "eccentricity")) | {"stars": "[]"}
    *_, context = night_context(night(*[{}] * 5, unmeasured), GROUP)
    assert [getattr(context, column) for column in RELATIVE] == [None] * len(RELATIVE)


def test_a_sky_level_around_zero_gives_no_ratio() -> None:
    for context in night_context(night(*[{"background_adu": 0.0}] * 5, {"background_adu": -3.0}), GROUP):
        assert context.background_ratio is None


def test_a_night_without_frames_has_no_context() -> None:
    assert night_context([], GROUP) == []


Line = tuple[float, float, float, float]


def streaks(*lines: Line, significance: float = 20.0) -> dict[str, str]:
    return {"streaks": json.dumps([[significance, *line, 2.0, 30.0] for line in lines])}


def line_through(x: float, y: float, angle_deg: float, length: float) -> Line:
    dx, dy = length / 2 * math.cos(math.radians(angle_deg)), length / 2 * math.sin(math.radians(angle_deg))
    return (x - dx, y - dy, x + dx, y + dy)


def kept(contexts: list[Context]) -> list[bool]:
    return [context.streak_significance != 0 for context in contexts]


def test_the_strongest_streak_counts() -> None:
    both = json.dumps([[12.5, 0, 0, 500, 500, 2, 9], [31.5, 0, 300, 500, 0, 3, 40]])
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


def dithered(number: int, step: float = 20.0) -> dict[str, str]:
    """Return the columns of a frame that points `step` px further than the one before, in x and in y."""
    shift = (step * number, step * number)
    return {"date_obs": f"2024-09-09T21:{number:02d}:00.000", "stars": star_list(shift=shift)}


def test_a_line_that_stays_in_two_frames_though_the_sky_moved_is_the_detectors() -> None:
    across = streaks((100, 700, 900, 100))
    rows = night(*({**dithered(number), **(across if number < 2 else {})} for number in range(5)))
    assert kept(night_context(rows, GROUP)) == [False] * 5


def test_a_line_in_two_frames_that_point_alike_may_be_a_trail() -> None:
    line = streaks((100, 700, 900, 100))
    rows = night(*({**dithered(number, step=1.0), **(line if number < 2 else {})} for number in range(5)))
    assert kept(night_context(rows, GROUP)) == [True] * 2 + [False] * 3


def test_a_line_that_moves_with_the_sky_is_an_object() -> None:
    rows = night(
        *(
            {
                **dithered(number),
                **streaks((200 + 20 * number, 600 + 20 * number, 500 + 20 * number, 300 + 20 * number)),
            }
            for number in range(6)
        )
    )
    contexts = night_context(rows, GROUP)
    assert kept(contexts) == [False] * 6
    assert [context.persistent_streaks for context in contexts] == [1] * 6


Sky = tuple[float, float, float, float]
"""x, y, direction in degrees and length of a line in the sky."""


def sky_night(frames: int, lines: Callable[[int], list[tuple[Sky, float, float]]], turn_deg: float = 0.0) -> list[Row]:
    """Return frames that are dithered, and flipped half-way, with `lines` (where, width, brightness) of the sky each.

    The field turns by `turn_deg` from frame to frame.
    """
    random = np.random.default_rng(11)
    rows = []
    for number in range(frames):
        shift = tuple(random.uniform(-20, 20, 2).round(1))
        turned = turn_deg * number + (180.0 if number >= frames / 2 else 0.0)
        angle, middle = math.radians(turned), np.array([499.5, 399.5])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        listed = []
        for where, width, brightness in lines(number):
            ends = (np.array(line_through(*where)).reshape(2, 2) - middle) @ turn.T + middle + shift
            listed.append([15.0, *ends.ravel(), width, brightness])
        changes = {"stars": star_list(shift=shift, turn_deg=turned), "streaks": json.dumps(listed)}
        rows.append(score_row(f"{number:03d}.fits", date_obs=f"2024-09-09T21:{number:02d}:00.000", **changes))
    return rows


@pytest.mark.parametrize("turn_deg", [0.0, 0.4])
@pytest.mark.parametrize("frames", [5, 12, 40])
def test_what_belongs_to_the_sky_is_known_by_its_middle(frames: int, turn_deg: float) -> None:
    # A galaxy seen from its edge: from frame to frame another part of it is listed, in another direction.
    random = np.random.default_rng(4)

    def galaxy(_: int) -> list[tuple[Sky, float, float]]:
        x, y = np.array([420, 330]) + random.uniform(-4, 4, 2)
        return [((x, y, 25 + random.uniform(-4, 4), random.uniform(120, 180)), 5.0, random.uniform(15, 30))]

    assert kept(night_context(sky_night(frames, galaxy, turn_deg), GROUP)) == [False] * frames


def test_a_nebula_has_lines_in_all_directions() -> None:
    random = np.random.default_rng(4)

    def nebula(_: int) -> list[tuple[Sky, float, float]]:
        return [((*(np.array([420, 330]) + random.uniform(-20, 20, 2)), random.uniform(0, 180), 150), 10.0, 20.0)]

    contexts = night_context(sky_night(12, nebula), GROUP)
    assert kept(contexts) == [False] * 12


def test_a_trail_along_a_galaxy_is_kept() -> None:
    galaxy: tuple[Sky, float, float] = ((420, 330, 25, 150), 6.0, 20.0)
    long: tuple[Sky, float, float] = ((430, 334, 25, 600), 4.0, 20.0)
    bright: tuple[Sky, float, float] = ((430, 334, 25, 150), 4.0, 100.0)
    found = night_context(sky_night(10, lambda number: [galaxy, *({3: [long], 6: [bright]}.get(number, []))]), GROUP)
    assert kept(found) == [number in (3, 6) for number in range(10)]


@pytest.mark.parametrize("frames", [5, 12, 40])
def test_three_trails_that_have_nothing_in_common_are_kept(frames: int) -> None:
    random = np.random.default_rng(8)

    def trails(number: int) -> list[tuple[Sky, float, float]]:
        if number not in (0, 2, 4):
            return []
        return [((*random.uniform(300, 500, 2), random.uniform(0, 180), 700), 3.0, 30.0)]

    found = night_context(sky_night(frames, trails), GROUP)
    assert kept(found) == [number in (0, 2, 4) for number in range(frames)]


@pytest.mark.parametrize(("order", "common", "uneven"), [(1.0, 0.7, 0.0), (0.0, 0.0, 0.7)])
def test_elongation_in_one_direction_is_told_from_that_of_the_optics(
    order: float, common: float, uneven: float
) -> None:
    round_stars, odd = {"eccentricity": 0.1}, {"eccentricity": 0.7, "elongation_order": order}
    *_, context = night_context(night(*[round_stars] * 9, odd), GROUP)
    assert context.eccentricity_excess == pytest.approx(common, abs=0.03)
    assert context.uneven_eccentricity_excess == pytest.approx(uneven, abs=0.03)


@pytest.mark.parametrize(("angle_deg", "most", "least"), [(30.0, 0.05, 0.0), (210.0, 0.05, 0.0), (120.0, 0.7, 0.55)])
def test_an_elongation_counts_by_its_direction(angle_deg: float, most: float, least: float) -> None:
    usual = {"eccentricity": 0.6, "elongation_order": 0.95}
    rows = night(*[usual] * 9, {**usual, "position_angle_deg": angle_deg})
    *_, context = night_context(rows, GROUP)
    assert context.eccentricity_excess is not None
    assert least <= context.eccentricity_excess <= most


def test_a_mount_that_wanders_all_night_is_usual_and_a_knock_is_not() -> None:
    random = np.random.default_rng(2)
    wandering = [
        {"eccentricity": 0.5, "elongation_order": 0.9, "position_angle_deg": float(angle)}
        for angle in random.uniform(0, 180, 20)
    ]
    *usual, knock = night_context(
        night(*wandering, {"eccentricity": 0.85, "elongation_order": 0.99, "position_angle_deg": 8.0}), GROUP
    )
    told = [context.eccentricity_excess or 0.0 for context in usual]
    assert np.median(told) < 0.2
    assert (knock.eccentricity_excess or 0.0) > max(*told, 0.6)


def test_round_frames_of_a_night_of_bad_tracking_are_none_the_worse() -> None:
    trailed = {"eccentricity": 0.9, "elongation_order": 1.0}
    contexts = night_context(night(*[trailed] * 6, *[{"eccentricity": 0.1}] * 4), GROUP)
    assert all((context.eccentricity_excess or 0.0) <= 0.1 for context in contexts)


def test_what_bad_tracking_draws_out_is_in_focus() -> None:
    # Twice as long as wide: 1.41 times as wide a circle has the same area.
    trailed = {"eccentricity": math.sqrt(0.75), "elongation_order": 1.0, "fwhm_px": 3.0 * math.sqrt(2)}
    *_, context = night_context(night(*[{"eccentricity": 0.0}] * 9, trailed), GROUP)
    assert context.fwhm_ratio == pytest.approx(1.0)


def test_stars_that_widen_as_the_target_sinks_are_in_focus() -> None:
    airmass = np.linspace(1, 2, 20)
    rows = night(*({"airmass": air, "fwhm_px": 3.0 * air**0.6} for air in airmass))
    rows[4]["fwhm_px"] *= 1.6
    told = [context.fwhm_ratio or 0.0 for context in night_context(rows, GROUP)]
    assert told.pop(4) == pytest.approx(1.6, abs=0.02)
    assert told == pytest.approx([1.0] * 19, abs=0.02)
    far = night_context(night(*({"airmass": air, "fwhm_px": 3.0 * air**2} for air in airmass)), GROUP)[-1]
    assert (far.fwhm_ratio or 0.0) > 1.5, "the air explains no more than it can do"


def test_depth_is_lost_to_a_bright_sky_and_to_thin_light_alike() -> None:
    bright = {"background_noise_adu": 20.0 * math.sqrt(10)}
    thin = {"stars": star_list(light=0.5)}
    *dark, by_sky, by_cloud = night_context(night(*[{}] * 8, bright, thin), GROUP)
    assert by_sky.depth_loss_mag == pytest.approx(1.25, abs=0.03)
    assert by_cloud.depth_loss_mag == pytest.approx(0.75, abs=0.03)
    assert max(context.depth_loss_mag or 0.0 for context in dark) < 0.02
    moonlit = night_context(night(*[bright] * 8), GROUP)
    assert max(context.depth_loss_mag or 0.0 for context in moonlit) < 0.02, "bright throughout is usual"


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
