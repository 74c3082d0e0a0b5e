"""A verified line in the search image, and the geometry of lines."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEANING_DEG, _WEAKER = 10.0, 0.7

Ends = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Trail:
    """A verified line from (x1, y1) to (x2, y2) in pixels of the search image.

    `is_spike` tells a spike of a star from a trail, `is_object` what has the shape of a galaxy or of a filament.
    `sharp_width` is its width at half of its peak where it is bright and its edges are as sharp as those of the stars,
    NaN elsewhere; `width` is measured on what is clipped, so a bright line is as wide as its glow is seen.
    """

    significance: float
    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    brightness: float
    is_spike: bool = False
    is_object: bool = False
    sharp_width: float = math.nan

    @property
    def length(self) -> float:
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)


def is_part_of(trail: Trail, other: Trail) -> bool:
    """Tell whether a trail is another one seen again: along it, or a much weaker one leaning against it."""
    if along(trail.x1, trail.y1, trail.x2, trail.y2, trail.width / 2, other):
        return True
    turn = math.atan2(trail.y2 - trail.y1, trail.x2 - trail.x1) - math.atan2(other.y2 - other.y1, other.x2 - other.x1)
    leaning = angle_between(turn) < _LEANING_DEG
    x, y = (trail.x1 + trail.x2) / 2, (trail.y1 + trail.y2) / 2
    weaker = trail.significance < _WEAKER * other.significance
    return leaning and weaker and along(x, y, x, y, trail.width, other)


def along(x1: float, y1: float, x2: float, y2: float, margin: float, trail: Trail) -> bool:
    """Tell whether a line runs along a trail already found: both ends at most `margin` further off."""
    length = max(trail.length, 1e-6)
    normal_x, normal_y = (trail.y1 - trail.y2) / length, (trail.x2 - trail.x1) / length
    reach = 3 + trail.width + margin
    return all(abs((x - trail.x1) * normal_x + (y - trail.y1) * normal_y) < reach for x, y in ((x1, y1), (x2, y2)))


def angle_between(turn: float) -> float:
    """Return the angle in degrees, 0 to 90, between lines whose directions differ by `turn` in radians; NaN for NaN."""
    return math.degrees(abs((turn + math.pi / 2) % math.pi - math.pi / 2))


def angles_between(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same for an array of turns in radians."""
    return np.asarray(np.degrees(np.abs((turns + np.pi / 2) % np.pi - np.pi / 2)))


def normal(line: tuple[float, ...]) -> tuple[float, float]:
    x1, y1, x2, y2 = line
    length = max(math.hypot(x2 - x1, y2 - y1), 1e-9)
    return -(y2 - y1) / length, (x2 - x1) / length


def part(line: tuple[float, float, float, float], start: int, stop: int) -> tuple[float, float, float, float]:
    """Return the end points of samples `start` to `stop` of a line sampled at whole steps."""
    x1, y1, x2, y2 = line
    number = max(2, round(math.hypot(x2 - x1, y2 - y1)))
    dx, dy = (x2 - x1) / number, (y2 - y1) / number
    return x1 + start * dx, y1 + start * dy, x1 + stop * dx, y1 + stop * dy


def extended(x1: float, y1: float, x2: float, y2: float, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Lengthen a line to the borders of the image: a proposal may be only a part of the trail."""
    dx, dy = x2 - x1, y2 - y1
    spans = [
        sorted(((0 - origin) / step, (size - 1 - origin) / step))
        for origin, step, size in ((x1, dx, shape[1]), (y1, dy, shape[0]))
        if abs(step) > 1e-9
    ]
    first = max((span[0] for span in spans), default=0.0)
    last = min((span[1] for span in spans), default=1.0)
    return x1 + first * dx, y1 + first * dy, x1 + last * dx, y1 + last * dy
