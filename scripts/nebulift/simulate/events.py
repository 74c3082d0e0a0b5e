"""What happens in a run of frames: clouds, trails, bad tracking, obstacles and the like."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nebulift.simulate.equipment import Camera
from nebulift.simulate.recipe import CloudBank, FrameRecipe, Occlusion, Trail


def clean_recipe(rng: np.random.Generator) -> FrameRecipe:
    """Draw a clean frame's little wander in transparency, focus and tracking."""
    return FrameRecipe(
        transparency=rounded(min(1.0, 1.0 - abs(rng.normal(0.0, 0.012)))),
        defocus_px=rounded(rng.uniform(0.0, 0.6)),
        tracking_px=rounded(abs(rng.normal(0.0, 0.5))) if rng.random() < 0.7 else 0.0,
        tracking_angle_deg=rounded(rng.uniform(0.0, 180.0)),
    )


def _clouds(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Let a veil, a bank, or both come, thicken and go."""
    kind = rng.choice(["veil", "bank", "both"], p=[0.5, 0.25, 0.25])
    clearest, thickest = 0.80, rng.uniform(0.25, 0.72)
    coverage, opacity, angle = rng.uniform(0.4, 1.0), rng.uniform(0.35, 0.9), rng.uniform(0.0, 360.0)
    recipes = []
    for step in range(length):
        swell = math.sin(math.pi * (step + 0.5) / length) if length > 1 else rng.uniform(0.3, 1.0)
        recipe = clean_recipe(rng)
        if kind != "bank":
            recipe = replace(recipe, transparency=rounded(clearest - (clearest - thickest) * swell))
        if kind != "veil":
            covered = 0.25 + (coverage - 0.25) * swell
            recipe = replace(recipe, cloud_bank=CloudBank(*map(rounded, (covered, opacity, angle))))
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
        trail = Trail.across(angle, offset, frame, rounded(peak))
        if rng.random() < 0.15:
            body = replace(trail, peak_sigma=rounded(rng.uniform(3.0, 10.0)), width_px=3.0)
            beside = Trail.across(angle, offset + rng.uniform(5.0, 14.0), frame, rounded(body.peak_sigma * 2.5))
            trails: tuple[Trail, ...] = (
                body,
                replace(beside, width_px=2.0, dash_px=rounded(rng.uniform(15, 50))),
            )
        else:
            trails = (_shortened(trail, frame, rng) if rng.random() < 0.3 else trail,)
        recipes.append(replace(clean_recipe(rng), trails=trails))
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
            clean_recipe(rng),
            tracking_px=rounded(rng.uniform(4.0, 18.0)),
            tracking_angle_deg=rounded(angle % 180.0),
        )
        for _ in range(length)
    ]


def _defocus(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Focus drifts away with the temperature, or jumps; the next run is refocused."""
    first, last = sorted(rng.uniform(2.5, 8.0, 2))
    return [replace(clean_recipe(rng), defocus_px=rounded(radius)) for radius in np.linspace(first, last, length)]


def _occlusion(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Let the target sink behind a roof, or the dome lag behind and catch up."""
    shares = np.linspace(rng.uniform(0.06, 0.2), rng.uniform(0.2, 0.6), length)
    if rng.random() < 0.4:
        shares = shares[::-1]
    angle, softness, glow = rng.uniform(0.0, 360.0), rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.6)
    return [
        replace(clean_recipe(rng), occlusion=Occlusion(*map(rounded, (share, angle, softness, glow))))
        for share in shares
    ]


def _meteor(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Inside the frame, or at least half of it."""
    recipes = []
    for _ in range(length):
        reach = rng.uniform(0.25, 0.9) * min(camera.width_px, camera.height_px) / 2
        x, y = rng.uniform(0.2, 0.8) * camera.width_px, rng.uniform(0.2, 0.8) * camera.height_px
        angle = rng.uniform(0.0, 2 * math.pi)
        step_x, step_y = reach * math.cos(angle), reach * math.sin(angle)
        trail = Trail(
            rounded(x - step_x),
            rounded(y - step_y),
            rounded(x + step_x),
            rounded(y + step_y),
            peak_sigma=_between(4.0, 60.0, rng),
            width_px=rounded(rng.uniform(0.0, 2.5)),
            taper=rounded(rng.uniform(0.5, 1.5)),
        )
        recipes.append(replace(clean_recipe(rng), trails=(trail,)))
    return recipes


def _tumbler(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """One satellite that flashes as it turns."""
    return [
        replace(
            clean_recipe(rng),
            trails=(
                replace(
                    _across(camera, _between(3.0, 40.0, rng), rng),
                    flash_px=_between(20.0, 300.0, rng),
                    flash_depth=rounded(rng.uniform(0.5, 1.0)),
                ),
            ),
        )
        for _ in range(length)
    ]


def _twins(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Two satellites on about the same way."""
    recipes = []
    for _ in range(length):
        first = _across(camera, _between(1.5, 30.0, rng), rng)
        along = math.atan2(first.y1 - first.y0, first.x1 - first.x0)
        beside = _between(5.0, 80.0, rng)
        step_x, step_y = -beside * math.sin(along), beside * math.cos(along)
        second = replace(
            first,
            x0=first.x0 + step_x,
            y0=first.y0 + step_y,
            x1=first.x1 + step_x,
            y1=first.y1 + step_y,
            peak_sigma=rounded(first.peak_sigma * rng.uniform(0.5, 1.5)),
        )
        recipes.append(replace(clean_recipe(rng), trails=(first, second)))
    return recipes


def _wide(length: int, camera: Camera, rng: np.random.Generator) -> list[FrameRecipe]:
    """Something near and out of focus: a low satellite before a long focal length, an aircraft, a drone."""
    return [
        replace(
            clean_recipe(rng),
            trails=(replace(_across(camera, _between(1.0, 15.0, rng), rng), width_px=_between(5.0, 25.0, rng)),),
        )
        for _ in range(length)
    ]


def _across(camera: Camera, peak_sigma: float, rng: np.random.Generator) -> Trail:
    frame = (camera.width_px, camera.height_px)
    return Trail.across(rng.uniform(0.0, 180.0), rng.uniform(-0.35, 0.35) * min(frame), frame, peak_sigma)


def _between(least: float, most: float, rng: np.random.Generator) -> float:
    """Draw evenly in the logarithm."""
    return rounded(math.exp(rng.uniform(math.log(least), math.log(most))))


def rounded(value: float) -> float:
    """Round to what the truth table shows, so that table and frame agree."""
    return round(float(value), 3)


MAKERS: dict[str, Callable[[int, Camera, np.random.Generator], list[FrameRecipe]]] = {
    "cloud": _clouds,
    "streak": _streak,
    "tracking": _tracking,
    "defocus": _defocus,
    "occlusion": _occlusion,
    "meteor": _meteor,
    "tumbler": _tumbler,
    "twins": _twins,
    "wide": _wide,
}
