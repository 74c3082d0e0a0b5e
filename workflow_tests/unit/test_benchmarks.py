"""The benchmarks: their statistics, their tables, what counts as found, and that both commands run through."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import clouds, real_frames, streaks, verdicts
from benchmarks.accuracy.command import EXPERIMENTS
from benchmarks.accuracy.command import main as accuracy
from benchmarks.accuracy.lines import Segment, best_match, crossing_trail, inner_trail
from benchmarks.accuracy.records import Measure, Outcome, Plan, Rate, percentile_95, rms
from benchmarks.reporting.intervals import wilson
from benchmarks.reporting.machine import described
from benchmarks.reporting.page import write_section
from benchmarks.reporting.tables import markdown_table, percent
from benchmarks.speed.command import main as speed
from benchmarks.speed.report import growth_exponent
from benchmarks.speed.stages import stage_of
from nebulift.frames.frame import CaptureMetadata, Frame
from nebulift.simulate.recipe import Trail


# From the closed form by hand and from Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(found: int, of: int, low: float, high: float) -> None:
    assert wilson(found, of) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson(of - found, of)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_an_interval_without_trials_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_the_command_is_told_without_the_places_of_files() -> None:
    arguments = ["--only", "night", "watch", "--folder", "/a", "--page=/b.md", "--kills", "2", "--output", "/c"]
    told = described(arguments, "season").splitlines()[-1]
    assert told == "- `python workflow_tests/benchmarks/season --only night watch --kills 2`"


def test_a_table_is_markdown_even_with_bars_in_its_cells() -> None:
    table = markdown_table(["a", "long heading"], [["x|y", 1.23456], ["", 7]])
    assert table.splitlines() == [
        "| a    | long heading |",
        "|------|--------------|",
        "| x\\|y | 1.23         |",
        "|      | 7            |",
    ]
    with pytest.raises(ValueError, match="1 cells under 2"):
        markdown_table(["a", "b"], [["x"]])


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "50.0 %"), (0.99951, "99.95 %"), (1.0, "100 %"), (0.0, "0 %"), (0.0003, "0.03 %")]
)
def test_a_share_is_never_rounded_to_none_or_to_all(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_rate_holds_at_its_target() -> None:
    assert Rate("found", 95, 100, 0.95).holds
    assert not Rate("found", 94, 100, 0.95).holds
    assert Rate("false", 1, 1000, 0.001, at_most=True).holds
    assert not Rate("false", 2, 1000, 0.001, at_most=True).holds
    assert Rate("found", 0, 0, 0.95).row()[-1] == "not measured"
    assert Rate("found", 0, 0).row()[-1] == ""


def test_a_measure_has_its_interval_around_it() -> None:
    values = np.random.default_rng(3).normal(0, 0.02, 400)
    measure = Measure("error", values, rms, 0.03, "%", 100)
    low, high = (float(part.removesuffix(" %")) for part in measure.row()[3].split(" to "))
    assert low < 100 * measure.value < high
    assert high - low == pytest.approx(4 * 2 / math.sqrt(2 * 400), rel=0.4)
    assert measure.holds
    assert percentile_95([*[-0.1] * 95, *[1.0] * 5]) == pytest.approx(0.1, abs=0.05)


def test_each_command_rewrites_its_own_section(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    write_section(page, "speed", "fast")
    write_section(page, "accuracy", "right\n\nmore")
    write_section(page, "speed", "faster")
    text = page.read_text(encoding="utf-8")
    assert text.index("right\n\nmore") < text.index("faster")
    assert "fast\n" not in text
    with pytest.raises(ValueError, match="another"):
        write_section(page, "another", "")


TRAIL = Trail.across(30.0, 40.0, (1000, 800), 1.0)


def _beside(trail: Trail, start: float, stop: float, first_px: float, second_px: float) -> Segment:
    """Return the part of a trail from `start` to `stop` (shares of its length), its ends moved to one side."""
    dx, dy = trail.x1 - trail.x0, trail.y1 - trail.y0
    length = math.hypot(dx, dy)
    (x1, y1), (x2, y2) = (
        (trail.x0 + share * dx - moved * dy / length, trail.y0 + share * dy + moved * dx / length)
        for share, moved in ((start, first_px), (stop, second_px))
    )
    return Segment(20.0, x1, y1, x2, y2)


def test_a_streak_along_the_trail_is_the_trail_whichever_way_it_runs() -> None:
    found = _beside(TRAIL, 0.3, 0.6, 2.0, -3.0)
    turned = Segment(9.0, found.x2_px, found.y2_px, found.x1_px, found.y1_px)
    for streak in (found, turned):
        match = best_match([streak], TRAIL)
        assert match is not None
        assert match.across_px == pytest.approx(3.0)
    best = best_match([turned, found], TRAIL)
    assert best is not None
    assert best.significance == 20.0


@pytest.mark.parametrize(
    "streak",
    [_beside(TRAIL, 0.3, 0.6, 0.0, 6.0), _beside(TRAIL, 0.5, 0.52, -3.0, 3.0), Segment(30.0, 0, 0, 1000, 0)],
    ids=["too far aside", "turned", "elsewhere"],
)
def test_another_line_is_not_the_trail(streak: Segment) -> None:
    assert best_match([streak], TRAIL) is None


def test_drawn_trails_have_the_length_asked_for() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        assert crossing_trail(rng, 500, 400, 1.0, 400).length_px(500, 400) >= 399
        inner = inner_trail(rng, 500, 400, 1.0, 300)
        assert inner.length_px(500, 400) == pytest.approx(300, abs=2)
    with pytest.raises(ValueError, match="900 px"):
        inner_trail(rng, 500, 400, 1.0, 900)


def test_the_halves_share_neither_set_ups_nor_seeds() -> None:
    for experiment in EXPERIMENTS.values():
        tasks = {half: experiment.tasks(Plan(half)) for half in ("development", "test")}
        for key in ("set_up", "seed"):
            used = [{task[key] for task in tasks[half] if key in task} for half in tasks]
            assert not used[0] & used[1], (experiment.NAME, key)


def test_tasks_are_as_many_as_the_targets_ask_for() -> None:
    false = EXPERIMENTS["false_streaks"].tasks(Plan())
    assert sum(task["frames"] for task in false) >= 3000
    drawn = [task for task in streaks.tasks(Plan()) if task["peak"] == 0.5]
    assert sum(task["trials"] for task in drawn) == 80
    assert {task["side"] for task in drawn} == {2048}


def _verdict(verdict: str, label: str) -> dict[str, object]:
    kept = {"set_up": "a", "seed": 1, "frame": "b", "peak_sigma": 0.0, "transparency": 1.0, "reasons": "cloud"}
    return {"verdict": verdict, "label": label, "artifacts": "none"} | kept


def test_review_counts_apart_from_agreement(tmp_path: Path) -> None:
    records = [_verdict("clean", "clean")] * 8 + [_verdict("contaminated", "clean"), _verdict("clean", "review")]
    outcome = verdicts.outcome(records, tmp_path)
    counts = {rate.name: (rate.found, rate.of) for rate in outcome.figures if isinstance(rate, Rate)}
    assert counts["verdict agrees with the truth"] == (8, 9)
    assert counts['of "clean" is clean'] == (8, 9)
    assert counts["in review"] == (1, 10)
    assert any(name == "All 1 disagreements" for name, _, _ in outcome.tables)


def test_transparencies_are_held_against_the_clear_frames_of_their_night() -> None:
    kept = {"hidden": 0.0, "seed": 1}
    clear = [{"veil": 0.0, "true": 0.98, "transparency": 0.49, **kept}] * 3
    veiled = {"veil": 0.2, "true": 0.784, "transparency": 0.392, **kept}
    assert clouds.transparencies([*clear, veiled])[-1] == pytest.approx((0.8, 0.8))


def test_time_that_grows_with_the_pixels_has_an_exponent_of_one() -> None:
    assert growth_exponent([(10**6, 5.0), (4 * 10**6, 1.0), (16 * 10**6, 4.0)]) == pytest.approx(1.0)
    assert growth_exponent([(10**6, 5.0), (4 * 10**6, 1.0)]) is None


def test_stages_are_named_for_their_modules() -> None:
    assert stage_of("nebulift.scoring.hot_pixels") == "hot pixels"
    assert stage_of("nebulift.dataset.preview") == "preview"


def test_accuracy_runs_through_and_keeps_its_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, output = tmp_path / "RESULTS.md", tmp_path / "records"
    asked = ["--quick", "--workers", "1", "--only", "hot_pixels", "--only", "false_streaks"]
    asked += ["--output", str(output), "--page", str(page)]
    assert accuracy(asked) == 0
    text = page.read_text(encoding="utf-8")
    assert "hot pixels found" in text
    assert "clean frames falsely called streaked" in text
    assert "clouds: not run" in text
    assert "failed" not in text
    kept = json.loads((output / "hot_pixels-test-quick.json").read_text(encoding="utf-8"))
    assert kept["records"][0]["true"] > 10
    assert accuracy(asked) == 0
    assert "taken from an earlier run" in page.read_text(encoding="utf-8")


def test_a_piece_that_fails_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(task: object) -> None:
        raise RuntimeError("no light")

    monkeypatch.setattr(streaks, "observe", broken)
    monkeypatch.setattr(streaks, "outcome", lambda records, plots: Outcome())
    page = tmp_path / "RESULTS.md"
    asked = ["--quick", "--workers", "1", "--only", "streaks", "--output", str(tmp_path), "--page", str(page)]
    assert accuracy(asked) == 0
    assert "pieces failed and are missing here**, the first with: `RuntimeError: no light`" in page.read_text("utf-8")


def test_speed_runs_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "RESULTS.md"
    assert speed(["--quick", "--page", str(page), "--folder", str(tmp_path)]) == 0
    text = page.read_text(encoding="utf-8")
    for stage in ("background", "stars", "streaks", "preview", "read: file to pixels"):
        assert f"| {stage} " in text
    assert "resident memory over many frames" in text


def test_planes_of_another_kind_are_another_night() -> None:
    assert real_frames.night_of("gmn_ff_planes/FF_UK0006_20230421_0115712_max.fits") == "gmn_ff_planes max"
    assert real_frames.night_of("exotic_hatp32/HATP-32171220013343.FITS") == "exotic_hatp32"


def test_a_trail_drawn_into_a_real_frame_is_as_bright_as_asked() -> None:
    raw = np.full((300, 400), 100, np.uint16)
    frame = Frame(raw, raw.astype(np.float32), CaptureMetadata(), 65535.0, "header")
    trail = Trail.across(0.0, 0.0, (400, 300), 0.5)
    drawn = real_frames.with_trail(frame, trail, 4.0, np.random.default_rng(1))
    assert drawn.raw.dtype == np.uint16
    assert drawn.raw[148:152].max() <= 103
    # On the axis, between rows 149 and 150, two ADU in the mean; away from it nothing at all.
    assert drawn.pixels[149:151].mean() == pytest.approx(102, abs=0.2)
    assert (drawn.raw[:100] == 100).all()
