"""How much longer than usual in its group the stars of a frame are, and whether all in one direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.tables import Row

Array = NDArray[np.float64]

_USUAL = 2.0  # times the group's median deviation
_CHANCE_ELLIPTICITY = 0.15  # of one star
_SHAPE_STARS = 80  # as many as scoring measures at most
_LONGEST = 0.99  # eccentricity; what is longer is a line of unknown width
# A star narrower than this is not fully sampled: two pixels per FWHM along the pixels' diagonal (Nyquist). What draws
# it out by a pixel changes its shape by much and what the frame can resolve by little.
_SAMPLED_PX = 3.0


@dataclass(frozen=True, slots=True)
class Elongation:
    """The elongation beyond the group's usual one; None where it is not known.

    `ratio` is how many times longer all stars are in one direction, as the mount, wind or a knock draws them out, than
    the group's stars are wide (1: none); `uneven` is the elongation that differs over the field, as the optics do it,
    as an eccentricity (0: none, 1: lines).
    """

    ratio: float | None = None
    uneven: float | None = None


def own_elongation(row: Row) -> float | None:
    """Return how many times longer than wide the stars of a frame are (1 round), by itself; None where not known.

    A width that the pixels do not sample counts as one that they do.
    """
    fwhm, eccentricity = row["fwhm_px"], row["eccentricity"]
    if not fwhm or eccentricity is None:
        return None
    axes = math.sqrt(1 - min(eccentricity, _LONGEST) ** 2)
    return math.sqrt(1 + fwhm**2 * (1 / axes - axes) / max(fwhm**2 * axes, _SAMPLED_PX**2))


def elongations(rows: Sequence[Row]) -> list[Elongation]:
    """Return the elongation of each row of one group beyond what is usual there.

    What blurs a star one after the other adds up in the second moments, whatever the seeing: the squared width along
    less that across the elongation, as a vector of twice the position angle, is the motion's and the optics' alone.
    That of a frame is held against the group's median vector. What all frames scatter by (a mount that wanders does so
    all night) and what chance does with few stars is taken off in quadrature. What is left, over the group's usual
    width, is the resolution lost in one direction; the eccentricity is 0.7 already for stars that are longer than wide
    by two fifths. A width that the pixels do not sample counts as one that they do.
    """
    columns = ("eccentricity", "position_angle_deg", "elongation_order", "star_count", "fwhm_px")
    values = [[np.nan if row[column] is None else row[column] for column in columns] for row in rows]
    eccentricity, angle, order, count, fwhm = np.array(values, dtype=np.float64).reshape(-1, 5).T
    known = np.isfinite(eccentricity) & np.isfinite(angle) & np.isfinite(order) & (fwhm > 0)
    if not known.any():
        return [Elongation() for _ in rows]
    order = np.clip(order, 0.0, 1.0)
    chance = _CHANCE_ELLIPTICITY / np.sqrt(np.clip(count, 1, _SHAPE_STARS))
    width = max(float(np.median(fwhm[known])), _SAMPLED_PX)

    twice = 2 * np.radians(angle)
    vector = (_drawn_out(fwhm, eccentricity) * order / width**2)[:, None]
    vector = vector * np.stack([np.cos(twice), np.sin(twice)], axis=1)
    off = np.hypot(*(vector - np.median(vector[known], axis=0)).T)
    # Where most frames are elongated, the round ones are none the worse for being different.
    common = np.minimum(off, np.hypot(*vector.T))
    # To first order the moments' difference over the stars' squared width is twice the ellipticity.
    ratio = np.sqrt(1 + _beyond(common, known, 2 * chance * np.minimum(fwhm / width, 1.0) ** 2))

    ellipticity = eccentricity**2 / (2 - eccentricity**2)
    rest = ellipticity * np.sqrt(1 - order**2)
    uneven = _beyond(np.maximum(rest - np.median(rest[known]), 0), known, chance)
    uneven = np.sqrt(2 * uneven / (1 + uneven))
    return [
        Elongation(float(one), float(other)) if is_known else Elongation()
        for one, other, is_known in zip(ratio, uneven, known, strict=True)
    ]


def _drawn_out(fwhm: Array, eccentricity: Array) -> Array:
    """Return the squared FWHM along the elongation less that across it, in px^2; `fwhm` is that of the same area."""
    axes = np.sqrt(1 - np.minimum(eccentricity, _LONGEST) ** 2)  # the shorter one over the longer one
    return np.asarray(fwhm**2 * (1 / axes - axes))


def _beyond(excess: Array, known: NDArray[np.bool_], chance: Array) -> Array:
    usual = _USUAL * float(np.median(excess[known]))
    return np.asarray(np.sqrt(np.maximum(excess**2 - usual**2 - chance**2, 0.0)))
