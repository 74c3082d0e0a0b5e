"""What only the night can tell of a frame."""

import math

import numpy as np
import pytest

from nebulift.nights.context import Context, group_of, night_context
from nebulift.nights.order import capture_order
from unit.builders import label_settings, night, score_row, star_list

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
    "elongation_ratio",
    "uneven_eccentricity_excess",
    "fwhm_tilt_excess",
    "depth_loss_mag",
)


def count_ratio(context: Context) -> float:
    assert context.star_count_ratio is not None
    return context.star_count_ratio


def elongation(context: Context) -> float:
    assert context.elongation_ratio is not None
    return context.elongation_ratio


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
    # Of 6 px and eccentricity 0.7: 7.1 px along and 5.1 px across, against 3 px.
    assert bad.elongation_ratio == pytest.approx(1.93, abs=0.02), "what goes all ways adds nothing to one direction"
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
@pytest.mark.parametrize("seed", range(40))
def test_chance_alone_does_not_lower_the_count_ratio(stars: int, limit: float, seed: int) -> None:
    # Not any seed: of a million such frames some fall below by chance.
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


@pytest.mark.parametrize(("order", "ratio", "uneven"), [(1.0, 1.3, 0.0), (0.0, 1.0, 0.7)])
def test_elongation_in_one_direction_is_told_from_that_of_the_optics(order: float, ratio: float, uneven: float) -> None:
    round_stars, odd = {"eccentricity": 0.1}, {"eccentricity": 0.7, "elongation_order": order}
    *_, context = night_context(night(*[round_stars] * 9, odd), GROUP)
    assert context.elongation_ratio == pytest.approx(ratio, abs=0.02)
    assert context.uneven_eccentricity_excess == pytest.approx(uneven, abs=0.03)


@pytest.mark.parametrize(("angle_deg", "most", "least"), [(30.0, 1.01, 1.0), (210.0, 1.01, 1.0), (120.0, 1.25, 1.15)])
def test_an_elongation_counts_by_its_direction(angle_deg: float, most: float, least: float) -> None:
    usual = {"eccentricity": 0.6, "elongation_order": 0.95}
    rows = night(*[usual] * 9, {**usual, "position_angle_deg": angle_deg})
    *_, context = night_context(rows, GROUP)
    assert least <= elongation(context) <= most


@pytest.mark.parametrize("width_px", [4.5, 12.0])
def test_what_counts_is_the_length_against_the_groups_width(width_px: float) -> None:
    # A line of 0.8 widths: as long as that is across sharper stars too, it loses the same resolution.
    def drawn_out(own: float) -> dict[str, float]:
        along, across = math.hypot(own, 0.8 * width_px), own
        return {
            "fwhm_px": math.sqrt(along * across),
            "eccentricity": math.sqrt(1 - (across / along) ** 2),
            "elongation_order": 1.0,
        }

    rows = night(*[{"fwhm_px": width_px, "eccentricity": 0.0}] * 9, drawn_out(width_px), drawn_out(0.7 * width_px))
    *_, usual, sharp = night_context(rows, GROUP)
    assert elongation(usual) == pytest.approx(math.hypot(1, 0.8), abs=0.01)
    assert elongation(sharp) == pytest.approx(elongation(usual), abs=0.01)


def test_what_the_pixels_do_not_sample_counts_as_three_of_them() -> None:
    narrow = {"fwhm_px": 1.5, "eccentricity": 0.0, "elongation_order": 1.0}
    drawn_out = narrow | {"fwhm_px": math.sqrt(1.5 * 3.0), "eccentricity": math.sqrt(0.75)}
    *_, context = night_context(night(*[narrow] * 9, drawn_out), GROUP)
    assert elongation(context) == pytest.approx(math.sqrt(1 + (9 - 2.25) / 9), abs=0.01)
    assert context.elongation == pytest.approx(math.sqrt(1 + (9 - 2.25) / 9), abs=0.01)


def test_the_elongation_of_a_frame_by_itself() -> None:
    long = {"fwhm_px": math.sqrt(4.0 * 10.0), "eccentricity": math.sqrt(1 - 0.16), "elongation_order": 1.0}
    one, none, unknown = night_context(night(long, {"eccentricity": 0.0}, {"fwhm_px": None}), GROUP)
    assert one.elongation == pytest.approx(2.5)
    assert none.elongation == pytest.approx(1.0)
    assert unknown.elongation is None


def test_a_mount_that_wanders_all_night_is_usual_and_a_knock_is_not() -> None:
    random = np.random.default_rng(2)
    wandering = [
        {"eccentricity": 0.5, "elongation_order": 0.9, "position_angle_deg": float(angle)}
        for angle in random.uniform(0, 180, 20)
    ]
    *usual, knock = night_context(
        night(*wandering, {"eccentricity": 0.85, "elongation_order": 0.99, "position_angle_deg": 8.0}), GROUP
    )
    told = [elongation(context) for context in usual]
    assert np.median(told) < 1.02
    assert elongation(knock) > max(*told, 1.45)


def test_round_frames_of_a_night_of_bad_tracking_are_none_the_worse() -> None:
    trailed = {"eccentricity": 0.9, "elongation_order": 1.0}
    contexts = night_context(night(*[trailed] * 6, *[{"eccentricity": 0.1}] * 4), GROUP)
    assert all(elongation(context) <= 1.01 for context in contexts)


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


def test_what_the_camera_draws_on_every_sky_is_no_cloud_on_a_dark_one() -> None:
    # A glow of 15 ADU, and a moon that rises from the tenth frame on.
    noise = [10.0] * 10 + [20.0] * 20 + [40.0] * 5
    rows = night(*({"background_noise_adu": adu, "background_structure_sigma": 15 / adu} for adu in noise))
    # A cloud makes the sky uneven by as much again, on the dark sky as on the bright one.
    for cloudy in (4, 20):
        rows[cloudy]["background_structure_sigma"] *= 2.2
    told = [context.background_structure_excess_sigma or 0.0 for context in night_context(rows, GROUP)]
    assert told[4] > 1.5
    assert told[20] > 0.8
    assert max(value for frame, value in enumerate(told) if frame not in (4, 20)) < 0.01


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
