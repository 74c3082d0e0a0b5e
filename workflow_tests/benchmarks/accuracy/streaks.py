"""How faint a trail is found, where it is said to lie, and how surely."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.exposures import names, set_up_of
from benchmarks.accuracy.limits import streak_limits
from benchmarks.accuracy.lines import best_match, crossing_trail, inner_trail
from benchmarks.accuracy.nights import lines_of_night
from benchmarks.accuracy.records import Measure, Outcome, Plan, Rate, Record, percentile_95
from benchmarks.reporting.intervals import wilson
from benchmarks.reporting.plots import axes, save
from nebulift.scoring.streaks import Streak
from nebulift.simulate.recipe import FrameRecipe

NAME, TITLE = "streaks", "Trails"
CROSSING_PX, SIDE_PX, SMALL_SIDE_PX = 2000, 2048, 1024
# Length (0: from border to border, 2,000 px or more), peak in sigma of a pixel's sky, how many, target.
TRIALS = (
    (0, 0.15, 30, None),
    (0, 0.2, 80, 0.75),
    (0, 0.3, 80, 0.95),
    (0, 0.5, 80, 0.99),
    (0, 1.0, 30, None),
    (800, 1.0, 100, 0.97),
    (200, 3.0, 100, 0.95),
)
FRAMES = 6  # of a night at least


def tasks(plan: Plan) -> list[Record]:
    """Return nights of each set-up and kind of trail, with a trail in nearly every frame."""
    listed = names(plan.half)
    found = []
    for kind, (length, peak, number, _) in enumerate(TRIALS):
        nights = 1 if plan.quick else len(listed)
        for night in range(nights):
            trials = plan.some(number, 1) // nights
            task = {"half": plan.half, "set_up": listed[night], "seed": plan.seed + 1000 * kind + night}
            found.append(task | {"trials": trials, "length": length, "peak": peak, "side": _side(plan, length)})
    return found


def _side(plan: Plan, length: int) -> int:
    return 512 if plan.quick and length != 800 else SMALL_SIDE_PX if length or plan.quick else SIDE_PX


def observe(task: Record) -> list[Record]:
    """Draw one trail into each of some frames of a night, grade the night, and look for the trails."""
    side, trials = task["side"], task["trials"]
    rng = np.random.default_rng(task["seed"])
    set_up = set_up_of(task["half"], task["set_up"], side, side, float(rng.uniform(3.0, 4.0)))
    trails = [
        inner_trail(rng, side, side, task["peak"], task["length"])
        if task["length"]
        else crossing_trail(rng, side, side, task["peak"], CROSSING_PX * side / SIDE_PX)
        for _ in range(trials)
    ]
    without = FrameRecipe(moon=set_up.sky.moon)
    recipes = [replace(without, trails=(trail,)) for trail in trails]
    recipes += [without] * max(1, FRAMES - trials)
    records = []
    for trail, lines in zip(trails, lines_of_night(set_up, task["seed"], recipes), strict=False):
        match = best_match([Streak(*line) for line in lines], trail)
        records.append(
            {
                **{key: task[key] for key in ("set_up", "length", "peak")},
                "significance": match.significance if match else 0.0,
                "across_px": match.across_px if match else None,
                "strongest": max((significance for significance, *_ in lines), default=0.0),
            }
        )
    return records


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Count as found what would keep the frame from being called clean."""
    clean, contaminated = streak_limits()
    result = Outcome()
    further = []
    for length, peak, _, target in TRIALS:
        these = [record for record in records if (record["length"], record["peak"]) == (length, peak)]
        found = sum(record["significance"] > clean for record in these)
        name = f"{length} px" if length else f"crossing, {CROSSING_PX:,} px or more"
        result.figures.append(Rate(f"trail {name}, peak {peak:g} sigma", found, len(these), target))
        sure = sum(record["significance"] > contaminated for record in these)
        listed = sum(record["across_px"] is not None for record in these)
        further.append([name, peak, len(these), listed, found, sure, f"{_median(these):.1f}"])
    across = [record["across_px"] for record in records if record["significance"] > clean]
    result.figures.append(Measure("ends of found trails, across (95 % within)", across, percentile_95, 3.0, "px"))
    result.notes.append(
        "A trail is found when a reported streak lies along it (2 degrees, 5 px) with a significance that keeps the"
        f" frame from being clean ({clean:g}); from {contaminated:g} on the frame is contaminated. Peaks in units of"
        " one pixel's sky noise, FWHM 3 to 4 px, any angle."
    )
    header = ("trail", "peak (sigma)", "frames", "listed", "not clean", "contaminated", "median significance")
    result.tables.append(("From the list of streaks to the verdict", header, further))
    by_set_up = {name: [r for r in records if r["set_up"] == name] for name in sorted({r["set_up"] for r in records})}
    rows = [[n, len(r), sum(one["significance"] > clean for one in r)] for n, r in by_set_up.items()]
    result.tables.append(("Trails found by set-up", ("set-up", "trails", "found"), rows))
    result.plots.append(("Completeness", _plot(records, clean, plots)))
    return result


def _median(records: Sequence[Record]) -> float:
    return float(np.median([record["significance"] for record in records])) if records else 0.0


def _plot(records: Sequence[Record], limit: float, folder: Path) -> str:
    figure, plot = axes("peak of the trail (sigma of a pixel)", "share found")
    crossing = [record for record in records if not record["length"]]
    peaks = sorted({record["peak"] for record in crossing})
    for peak in peaks:
        found = [record["significance"] > limit for record in crossing if record["peak"] == peak]
        low, high = wilson(sum(found), len(found))
        share = sum(found) / len(found)
        plot.errorbar(peak, share, [[share - low], [high - share]], fmt="o", color="tab:blue", capsize=3)
    targets = [(peak, target) for length, peak, _, target in TRIALS if not length and target is not None]
    plot.plot(*zip(*targets, strict=True), "_", color="tab:red", markersize=16, label="target")
    plot.set_xscale("log")
    plot.set_xticks(peaks, [f"{peak:g}" for peak in peaks])
    plot.set_ylim(0, 1.03)
    plot.legend()
    return save(figure, folder, "trails.png")
