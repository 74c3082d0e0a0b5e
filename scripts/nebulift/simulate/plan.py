"""Choosing what goes wrong in which frames of a night."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nebulift.simulate.equipment import Camera, Sky
from nebulift.simulate.field import generator
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Trail

SHARES = {"cloud": 0.40, "streak": 0.30, "tracking": 0.17, "defocus": 0.13}
"""Of the spoilt frames, roughly as observers report them: clouds come for a while, satellites at any time."""
RUNS = {"cloud": (3, 8), "streak": (1, 1), "tracking": (1, 2), "defocus": (2, 5)}
"""Shortest and longest run of consecutive frames; the last run of a kind may be shorter."""
DAWN_GROWTH = 10 ** (0.4 * 0.35)
"""Dawn brightens the sky by about a third of a magnitude per frame; faster in a short night, to fit its end."""
DAWN_SHARE = 0.25
"""Part of the night, at most, in which dawn has at least doubled the sky."""


def plan_night(frames: int, seed: int, camera: Camera, sky: Sky, fraction: float) -> tuple[FrameRecipe, ...]:
    """Choose recipes so that `fraction` of a night's frames are contaminated, besides those that dawn ruins.

    Clean frames wander a little in transparency, focus and tracking, as real ones do, always within what the
    recipe calls clean. Raises ValueError when `fraction` is not within 0 to 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"the contaminated fraction is {fraction}: give 0 to 1")
    rng = generator(seed, "plan")
    counts = _counts(round(frames * fraction), rng)
    events = [event for kind, count in counts.items() for event in _events(kind, count, camera, rng)]
    order = rng.permutation(len(events))
    clean = frames - sum(counts.values())
    recipes: list[FrameRecipe] = []
    done = 0
    for number, which in enumerate(order):
        # One event in each equal part of the clean frames: they are spread through the whole night.
        before = math.floor((number + rng.random()) / len(events) * clean)
        recipes += [_clean(rng) for _ in range(before - done)] + events[which]
        done = before
    recipes += [_clean(rng) for _ in range(clean - done)]
    return tuple(_lit(recipe, index, frames, sky) for index, recipe in enumerate(recipes))


def _counts(spoilt: int, rng: np.random.Generator) -> dict[str, int]:
    """Share out the spoilt frames; what rounding leaves over is drawn."""
    counts = {kind: math.floor(spoilt * share) for kind, share in SHARES.items()}
    left = spoilt - sum(counts.values())
    rest = np.array([spoilt * share - counts[kind] for kind, share in SHARES.items()])
    if left:
        for drawn in rng.choice(len(SHARES), left, replace=False, p=rest / rest.sum()):
            counts[list(SHARES)[drawn]] += 1
    return counts


def _events(kind: str, count: int, camera: Camera, rng: np.random.Generator) -> list[list[FrameRecipe]]:
    """Cut `count` frames into runs and give each its recipes."""
    shortest, longest = RUNS[kind]
    events = []
    while count > 0:
        length = min(count, int(rng.integers(shortest, longest + 1)))
        events.append(MAKERS[kind](length, camera, rng))
        count -= length
    return events


def _clean(rng: np.random.Generator) -> FrameRecipe:
    return FrameRecipe(
        transparency=_rounded(min(1.0, 1.0 - abs(rng.normal(0.0, 0.012)))),
        defocus_px=_rounded(rng.uniform(0.0, 0.6)),
        tracking_px=_rounded(abs(rng.normal(0.0, 0.5))) if rng.random() < 0.7 else 0.0,
        tracking_angle_deg=_rounded(rng.uniform(0.0, 180.0)),
    )


def _clouds(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Let a veil, a bank, or both come, thicken and go."""
    kind = rng.choice(["veil", "bank", "both"], p=[0.5, 0.25, 0.25])
    clearest, thickest = 0.80, rng.uniform(0.25, 0.72)
    coverage, opacity, angle = rng.uniform(0.4, 1.0), rng.uniform(0.35, 0.9), rng.uniform(0.0, 360.0)
    recipes = []
    for step in range(length):
        swell = math.sin(math.pi * (step + 0.5) / length) if length > 1 else rng.uniform(0.3, 1.0)
        recipe = _clean(rng)
        if kind != "bank":
            recipe = replace(recipe, transparency=_rounded(clearest - (clearest - thickest) * swell))
        if kind != "veil":
            covered = 0.25 + (coverage - 0.25) * swell
            recipe = replace(recipe, cloud_bank=CloudBank(*map(_rounded, (covered, opacity, angle))))
        recipes.append(recipe)
    return recipes


def _streak(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """One satellite, or now and then an aircraft with blinking lights."""
    frame = (camera.width_px, camera.height_px)
    recipes = []
    for _ in range(length):
        angle = rng.uniform(0.0, 180.0)
        offset = rng.uniform(-0.35, 0.35) * min(frame)
        peak = float(np.exp(rng.uniform(math.log(1.0), math.log(40.0))))
        trail = Trail.across(angle, offset, frame, _rounded(peak))
        if rng.random() < 0.15:
            body = replace(trail, peak_sigma=_rounded(rng.uniform(3.0, 10.0)), width_px=3.0)
            beside = Trail.across(angle, offset + rng.uniform(5.0, 14.0), frame, _rounded(body.peak_sigma * 2.5))
            trails: tuple[Trail, ...] = (
                body,
                replace(beside, width_px=2.0, dash_px=_rounded(rng.uniform(15, 50))),
            )
        else:
            trails = (_shortened(trail, frame, rng) if rng.random() < 0.3 else trail,)
        recipes.append(replace(_clean(rng), trails=trails))
    return recipes


def _shortened(trail: Trail, frame: tuple[int, int], rng: np.random.Generator) -> Trail:
    """End a trail within the frame: the shutter moves, or the satellite enters the shadow or is slow."""
    reach = min(frame) / 2 * 0.9
    x, y = (trail.x0 + trail.x1) / 2, (trail.y0 + trail.y1) / 2
    length = math.hypot(trail.x1 - trail.x0, trail.y1 - trail.y0)
    step_x, step_y = (trail.x1 - trail.x0) / length, (trail.y1 - trail.y0) / length
    start, stop = -rng.uniform(0.3, 1.0) * reach, rng.uniform(0.3, 1.0) * reach
    inside = (x + start * step_x, y + start * step_y, x + stop * step_x, y + stop * step_y)
    if rng.random() < 0.5:
        inside = (inside[0], inside[1], trail.x1, trail.y1)
    return replace(trail, x0=inside[0], y0=inside[1], x1=inside[2], y1=inside[3])


def _tracking(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Wind, a cable or the gear's periodic error; mostly along one axis of the mount."""
    angle = rng.choice([8.0, 98.0]) + rng.normal(0.0, 5.0)
    return [
        replace(
            _clean(rng),
            tracking_px=_rounded(rng.uniform(4.0, 18.0)),
            tracking_angle_deg=_rounded(angle % 180.0),
        )
        for _ in range(length)
    ]


def _defocus(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Focus drifts away with the temperature, or jumps; the next run is refocused."""
    first, last = sorted(rng.uniform(2.5, 8.0, 2))
    return [replace(_clean(rng), defocus_px=_rounded(radius)) for radius in np.linspace(first, last, length)]


MAKERS: dict[str, Callable[[int, Camera, np.random.Generator], list[FrameRecipe]]] = {
    "cloud": _clouds,
    "streak": _streak,
    "tracking": _tracking,
    "defocus": _defocus,
}


def _lit(recipe: FrameRecipe, index: int, frames: int, sky: Sky) -> FrameRecipe:
    """Add the moon, which sinks slowly, and dawn, which grows towards the last frame."""
    moon = 1.0 + (sky.moon - 1.0) * (1.0 - 0.3 * index / max(frames, 1))
    growth = max(DAWN_GROWTH, max(sky.twilight - 1.0, 1.0) ** (1.0 / (DAWN_SHARE * frames)))
    twilight = 1.0 + (sky.twilight - 1.0) * growth ** (index + 1 - frames)
    return replace(recipe, moon=_rounded(moon), twilight=_rounded(twilight))


def _rounded(value: float) -> float:
    """Round to what the truth table shows, so that table and frame agree."""
    return round(float(value), 3)
