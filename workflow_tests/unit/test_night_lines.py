"""Streaks over a night: what stays on the detector or in the sky is no trail."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from nebulift.nights.context import Context, night_context
from nebulift.tables import Row
from unit.builders import night, score_row, star_list

GROUP = 4
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


def sky_night(
    frames: int,
    lines: Callable[[int], list[tuple[Sky, float, float]]],
    turn_deg: float = 0.0,
    column: Callable[[int], str] = lambda _: "streaks",
) -> list[Row]:
    """Return frames that are dithered, and flipped half-way, with `lines` (where, width, brightness) of the sky each.

    The field turns by `turn_deg` from frame to frame. `column` tells where the lines of a frame are listed.
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
        changes = {"stars": star_list(shift=shift, turn_deg=turned), column(number): json.dumps(listed)}
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


@pytest.mark.parametrize(("knowing", "is_kept"), [(0, True), (1, True), (2, False), (5, False)])
def test_a_streak_where_other_frames_know_a_galaxy_is_none(knowing: int, is_kept: bool) -> None:
    galaxy: tuple[Sky, float, float] = ((420, 330, 25, 150), 4.0, 20.0)

    def lines(number: int) -> list[tuple[Sky, float, float]]:
        return [galaxy] if number <= knowing else []

    def column(number: int) -> str:
        return "other_lines" if number else "streaks"

    first, *others = night_context(sky_night(8, lines, column=column), GROUP)
    assert kept([first]) == [is_kept]
    # What is no trail where it is known is never counted as one.
    assert kept(others) == [False] * 7
    assert [context.persistent_streaks for context in (first, *others)] == [int(not is_kept)] + [0] * 7


def test_a_trail_beside_known_galaxies_is_kept() -> None:
    galaxies: list[tuple[Sky, float, float]] = [((420, 330, 25, 150), 6.0, 20.0), ((600, 500, 80, 120), 6.0, 20.0)]
    trail: tuple[Sky, float, float] = ((450, 380, 25, 160), 3.0, 20.0)
    night_of_trail = sky_night(8, lambda number: [trail] if number == 3 else [])
    known = sky_night(8, lambda _: galaxies, column=lambda _: "other_lines")
    rows = [{**row, "other_lines": other["other_lines"]} for row, other in zip(night_of_trail, known, strict=True)]
    assert kept(night_context(rows, GROUP)) == [number == 3 for number in range(8)]


def test_a_streak_on_a_column_that_other_frames_know_is_the_detectors() -> None:
    column = (500.0, 0.0, 503.0, 799.0)
    known = {"other_lines": streaks(column)["streaks"]}
    assert kept(night_context(night(streaks(column), known, known), GROUP)) == [False] * 3
    assert kept(night_context(night(streaks(column), known, {}), GROUP)) == [True, False, False]


@pytest.mark.parametrize(("frames", "is_trail"), [(4, False), (5, True), (12, True)])
def test_a_doubtful_line_is_a_trail_where_enough_other_frames_do_not_show_it(frames: int, is_trail: bool) -> None:
    meteor: tuple[Sky, float, float] = ((450, 380, 25, 160), 3.0, 20.0)
    rows = sky_night(frames, lambda number: [meteor] if number == 1 else [], column=lambda _: "doubtful_lines")
    contexts = night_context(rows, GROUP)
    assert kept(contexts) == [is_trail and number == 1 for number in range(frames)]
    assert all(context.persistent_streaks == 0 for context in contexts)
    # Its shape speaks against it.
    assert contexts[1].streak_significance == (14.0 if is_trail else 0.0)


@pytest.mark.parametrize("column", ["streaks", "doubtful_lines", "other_lines"])
@pytest.mark.parametrize("brightness", [4.0, 20.0, 100.0])
def test_a_doubtful_line_that_one_other_frame_shows_is_an_object(column: str, brightness: float) -> None:
    def lines(number: int) -> list[tuple[Sky, float, float]]:
        # Shorter there, and not quite in the same direction.
        return {1: [((450, 380, 25, 160), 3.0, 20.0)], 5: [((440, 376, 31, 70), 3.0, brightness)]}.get(number, [])

    rows = sky_night(8, lines, column=lambda number: "doubtful_lines" if number == 1 else column)
    assert not kept(night_context(rows, GROUP))[1]


def test_a_doubtful_line_where_other_frames_do_not_look_is_none() -> None:
    # A mosaic: the field moves on, and only two others show the place.
    rows = []
    for number in range(8):
        shift = (-110.0 * number, 0.0)
        changes = {"stars": star_list(shift=shift)}
        if number == 0:
            changes["doubtful_lines"] = streaks((200, 300, 300, 500))["streaks"]
        rows.append(score_row(f"{number:03d}.fits", date_obs=f"2024-09-09T21:{number:02d}:00.000", **changes))
    assert not any(kept(night_context(rows, GROUP)))
