"""How often a clean frame is called streaked, or anything else, on whole nights with all that looks like a fault."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.exposures import names, set_up_of
from benchmarks.accuracy.limits import streak_limits
from benchmarks.accuracy.nights import simulated
from benchmarks.accuracy.records import Outcome, Plan, Rate, Record
from nebulift.simulate.catalogue import SetUp
from nebulift.simulate.events import clean_recipe
from nebulift.simulate.field import generator
from nebulift.simulate.recipe import FrameRecipe

NAME, TITLE = "false_streaks", "Clean frames called streaked, or otherwise"
FRAMES = 3000
NIGHT = 25


def tasks(plan: Plan) -> list[Record]:
    """Return nights of all set-ups by turns, together FRAMES frames or a few more."""
    listed = names(plan.half)
    nights, frames = (2, 5) if plan.quick else (-(-FRAMES // NIGHT), NIGHT)
    return [
        {
            "half": plan.half,
            "size": plan.size,
            "set_up": listed[night % len(listed)],
            "seed": plan.seed + 20_000 + night,
            "frames": frames,
        }
        for night in range(nights)
    ]


def observe(task: Record) -> list[Record]:
    """Grade a night without any trail."""
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    recipes = clean_recipes(set_up, task["seed"], task["frames"])
    rows = simulated(set_up, task["seed"], recipes, task["frames"])
    return [
        {
            "set_up": task["set_up"],
            "seed": task["seed"],
            "frame": true.frame,
            "significance": row["streak_significance"] or 0.0,
            "label": row["label"],
            "reasons": row["reasons"],
        }
        for true, row in rows
    ]


def clean_recipes(set_up: SetUp, seed: int, frames: int) -> list[FrameRecipe]:
    """Return the recipes of a night on which nothing goes wrong but the usual little wander."""
    night = generator(seed, "clean")
    return [replace(clean_recipe(night), moon=set_up.sky.moon) for _ in range(frames)]


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Count as false what keeps a clean frame from being clean for a streak alone."""
    clean, contaminated = streak_limits()
    result = Outcome()
    false = [record for record in records if record["significance"] > clean]
    result.figures.append(Rate("clean frames falsely called streaked", len(false), len(records), 0.001, at_most=True))
    sure = sum(record["significance"] > contaminated for record in records)
    result.figures.append(Rate("of them called contaminated for it", sure, len(records)))
    for label in ("review", "contaminated"):
        called = sum(record["label"] == label for record in records)
        result.figures.append(Rate(f"clean frames labelled {label}, for whatever reason", called, len(records)))
    result.notes.append(
        f"Nights of {NIGHT} frames, labelled as the workflow does: lines that stay on the detector are left out there."
        f" Called streaked: a significance above {clean:g}, which keeps a frame from being clean."
    )
    rows = []
    for name in sorted({record["set_up"] for record in records}):
        these = [record for record in records if record["set_up"] == name]
        values = [record["significance"] for record in these]
        labels = [record["label"] for record in these]
        streaked = sum(value > clean for value in values)
        rows.append(
            [name, len(these), streaked, f"{max(values):.1f}", labels.count("review"), labels.count("contaminated")]
        )
    header = ("set-up", "frames", "called streaked", "highest significance", "review", "contaminated")
    result.tables.append(("By set-up", header, rows))
    reasons = Counter(
        reason.split(":")[0]
        for record in records
        if record["label"] != "clean"
        for reason in record["reasons"].split("; ")
    )
    result.tables.append(("Reasons of what is not called clean", ("reason", "frames"), reasons.most_common()))
    return result
