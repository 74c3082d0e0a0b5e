"""The benchmark of seasons: its frames are frames of their own time, and its tables say what was measured."""

from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from benchmarks.season import command, frames, report
from benchmarks.season.kills import Kills
from benchmarks.season.runs import Watched
from benchmarks.season.watching import Landings
from workflow.runs import Outcome

NOTHING: dict[str, Any] = dict.fromkeys(command.MEASUREMENTS)


def text(**measured: Any) -> list[str]:
    (section,) = report.sections({**NOTHING, **measured}, "about").values()
    return section.splitlines()


def line(lines: list[str], words: str) -> str:
    (found,) = (one for one in lines if words in one)
    return found


def test_frames_of_a_season_differ_in_time_alone(tmp_path: Path) -> None:
    nights = frames.write_season(tmp_path, nights=2, frames=frames.DISTINCT + 1)
    assert list(nights) == ["n000", "n001"]
    for number, night in enumerate(nights.values()):
        times = [fits.getheader(path)["DATE-OBS"] for path in sorted(night.iterdir())]
        assert times == sorted(set(times)) and len(times) == frames.DISTINCT + 1
        assert times[0] == f"2024-01-0{number + 1}T20:00:00.000"
        first, again = sorted(night.iterdir())[0], sorted(night.iterdir())[-1]
        assert (fits.getdata(first) == fits.getdata(again)).all()


def test_placeholders_are_as_many_empty_files(tmp_path: Path) -> None:
    nights = frames.write_placeholders(tmp_path, 12, per_night=5)
    assert [len(list(night.iterdir())) for night in nights.values()] == [5, 5, 2]
    assert all(path.stat().st_size == 0 for night in nights.values() for path in night.iterdir())


@pytest.mark.parametrize(("whole", "word"), [(109.0, "held"), (111.0, "missed")])
def test_the_night_is_held_against_the_loop_of_the_same_turn(whole: float, word: str) -> None:
    night = {"frames": 500, "mpix": 4.0, "chunks": 8, "whole_s": [whole, 2 * whole], "bare_s": [100.0, 200.0]}
    found = line(text(night=night), "two loops")
    assert word in found and f"{whole / 100:.2f} x" in found


def test_a_season_within_its_targets_and_one_that_misses_them_all() -> None:
    def watched(seconds: float) -> Watched:
        return Watched(Outcome(0, "", {}), seconds, seconds, 0.0)

    for factor, word in ((0.9, "held"), (1.1, "missed")):
        season = {"frames": 20_000, "nights": 40, "jobs": 441, "first": watched(1000.0), "idle_s": [5.0 * factor]}
        season |= {"appended": watched(15.0 * factor), "peak_mib": 400e6 / report.MIB * factor}
        lines = text(season=season)
        for words in ("nothing to do", "one frame more", "most memory"):
            assert word in line(lines, words)
        assert "20 frames/s" in line(lines, "graded")


def test_a_decade_is_drawn_on_from_the_last_two_plans() -> None:
    planned = [
        {"frames": number, "nights": number // 500, "wall_s": 2 + number / 1e4, "cpu_s": 1.0, "peak_mib": 100.0}
        for number in (2_000, 20_000, 200_000)
    ]
    assert "| 1002 " in line(text(plan=planned), "10,000,000")
    assert "10,000,000" not in "\n".join(text(plan=planned[:1]))


@pytest.mark.parametrize(("slowest", "word"), [(9.9, "held"), (10.1, "missed")])
def test_the_slowest_landing_is_held_against_the_target(slowest: float, word: str) -> None:
    found = line(text(watch=Landings(485, 4.0, [8.0, slowest, 7.0])), "nebulift watch")
    assert word in found and "8.0 s" in found and f"{slowest:.1f} s (3 times)" in found


def test_each_measurement_has_its_section() -> None:
    merge = {"rows": 10, "seasons": 2, "wall_s": 1.0, "peak_mib": 20.0}
    measured = {"watch": Landings(485, 4.0, [8.0]), "merge": merge, "kills": Kills()}
    made = report.sections({**NOTHING, **measured}, "about")
    assert list(made) == ["watch", "plans", "kills"]
    assert all("about" in section.splitlines() for section in made.values())


def test_kills_say_what_was_lost() -> None:
    lines = text(kills=Kills(kills=200, frames=480, twice=1))
    assert "200" in line(lines, "SIGKILL")
    assert "held" in line(lines, "frames lost") and "missed" in line(lines, "frames twice")
