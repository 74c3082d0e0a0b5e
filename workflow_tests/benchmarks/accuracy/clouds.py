"""Veils, hidden fields, and bright skies that are neither; and how well the transparency is known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.exposures import names, set_up_of
from benchmarks.accuracy.false_streaks import clean_recipes
from benchmarks.accuracy.nights import simulated
from benchmarks.accuracy.records import Measure, Outcome, Plan, Rate, Record, percentile_95, rms
from benchmarks.reporting.plots import axes, save
from nebulift.simulate.catalogue import SetUp
from nebulift.simulate.recipe import FrameRecipe, Occlusion

NAME, TITLE = "clouds", "Veils, hidden fields, moon and twilight"
NIGHTS = {"veils": 12, "hidden": 6, "moon": 4, "twilight": 4}
FRAMES = 40
VEILS = {0.2: 0.99, 0.1: 0.90}
"""Light taken, and the share of such frames to be flagged."""
HIDDEN = (0.1, 0.15, 0.25, 0.5)
MOON, TWILIGHT = 8.0, 6.0
"""Sky at its brightest over that of a dark one; what the recipes still call clean."""
EVENTS = 4
"""Runs of frames that something comes over in a night, each a tenth of the night long."""


def tasks(plan: Plan) -> list[Record]:
    """Return nights of each kind, each with another set-up."""
    listed = names(plan.half)
    found: list[Record] = []
    for kind, number in NIGHTS.items():
        for _ in range(plan.some(number, 1)):
            seed = plan.seed + 40_000 + len(found)
            task = {
                "half": plan.half,
                "size": plan.size,
                "set_up": listed[len(found) % len(listed)],
                "seed": seed,
                "kind": kind,
            }
            found.append(task | {"frames": plan.some(FRAMES, 12)})
    return found


def observe(task: Record) -> list[Record]:
    """Grade one night; each frame's record tells what came over it and what was said of it."""
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    recipes = recipes_of(task["kind"], set_up, task["seed"], task["frames"])
    rows = simulated(set_up, task["seed"], recipes, task["frames"])
    return [
        {
            **{key: task[key] for key in ("set_up", "seed", "kind")},
            "frame": true.frame,
            "veil": round(1 - recipe.transparency, 3) if recipe.transparency in (0.8, 0.9) else 0.0,
            "hidden": recipe.occlusion.share if recipe.occlusion else 0.0,
            "true": recipe.transparency,
            "transparency": row["transparency"],
            "label": row["label"],
            "reasons": row["reasons"],
        }
        for (true, row), recipe in zip(rows, recipes, strict=True)
    ]


def recipes_of(kind: str, set_up: SetUp, seed: int, frames: int) -> list[FrameRecipe]:
    """Return the recipes of a night of a kind: clean ones with their wander, and what comes over some of them."""
    rng = np.random.default_rng([seed, 7])
    recipes = clean_recipes(set_up, seed, frames)
    if kind == "moon":
        return [replace(recipe, moon=1 + (MOON - 1) * index / frames) for index, recipe in enumerate(recipes)]
    if kind == "twilight":
        # Dawn grows by a third of a magnitude per frame until it is at its brightest in the last one.
        lights = [1 + (TWILIGHT - 1) * 10 ** (0.14 * (index + 1 - frames)) for index in range(frames)]
        return [replace(recipe, twilight=light) for recipe, light in zip(recipes, lights, strict=True)]
    length = max(1, frames // 10)
    for event in range(EVENTS):
        start = event * frames // EVENTS + int(rng.integers(0, frames // EVENTS - length + 1))
        for index in range(start, start + length):
            if kind == "veils":
                recipes[index] = replace(recipes[index], transparency=1 - list(VEILS)[event % len(VEILS)])
            else:
                share = HIDDEN[event % len(HIDDEN)]
                recipes[index] = replace(
                    recipes[index],
                    occlusion=Occlusion(share, float(rng.uniform(0, 360)), glow=float(rng.uniform(0, 1))),
                )
    return recipes


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Compare what was flagged with what came over the frames."""
    result = Outcome()
    for veil, target in VEILS.items():
        these = [record for record in records if record["veil"] == veil]
        result.figures.append(Rate(f"veil of {100 * veil:.0f} % flagged", _flagged(these), len(these), target))
    clear = [record for record in records if not record["veil"] and not record["hidden"]]
    false = sum("cloud" in record["reasons"] for record in clear)
    result.figures.append(Rate("clear frames flagged as cloudy", false, len(clear), 0.005, at_most=True))
    hidden = [record for record in records if record["hidden"]]
    result.figures.append(Rate("a tenth or more of the field hidden, flagged", _flagged(hidden), len(hidden), 0.95))
    for kind in ("moon", "twilight"):
        these = [record for record in clear if record["kind"] == kind]
        rejected = sum(record["label"] == "contaminated" for record in these)
        result.figures.append(Rate(f"clear frames under {kind} rejected", rejected, len(these), 0.01, at_most=True))
        result.figures.append(Rate(f"clear frames under {kind} not clean", _flagged(these), len(these)))
    pairs = transparencies(records)
    errors = [measured - true for true, measured in pairs]
    result.figures.append(Measure("transparency error (rms)", errors, rms, 0.02, "%", 100))
    result.figures.append(Measure("transparency error (95 % within)", errors, percentile_95, None, "%", 100))
    result.notes.append(
        "Flagged: not clean. Rejected: contaminated. Transparency: the measured one against the true one, both over"
        " their median in the night's clear frames; frames with a hidden field left out."
    )
    rows = []
    for share in sorted({record["hidden"] for record in hidden}):
        these = [record for record in hidden if record["hidden"] == share]
        rows.append([f"{100 * share:.0f} %", len(these), _flagged(these), _labels(these, "contaminated")])
    result.tables.append(("Hidden fields", ("share hidden", "frames", "not clean", "contaminated"), rows))
    result.tables.append(
        ("By set-up", ("set-up", "veiled", "not clean", "clear", "called cloudy"), _by_set_up(records))
    )
    result.plots.append(("Transparency", _plot(pairs, plots)))
    return result


def transparencies(records: Sequence[Record]) -> list[tuple[float, float]]:
    """Return (true, measured) of each frame without a hidden field, over the medians of its night's clear frames."""
    pairs = []
    for night in sorted({record["seed"] for record in records}):
        these = [r for r in records if r["seed"] == night and not r["hidden"] and r["transparency"] is not None]
        clear = [r for r in these if not r["veil"]]
        if clear:
            true, measured = (float(np.median([r[key] for r in clear])) for key in ("true", "transparency"))
            pairs += [(r["true"] / true, r["transparency"] / measured) for r in these]
    return pairs


def _flagged(records: Sequence[Record]) -> int:
    return sum(record["label"] != "clean" for record in records)


def _labels(records: Sequence[Record], label: str) -> int:
    return sum(record["label"] == label for record in records)


def _by_set_up(records: Sequence[Record]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name in sorted({record["set_up"] for record in records}):
        these = [record for record in records if record["set_up"] == name]
        veiled = [record for record in these if record["veil"]]
        clear = [record for record in these if not record["veil"] and not record["hidden"]]
        cloudy = sum("cloud" in record["reasons"] for record in clear)
        rows.append([name, len(veiled), _flagged(veiled), len(clear), cloudy])
    return rows


def _plot(pairs: Sequence[tuple[float, float]], folder: Path) -> str:
    figure, plot = axes("true transparency", "measured transparency")
    plot.plot([0.7, 1.1], [0.7, 1.1], color="tab:red", linewidth=1)
    if pairs:
        plot.plot(*zip(*pairs, strict=True), ".", markersize=3, alpha=0.5)
    return save(figure, folder, "transparency.png")
