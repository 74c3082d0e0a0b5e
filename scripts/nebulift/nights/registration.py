"""Where one frame points against another: by the places of their stars alone."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float64]

_LARGEST_SHIFT = 0.45  # of the frame's sides
_SMALLEST_BIN_PX, _BIN = 4.0, 0.002  # of the diagonal: distortion moves stars further in a large frame
_TOLERANCE_PX = 2.5
_MOST_STARS = 100  # of a frame
_FEWEST_FOR_SHAPE = 8
# The share of the stars that match at least: of few, and of many, where frames overlap in part and clouds hide some.
_FEW_MATCH, _MATCH = 0.6, 0.2
_LARGEST_STRETCH = 0.03
_ANGLE_STARS = 25
_ANGLE_BIN_DEG = 0.5
_ANGLES = 3  # peaks of the rotation that are tried


@dataclass(frozen=True, slots=True)
class Placement:
    """A frame's place among the others: `matrix` (2, 2) and `shift` (2,) take its pixels to the reference's."""

    matrix: Places
    shift: Places

    @property
    def angle(self) -> float:
        """The rotation in radians."""
        return math.atan2(self.matrix[1, 0], self.matrix[0, 0])

    def to_reference(self, places: Places) -> Places:
        """Return places (n, 2) of the frame in the reference's pixels."""
        return np.asarray(places @ self.matrix.T + self.shift)

    def to_frame(self, places: Places) -> Places:
        """Return places (n, 2) of the reference in the frame's pixels."""
        return np.asarray((places - self.shift) @ np.linalg.inv(self.matrix).T)


def turned(angle: float, size: tuple[int, int]) -> Placement:
    """Return the placement of a frame of (width, height) that is only turned, by `angle` radians about its middle."""
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(size, dtype=np.float64) - 1) / 2
    return Placement(matrix, middle - matrix @ middle)


def place_frame(stars: Places, reference: Places, size: tuple[int, int], first_angle: float = 0.0) -> Placement | None:
    """Return the placement of a frame's stars (n, 2) on the reference's (m, 2), both brightest first; None for none.

    The offset is what most pairs of stars have in common. Tried are the rotation `first_angle`, the same after a
    meridian flip, and whatever rotation the directions from star to star tell.
    """
    stars, reference = stars[:_MOST_STARS], reference[: min(4 * len(stars) + 20, 2 * _MOST_STARS)]
    for angles in ((first_angle,), (first_angle + math.pi,), None):
        for angle in _common_rotations(stars, reference) if angles is None else angles:
            voted = _vote(stars, reference, turned(angle, size), size)
            placement = None if voted is None else _refine(stars, reference, voted, size)
            if placement is not None:
                return placement
    return None


def pairs(places: Places, others: Places, tolerance: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of those places (n, 2) and others (m, 2) that are each other's nearest, within tolerance."""
    if not len(places) or not len(others):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # float32 halves the time, and is exact to a thousandth of a pixel.
    first, second = places.astype(np.float32), others.astype(np.float32)
    squared = (first[:, None, 0] - second[None, :, 0]) ** 2
    squared += (first[:, None, 1] - second[None, :, 1]) ** 2
    nearest = squared.argmin(axis=1)
    index = np.arange(len(places))
    mutual = (squared.argmin(axis=0)[nearest] == index) & (squared[index, nearest] <= tolerance**2)
    return index[mutual], nearest[mutual]


def _bin_px(size: tuple[int, int]) -> float:
    return max(_SMALLEST_BIN_PX, _BIN * math.hypot(*size))


def _vote(stars: Places, reference: Places, start: Placement, size: tuple[int, int]) -> Placement | None:
    """Return the placement with the commonest offset; None if chance alone could make it so common."""
    if min(len(stars), len(reference)) < 2:
        return None
    step = _bin_px(size)
    reach = np.ceil(_LARGEST_SHIFT * np.array(size) / step).astype(int)
    offsets = (reference[None] - start.to_reference(stars)[:, None]).reshape(-1, 2)
    bins = np.floor(offsets / step).astype(int) + reach
    bins = bins[((bins >= 0) & (bins < 2 * reach)).all(axis=1)]
    votes = np.bincount(bins[:, 1] * 2 * reach[0] + bins[:, 0], minlength=4 * reach[0] * reach[1])
    votes = votes.reshape(2 * reach[1], 2 * reach[0])
    # An offset at the border of a bin falls into its neighbours too.
    votes = votes[:-1, :-1] + votes[1:, :-1] + votes[:-1, 1:] + votes[1:, 1:]
    # Offsets between unrelated stars crowd in the middle, about twice the mean.
    chance = 2 * float(votes.mean())
    row, column = np.unravel_index(int(votes.argmax()), votes.shape)
    most = float(votes[row, column])
    if most < max(2.0, chance + 4 * math.sqrt(chance) + 1):
        return None
    shift = (np.array([column, row]) + 1 - reach) * step
    return Placement(start.matrix, start.shift + shift)


def _refine(stars: Places, reference: Places, placement: Placement, size: tuple[int, int]) -> Placement | None:
    """Return the placement that fits the matching stars best, None where too few match for it to be true."""
    step = _bin_px(size)
    compared = min(len(stars), len(reference))
    fewest = max(2.0, min(_FEW_MATCH * compared, 5.0), _MATCH * compared)
    for tolerance in (1.5 * step, step, _TOLERANCE_PX, _TOLERANCE_PX):
        mine, theirs = pairs(placement.to_reference(stars), reference, tolerance)
        if len(mine) < 2:
            return None
        placement = _fitted(stars[mine], reference[theirs], placement)
    return placement if len(mine) >= fewest else None


def _fitted(stars: Places, reference: Places, placement: Placement) -> Placement:
    """Return the affine map between matching stars, or only a better shift where they are few."""
    if len(stars) >= _FEWEST_FOR_SHAPE:
        design = np.column_stack([stars, np.ones(len(stars))])
        solution = np.linalg.lstsq(design, reference, rcond=None)[0]
        matrix = solution[:2].T
        if np.abs(matrix @ matrix.T - np.eye(2)).max() < 2 * _LARGEST_STRETCH:
            return Placement(np.asarray(matrix, dtype=np.float64), np.asarray(solution[2], dtype=np.float64))
    shift = np.median(reference - stars @ placement.matrix.T, axis=0)
    return Placement(placement.matrix, np.asarray(shift, dtype=np.float64))


def _common_rotations(stars: Places, reference: Places) -> list[float]:
    """Return the rotations (radians) that most equally long pairs of bright stars have in common, best first."""
    (length, direction), (other_length, other_direction) = map(_separations, (stars, reference))
    same = np.abs(length[:, None] - other_length[None]) < _TOLERANCE_PX
    turn = (other_direction[None] - direction[:, None])[same]
    if not len(turn):
        return []
    turn = np.degrees(turn) % 360
    count = round(360 / _ANGLE_BIN_DEG)
    votes = np.bincount((turn / _ANGLE_BIN_DEG).astype(int) % count, minlength=count)
    votes = votes + np.roll(votes, -1)
    best = np.argsort(-votes, kind="stable")[:_ANGLES]
    peaks = (best + 1) * _ANGLE_BIN_DEG
    near = [(turn - peak + 180) % 360 - 180 for peak in peaks]
    return [
        math.radians(peak + float(np.median(off[np.abs(off) <= _ANGLE_BIN_DEG])))
        for peak, off in zip(peaks, near, strict=True)
        if (np.abs(off) <= _ANGLE_BIN_DEG).any()
    ]


def _separations(places: Places) -> tuple[Places, Places]:
    """Return lengths and directions of all ordered pairs of the first stars."""
    places = places[:_ANGLE_STARS]
    difference = places[:, None] - places[None]
    length = np.hypot(difference[..., 0], difference[..., 1])
    long = length > 20
    return length[long], np.arctan2(difference[..., 1], difference[..., 0])[long]
