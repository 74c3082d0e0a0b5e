"""The clearness of the air in each frame, whole and cell by cell, by the light of stars that frames share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.extinction import clear_level
from nebulift.nights.hidden import hidden_fraction
from nebulift.nights.matching import MatchedStars, match_group
from nebulift.nights.medians import median_along, weighted_median
from nebulift.nights.registration import Placement
from nebulift.nights.reliability import reliable_stars, star_wander
from nebulift.nights.samples import CELLS_X, CELLS_Y, PER_CELL, cell_of, read_sample
from nebulift.tables import Row

Array = NDArray[np.float64]

# Light of the faintest stars that are found, in noises of a pixel times the square of the FWHM.
_FAINTEST = 5.0
_CERTAINLY_FOUND = 1.6  # times that light
# A star takes part if it would be found with this share of its light: what is only just found is found too bright.
_SURE = 0.5
_BORDER_PX = 12.0
_SYSTEMATIC = 0.02  # of one star: pixels, blends, the edge of the aperture
_APERTURE_FWHM = 2.0  # radius of the aperture
_ROUNDS = 4
_REFERENCE_SHARE, _FEWEST_REFERENCES = 0.35, 3
_FEWEST_SURE, _FEW_STARS = 2, 10
# Up to this error (of 1) a transparency is given as it is; beyond, the upper end of what chance allows.
_CERTAIN = 0.013


@dataclass(frozen=True, slots=True)
class Clearness:
    """What the stars of one frame say of its air.

    `transparency` is the light of its stars against the group's clear frames, after the extinction by the airmass
    (1: clear); where few stars tell it, the upper end of what chance allows. `hidden_fraction` is the share of the
    field in which the stars have lost a quarter or more against the frame's own clear part; where they lost a tenth or
    more it counts in part. Both are None where nothing is known. `stars` counts those that tell it.
    """

    transparency: float | None = None
    hidden_fraction: float | None = None
    stars: int = 0


@dataclass(frozen=True, slots=True)
class _Light:
    """Ratios to the reference of all frames and stars (frames, stars), NaN where nothing is said; and their weights.

    A star that should have been found and was not is `missing`, with the largest ratio that it can have had.
    """

    ratio: Array
    weight: Array
    missing: NDArray[np.bool_]


def group_clearness(
    rows: Sequence[Row], size: tuple[int, int], hours: Array
) -> tuple[list[Clearness], list[Placement | None]]:
    """Return the clearness of each frame of a group of one (width, height), and its placement.

    `rows` are score rows in capture order and `hours` their times, NaN where unknown.
    """
    stars = [read_sample(row["stars"], 3) for row in rows]
    matched = match_group(stars, size)
    flux, places = matched.flux_adu, _assumed_places(matched, stars)
    placed = sum(placement is not None for placement in matched.placements)
    if flux.shape[1] == 0 or placed < _FEWEST_REFERENCES:
        return [Clearness() for _ in rows], matched.placements
    limit, faintest = _limits(rows, stars, places, size)
    visible = (
        (places > _BORDER_PX).all(axis=2) & (places < np.array(size) - 1 - _BORDER_PX).all(axis=2) & ~matched.saturated
    )
    flux = np.where(visible, flux, np.nan)
    reference, level = _solve(flux)
    light = _light(flux, reference, level, limit, faintest, visible, rows)
    transparency = np.array([weighted_median(*pair) for pair in zip(light.ratio, light.weight, strict=True)])
    airmass = np.array([np.nan if row["airmass"] is None else row["airmass"] for row in rows], dtype=np.float64)
    told = np.isfinite(light.ratio).sum(axis=1)
    error = _errors(light, transparency)
    fwhm = np.array([row["fwhm_px"] or np.nan for row in rows], dtype=np.float64)
    clear = clear_level(np.where(error < 0.1, transparency, np.nan), airmass, hours, fwhm)
    found = []
    for index in range(len(rows)):
        if not told[index] or not np.isfinite(clear[index]):
            found.append(Clearness(stars=int(told[index])))
            continue
        ratio = light.ratio[index] / clear[index]
        found.append(
            Clearness(
                _allowing_for_chance(transparency[index] / clear[index], error[index] / clear[index]),
                hidden_fraction(ratio, light.weight[index], light.missing[index], places[index], size),
                int(told[index]),
            )
        )
    return found, matched.placements


def _assumed_places(matched: MatchedStars, stars: Sequence[Array]) -> Array:
    """Return where the stars are; frames with too few stars to tell are thought to point as the nearest one in time.

    What shows many stars, but others, points elsewhere: there nothing is assumed.
    """
    places = matched.places_px.copy()
    placed = np.flatnonzero([placement is not None for placement in matched.placements])
    if not len(placed):
        return places
    usual = float(np.median([len(stars[int(index)]) for index in placed]))
    for index, placement in enumerate(matched.placements):
        if placement is None and len(stars[index]) < usual / 3:
            places[index] = places[int(placed[np.argmin(np.abs(placed - index))])]
    return places


def _limits(rows: Sequence[Row], stars: Sequence[Array], places: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return the light (frames, 1) below which no star is found, and that (frames, stars) below which none is listed.

    Only the brightest stars of a cell are listed: one that is missing may be there and be fainter than these.
    """
    widths = [row["fwhm_px"] for row in rows if row["fwhm_px"]]
    usual = float(np.median(widths)) if widths else 3.0
    noise = np.array([row["background_noise_adu"] or np.nan for row in rows], dtype=np.float64)
    fwhm = np.array([row["fwhm_px"] or usual for row in rows], dtype=np.float64)
    limit = _FAINTEST * noise * np.maximum(fwhm, 2.0) ** 2
    faintest = np.zeros(places.shape[:2])
    for index, (row, listed) in enumerate(zip(rows, stars, strict=True)):
        if row["star_count"] <= len(listed) or not np.isfinite(places[index]).all():
            continue
        good = listed[listed[:, 2] > 0]
        cells = cell_of(good[:, 0], good[:, 1], *size)
        least = np.full(CELLS_X * CELLS_Y, np.inf)
        np.minimum.at(least, cells, good[:, 2])
        full = np.bincount(cells, minlength=len(least)) >= PER_CELL
        faintest[index] = np.where(full, least, 0.0)[cell_of(places[index, :, 0], places[index, :, 1], *size)]
    return limit[:, None], faintest


def _solve(flux: Array) -> tuple[Array, Array]:
    """Return the stars' light (stars,) in clear frames and the frames' level (frames,) against it.

    Medians in turn over stars and frames, as survey catalogues tie their frames together (Padmanabhan et al. 2008);
    in the end the stars' light is that of the clearest, most even frames alone.
    """
    with np.errstate(all="ignore"):
        level, reference = np.ones(len(flux)), np.ones(flux.shape[1])
        for turn in range(_ROUNDS):
            chosen = _clearest(flux, level, reference) if turn > 1 else np.ones(len(flux), dtype=bool)
            reference = median_along(flux[chosen] / level[chosen, None], axis=0)
            # A star that none of the chosen frames shows keeps what all of them say.
            reference = np.where(np.isfinite(reference), reference, median_along(flux / level[:, None], axis=0))
            level = median_along(flux / reference, axis=1)
            level = level / median_along(level, axis=0)
    return reference, level


def _clearest(flux: Array, level: Array, reference: Array) -> NDArray[np.bool_]:
    """Tell which frames are among the brightest and the most even ones."""
    spread = median_along(np.abs(flux / reference / level[:, None] - 1), axis=1)
    shown = np.isfinite(flux).sum(axis=1)
    usable = np.isfinite(level) & (shown >= 0.5 * np.median(shown[shown > 0])) & np.isfinite(spread)
    if usable.sum() <= _FEWEST_REFERENCES:
        return usable if usable.any() else np.ones(len(flux), dtype=bool)
    even = usable & (spread <= 2.5 * np.median(spread[usable]))
    wanted = max(_FEWEST_REFERENCES, round(_REFERENCE_SHARE * usable.sum()))
    best = np.argsort(-np.where(even, level, -np.inf), kind="stable")[:wanted]
    chosen = np.zeros(len(flux), dtype=bool)
    chosen[best] = True
    return np.asarray(chosen & even)


def _light(
    flux: Array,
    reference: Array,
    level: Array,
    limit: Array,
    faintest: Array,
    visible: NDArray[np.bool_],
    rows: Sequence[Row],
) -> _Light:
    """Return the ratio of every star that says something about the frame, found or missing."""
    expected = np.where(np.isfinite(reference), reference, 0.0)[None, :]
    own = np.where(np.isfinite(level), np.minimum(level, 1.0), 0.0)[:, None]
    sure = visible & (_SURE * expected > limit)
    detected = np.isfinite(flux) & (expected > 0)
    # Where even the clear sky is too bright for any star to be sure of, the ones that are found have to do.
    few = sure.sum(axis=1) < _FEWEST_SURE
    sure |= few[:, None] & detected
    listed = (own == 0) | (0.6 * own * expected > faintest)
    missing = sure & ~detected & listed & ~few[:, None] & reliable_stars(sure & listed, detected, level)
    ratio = np.full(flux.shape, np.nan)
    seen = sure & detected
    np.divide(flux, expected, out=ratio, where=seen)
    np.divide(np.broadcast_to(_CERTAINLY_FOUND * limit, flux.shape), expected, out=ratio, where=missing)
    noise = np.array([row["background_noise_adu"] or np.nan for row in rows], dtype=np.float64)[:, None]
    fwhm = np.array([row["fwhm_px"] or 3.0 for row in rows], dtype=np.float64)[:, None]
    variance = np.pi * np.maximum(3.0, _APERTURE_FWHM * fwhm) ** 2 * noise**2 + np.maximum(expected, 1.0)
    relative = variance / np.maximum(expected, 1e-9) ** 2 + _SYSTEMATIC**2 + star_wander(ratio, seen, level) ** 2
    weight = np.where(np.isfinite(ratio) & np.isfinite(relative), 1 / relative, 0.0)
    ratio[weight == 0] = np.nan
    return _Light(ratio, weight, missing)


def _errors(light: _Light, transparency: Array) -> Array:
    """Return the standard error of each frame's transparency, by its noise and by how stars scatter in the group."""
    with np.errstate(all="ignore"):
        total = light.weight.sum(axis=1)
        effective = total**2 / (light.weight**2).sum(axis=1)
        formal = 1.25 * transparency / np.sqrt(total)
        scatter = 1.4826 * median_along(np.abs(light.ratio - transparency[:, None]), axis=1)
        # A bank of clouds scatters the stars of its frame alone; what all frames show is how well stars are measured.
        usual = median_along(1.25 * scatter / np.sqrt(effective) / formal, axis=0)
        error = formal * np.fmax(usual, 1.0)
        # Two or three stars out of many may all be wrong alike.
        few = np.isfinite(light.ratio).sum(axis=1) < _FEW_STARS
        error = np.where(few, np.fmax(error, 1.25 * scatter / np.sqrt(effective)), error)
        return np.asarray(np.where(total > 0, error, np.nan))


def _allowing_for_chance(transparency: float, error: float) -> float:
    """Return the transparency, raised towards 1 by what its error exceeds that of a good field."""
    allowance = max(0.0, 3 * (error - _CERTAIN)) if np.isfinite(error) else 1.0
    return float(max(transparency, min(1.0, transparency + allowance)))
