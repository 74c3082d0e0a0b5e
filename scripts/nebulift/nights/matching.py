"""The stars of a group of frames, matched with each other in one catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.registration import Placement, pairs, place_frame

_TOLERANCE_PX = 3.0
_APART_PX = 8.0  # a new entry of the catalogue keeps this distance, so that no star stands there twice
_MOST_STARS = 600
_FEWEST_SIGHTINGS = 3


@dataclass(frozen=True, slots=True)
class MatchedStars:
    """The stars of a group: `frames` rows, `stars` columns.

    `flux_adu` is NaN where a star was not found or is saturated, `saturated` tells the latter. `places_px`
    (frames, stars, 2) is where each star lies in each frame, seen or not; NaN for frames whose pointing is not known.
    `placements` holds None for frames whose own stars do not tell their pointing.
    """

    flux_adu: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    places_px: NDArray[np.float64]
    placements: list[Placement | None]


def match_group(stars: Sequence[NDArray[np.float64]], size: tuple[int, int]) -> MatchedStars:
    """Match the star lists (n, 3: x_px, y_px, flux_adu; brightest first) of frames of one field, in capture order.

    The frame with most stars is the reference; its neighbours in time follow, and add stars of their own.
    """
    first = max(range(len(stars)), key=lambda index: len(stars[index]), default=0)
    catalogue = _Catalogue(stars[first][:, :2] if len(stars) else np.empty((0, 2)))
    placements: list[Placement | None] = [None] * len(stars)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]] | None] = [None] * len(stars)
    for order in (range(first, len(stars)), range(first - 1, -1, -1)):
        angle = 0.0
        for index in order:
            placement = _place(stars[index], catalogue, size, angle)
            if placement is None:
                continue
            angle = placement.angle
            placements[index] = placement
            found[index] = catalogue.add(placement.to_reference(stars[index][:, :2]))
    return _gathered(stars, catalogue, placements, found)


def _place(
    stars: NDArray[np.float64], catalogue: "_Catalogue", size: tuple[int, int], angle: float
) -> Placement | None:
    return place_frame(stars[:, :2], catalogue.brightest, size, angle)


class _Catalogue:
    """Places of stars (m, 2) in the pixels of the reference frame, with the number of frames that show each."""

    def __init__(self, places: NDArray[np.float64]) -> None:
        self.brightest = places
        self.places = places
        self.sightings = np.zeros(len(places), dtype=np.int64)

    def add(self, places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count the stars (n, 2) of a frame, take up new ones; return matching indices of frame and catalogue."""
        mine, theirs = pairs(places, self.places, _TOLERANCE_PX)
        self.sightings[theirs] += 1
        left = np.ones(len(places), dtype=bool)
        left[mine] = False
        if left.any() and len(self.places) < 4 * _MOST_STARS:
            new = places[left]
            distance = np.abs(new[:, None] - self.places[None]).max(axis=2).min(axis=1)
            fresh = np.flatnonzero(left)[distance > _APART_PX]
            mine = np.concatenate([mine, fresh])
            theirs = np.concatenate([theirs, len(self.places) + np.arange(len(fresh))])
            self.places = np.concatenate([self.places, places[fresh]])
            self.sightings = np.concatenate([self.sightings, np.ones(len(fresh), dtype=np.int64)])
        return mine, theirs


def _gathered(
    stars: Sequence[NDArray[np.float64]],
    catalogue: _Catalogue,
    placements: list[Placement | None],
    found: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]] | None],
) -> MatchedStars:
    placed = sum(placement is not None for placement in placements)
    often = np.argsort(-catalogue.sightings, kind="stable")[:_MOST_STARS]
    often = np.sort(often[catalogue.sightings[often] >= min(_FEWEST_SIGHTINGS, max(placed, 1))])
    column = np.full(len(catalogue.places), -1)
    column[often] = np.arange(len(often))
    shape = (len(stars), len(often))
    flux, saturated = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    places = np.full((*shape, 2), np.nan)
    for index, (listed, placement, matched) in enumerate(zip(stars, placements, found, strict=True)):
        if placement is None or matched is None:
            continue
        places[index] = placement.to_frame(catalogue.places[often])
        mine, theirs = matched
        kept = column[theirs] >= 0
        columns, fluxes = column[theirs[kept]], listed[mine[kept], 2]
        flux[index, columns] = np.where(fluxes > 0, fluxes, np.nan)
        saturated[index, columns] = fluxes <= 0
    return MatchedStars(flux, saturated, places, placements)
