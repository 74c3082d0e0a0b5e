"""Choosing what goes wrong in which frames of a night."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nebulift.simulate.equipment import Camera, Sky
from nebulift.simulate.events import MAKERS, clean_recipe, rounded
from nebulift.simulate.field import generator
from nebulift.simulate.recipe import DEFOCUS_LIMIT_PX, SEEN_ON_PX, TRACKING_LIMIT_PX, FrameRecipe

SHARES = {"cloud": 0.40, "streak": 0.30, "tracking": 0.17, "defocus": 0.13}
"""Of the spoilt frames, roughly as observers report them: clouds come for a while, satellites at any time."""
VARIED_SHARES = {
    "cloud": 0.28,
    "streak": 0.20,
    "tracking": 0.12,
    "defocus": 0.10,
    "occlusion": 0.10,
    "meteor": 0.06,
    "tumbler": 0.05,
    "twins": 0.05,
    "wide": 0.04,
}
"""Of the spoilt frames where a benchmark is to meet every kind; rare ones come more often than on a real sky."""
RUNS = {"cloud": (3, 8), "tracking": (1, 2), "defocus": (2, 5), "occlusion": (3, 10)}
"""Shortest and longest run of consecutive frames; the last run of a kind may be shorter. Others come alone."""
DAWN_GROWTH = 10 ** (0.4 * 0.35)
"""Dawn brightens the sky by about a third of a magnitude per frame; faster in a short night, to fit its end."""
DAWN_SHARE = 0.25
"""Part of the night, at most, in which dawn has at least doubled the sky."""


def plan_night(
    frames: int,
    seed: int,
    camera: Camera,
    sky: Sky,
    fraction: float,
    *,
    varied: bool = False,
    fwhm_px: float = SEEN_ON_PX,
) -> tuple[FrameRecipe, ...]:
    """Choose recipes so that `fraction` of a night's frames are contaminated, besides those that dawn ruins.

    Clean frames wander a little in transparency, focus and tracking, as real ones do, always within what the
    recipe calls clean. `varied` nights have obstacles, meteors, tumbling, double and wide trails too. On stars of
    `fwhm_px`, if they are wide, bad tracking and focus are as much worse: else nobody would see them.
    Raises ValueError when `fraction` is not within 0 to 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"the contaminated fraction is {fraction}: give 0 to 1")
    rng = generator(seed, "plan")
    counts = _counts(round(frames * fraction), VARIED_SHARES if varied else SHARES, rng)
    events = [event for kind, count in counts.items() for event in _events(kind, count, camera, rng)]
    order = rng.permutation(len(events))
    clean = frames - sum(counts.values())
    recipes: list[FrameRecipe] = []
    done = 0
    for number, which in enumerate(order):
        # One event in each equal part of the clean frames: they are spread through the whole night.
        before = math.floor((number + rng.random()) / len(events) * clean)
        recipes += [clean_recipe(rng) for _ in range(before - done)] + events[which]
        done = before
    recipes += [clean_recipe(rng) for _ in range(clean - done)]
    wider = max(1.0, fwhm_px / SEEN_ON_PX)
    return tuple(_lit(_widened(recipe, wider), index, frames, sky) for index, recipe in enumerate(recipes))


def _counts(spoilt: int, shares: Mapping[str, float], rng: np.random.Generator) -> dict[str, int]:
    """Share out the spoilt frames; what rounding leaves over is drawn."""
    counts = {kind: math.floor(spoilt * share) for kind, share in shares.items()}
    left = spoilt - sum(counts.values())
    rest = np.array([spoilt * share - counts[kind] for kind, share in shares.items()])
    if left:
        for drawn in rng.choice(len(shares), left, replace=False, p=rest / rest.sum()):
            counts[list(shares)[drawn]] += 1
    return counts


def _events(kind: str, count: int, camera: Camera, rng: np.random.Generator) -> list[list[FrameRecipe]]:
    """Cut `count` frames into runs and give each its recipes."""
    shortest, longest = RUNS.get(kind, (1, 1))
    events = []
    while count > 0:
        length = min(count, int(rng.integers(shortest, longest + 1)))
        events.append(MAKERS[kind](length, camera, rng))
        count -= length
    return events


def _widened(recipe: FrameRecipe, wider: float) -> FrameRecipe:
    """Make what is bad tracking or focus on usual stars the same on wider ones; the clean wander stays."""
    if recipe.tracking_px >= TRACKING_LIMIT_PX:
        recipe = replace(recipe, tracking_px=rounded(recipe.tracking_px * wider))
    if recipe.defocus_px >= DEFOCUS_LIMIT_PX:
        recipe = replace(recipe, defocus_px=rounded(recipe.defocus_px * wider))
    return recipe


def _lit(recipe: FrameRecipe, index: int, frames: int, sky: Sky) -> FrameRecipe:
    """Add the moon, which sinks slowly, and dawn, which grows towards the last frame."""
    moon = 1.0 + (sky.moon - 1.0) * (1.0 - 0.3 * index / max(frames, 1))
    growth = max(DAWN_GROWTH, max(sky.twilight - 1.0, 1.0) ** (1.0 / (DAWN_SHARE * frames)))
    twilight = 1.0 + (sky.twilight - 1.0) * growth ** (index + 1 - frames)
    return replace(recipe, moon=rounded(moon), twilight=rounded(twilight))
