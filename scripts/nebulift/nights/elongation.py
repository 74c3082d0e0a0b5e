"""How much more elongated the stars of a frame are than is usual in its group, and whether all in one direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.tables import Row

Array = NDArray[np.float64]

_USUAL = 2.0  # times the group's median deviation
_CHANCE_ELLIPTICITY = 0.15  # of one star
_SHAPE_STARS = 80  # as many as scoring measures at most


@dataclass(frozen=True, slots=True)
class Elongation:
    """The elongation beyond the group's usual one, as an eccentricity (0 none to 1); None where it is not known.

    `common` is what all stars share in one direction, as the mount, wind or a knock draws them out; `uneven` is what
    differs over the field, as the optics do it.
    """

    common: float | None = None
    uneven: float | None = None


def elongations(rows: Sequence[Row]) -> list[Elongation]:
    """Return the elongation of each row of one group beyond what is usual there.

    An ellipticity is a vector of twice the position angle, so that of a frame is held against the group's median
    vector. What all frames scatter by (a mount that wanders does so all night) and what chance does with few stars is
    taken off in quadrature.
    """
    columns = ("eccentricity", "position_angle_deg", "elongation_order", "star_count")
    values = [[np.nan if row[column] is None else row[column] for column in columns] for row in rows]
    eccentricity, angle, order, count = np.array(values, dtype=np.float64).reshape(-1, 4).T
    known = np.isfinite(eccentricity) & np.isfinite(angle) & np.isfinite(order)
    if not known.any():
        return [Elongation() for _ in rows]
    ellipticity, order = _ellipticity(eccentricity), np.clip(order, 0.0, 1.0)
    twice = 2 * np.radians(angle)
    vector = (ellipticity * order)[:, None] * np.stack([np.cos(twice), np.sin(twice)], axis=1)
    off = np.hypot(*(vector - np.median(vector[known], axis=0)).T)
    # Where most frames are elongated, the round ones are none the worse for being different.
    common = np.minimum(off, np.hypot(*vector.T))
    rest = ellipticity * np.sqrt(1 - order**2)
    uneven = np.maximum(rest - np.median(rest[known]), 0)
    chance = _CHANCE_ELLIPTICITY / np.sqrt(np.clip(count, 1, _SHAPE_STARS))
    excesses = []
    for excess in (common, uneven):
        usual = _USUAL * float(np.median(excess[known]))
        excesses.append(_eccentricity(np.sqrt(np.maximum(excess**2 - usual**2 - chance**2, 0.0))))
    return [
        Elongation(float(one), float(other)) if is_known else Elongation()
        for one, other, is_known in zip(*excesses, known, strict=True)
    ]


def _ellipticity(eccentricity: Array) -> Array:
    """Return (a^2 - b^2) / (a^2 + b^2) of ellipses of axes a and b."""
    return np.asarray(eccentricity**2 / (2 - eccentricity**2))


def _eccentricity(ellipticity: Array) -> Array:
    return np.asarray(np.sqrt(2 * ellipticity / (1 + ellipticity)))
