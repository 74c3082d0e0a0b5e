"""Lines on frames: trails to draw at random, and whether what was found is the one that was drawn."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from nebulift.scoring.streaks import Streak
from nebulift.simulate.recipe import Trail

AnyLine: TypeAlias = "Segment | Streak"
LARGEST_TURN_DEG = 2.0
FARTHEST_PX = 5.0
_TRIES = 10_000


@dataclass(frozen=True)
class Segment:
    """A straight piece of a line, however it was found; named as the library's `Streak`, which will do as well."""

    significance: float
    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float


@dataclass(frozen=True)
class Match:
    """The found streak that agrees with a drawn trail."""

    significance: float
    across_px: float
    """The larger distance of its two ends from the trail's line."""


def best_match(streaks: Iterable[AnyLine], trail: Trail) -> Match | None:
    """Return the most significant streak on the trail's line: its angle and both of its ends agree."""
    matches = [
        Match(streak.significance, across)
        for streak in streaks
        if (across := ends_across_px(streak, trail)) <= FARTHEST_PX and turn_deg(streak, trail) <= LARGEST_TURN_DEG
    ]
    return max(matches, key=lambda match: match.significance, default=None)


def ends_across_px(streak: AnyLine, trail: Trail) -> float:
    """Return the larger distance of a streak's ends from the line of a trail."""
    dx, dy = trail.x1 - trail.x0, trail.y1 - trail.y0
    length = math.hypot(dx, dy)
    ends = ((streak.x1_px, streak.y1_px), (streak.x2_px, streak.y2_px))
    return max(abs((x - trail.x0) * dy - (y - trail.y0) * dx) / length for x, y in ends)


def turn_deg(streak: AnyLine, trail: Trail) -> float:
    """Return the angle between a streak and a trail, 0 to 90 degrees."""
    found = math.atan2(streak.y2_px - streak.y1_px, streak.x2_px - streak.x1_px)
    drawn = math.atan2(trail.y1 - trail.y0, trail.x1 - trail.x0)
    turn = math.degrees(found - drawn) % 180.0
    return min(turn, 180.0 - turn)


def crossing_trail(rng: np.random.Generator, width: int, height: int, peak_sigma: float, shortest_px: float) -> Trail:
    """Draw a trail across a frame, at any angle, with at least `shortest_px` inside.

    Raises ValueError where hardly any trail is so long.
    """
    for _ in range(_TRIES):
        offset = rng.uniform(-0.5, 0.5) * math.hypot(width, height)
        trail = Trail.across(rng.uniform(0.0, 180.0), offset, (width, height), peak_sigma)
        if trail.length_px(width, height) >= shortest_px:
            return trail
    raise ValueError(f"no trail of {shortest_px:g} px found in {width} x {height}")


def inner_trail(rng: np.random.Generator, width: int, height: int, peak_sigma: float, length_px: float) -> Trail:
    """Draw a trail of a length with both ends inside a frame, at any angle and place."""
    for _ in range(_TRIES):
        angle = rng.uniform(0.0, math.pi)
        dx, dy = length_px * math.cos(angle), length_px * math.sin(angle)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if 0 <= x + dx < width and 0 <= y + dy < height:
            return Trail(x, y, x + dx, y + dy, peak_sigma)
    raise ValueError(f"no trail of {length_px:g} px fits into {width} x {height}")
