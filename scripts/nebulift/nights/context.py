"""Every frame of a night against its group: the frames of the same target, filter, exposure and camera."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nebulift.nights.detector_lines import persistent_streaks
from nebulift.tables import Row

# Faint stars drown when the sky brightens. Counts of stars grow as 10^(0.3 m) at the magnitudes that small
# telescopes reach (Bahcall & Soneira 1980), so they fall with the noise to the power -0.75.
_COUNT_SLOPE = 0.3 * 2.5
# A transparent frame has the most light: clouds only take. A high quantile stays with the clear frames
# even in a night that is clouded for most of its time.
_CLEAR_QUANTILE = 0.8
_SHARP_QUANTILE = 0.25
_FEWEST_STARS = 10
# Stars come and go at the borders: the 50th brightest is moved less by it, but sparse fields have none.
_RANKS = ("flux_50th_adu", "flux_15th_adu")


@dataclass(frozen=True, slots=True)
class Context:
    """What the night says of one frame; None where there is too little to compare with.

    `group` names the frames it was compared with and `group_frames` counts them. `star_count_ratio` (allowing for
    chance and for a brighter sky), `star_flux_ratio` (the light of the star of one rank by brightness), `fwhm_ratio`,
    `background_ratio` are relative to the group; `background_structure_excess_sigma` is what the group's own frames do
    not show. `streak_significance` leaves out lines that stay on the detector; `persistent_streaks` counts these.
    """

    group: str
    group_frames: int
    star_count_ratio: float | None
    star_flux_ratio: float | None
    fwhm_ratio: float | None
    background_ratio: float | None
    background_structure_excess_sigma: float | None
    streak_significance: float | None
    persistent_streaks: int


def group_of(row: Row) -> str:
    """Return the name of the group of a frame: target, filter, exposure, camera and the picture's size."""
    # Shutters that measure themselves write 59.997 and 60.002: three digits are one exposure.
    exposure = "" if row["exposure_s"] is None else f"{float(format(row['exposure_s'], '.3g')):g} s"
    size = f"{row['width_px']}x{row['height_px']}"
    return " | ".join(part or "?" for part in (row["object"], row["filter"], exposure, row["camera"], size))


def night_context(scores: Sequence[Row], smallest_group: int) -> list[Context]:
    """Return the context of each measured row of one night's score table, in its order.

    Groups of fewer than `smallest_group` frames give no relative figures.
    """
    persistent = persistent_streaks(scores)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(scores):
        groups[group_of(row)].append(index)
    contexts: dict[int, Context] = {}
    for name, members in groups.items():
        rows = [scores[index] for index in members]
        large = len(rows) >= smallest_group
        clear_count = _quantile((_count_at_unit_noise(row) for row in rows), _CLEAR_QUANTILE) if large else None
        clear_flux = {rank: _quantile((row[rank] for row in rows), _CLEAR_QUANTILE) for rank in _RANKS if large}
        sharp = _quantile((row["fwhm_px"] for row in rows), _SHARP_QUANTILE) if large else None
        sky = _quantile((row["background_adu"] for row in rows), 0.5) if large else None
        structure = _quantile((row["background_structure_sigma"] for row in rows), 0.5) if large else None
        for index, row in zip(members, rows, strict=True):
            listed = json.loads(row["streaks"])
            streaks = [streak for number, streak in enumerate(listed) if (index, number) not in persistent]
            contexts[index] = Context(
                group=name,
                group_frames=len(rows),
                star_count_ratio=_count_ratio(row, clear_count),
                star_flux_ratio=_flux_ratio(row, clear_flux),
                fwhm_ratio=_ratio(row["fwhm_px"], sharp),
                background_ratio=_ratio(row["background_adu"], sky),
                background_structure_excess_sigma=_difference(row["background_structure_sigma"], structure),
                streak_significance=max((significance for significance, *_ in streaks), default=0.0),
                persistent_streaks=len(listed) - len(streaks),
            )
    return [contexts[index] for index in range(len(scores))]


def _count_at_unit_noise(row: Row) -> float | None:
    """Return the count of stars that the frame would have under a sky of unit noise, for comparison alone."""
    noise = row["background_noise_adu"]
    return float(row["star_count"] * noise**_COUNT_SLOPE) if noise else None


def _count_ratio(row: Row, clear: float | None) -> float | None:
    """Return the share of the group's stars that the frame shows, at the upper end of what chance allows."""
    noise = row["background_noise_adu"]
    if clear is None or not noise:
        return None
    reference = clear / noise**_COUNT_SLOPE
    if reference < _FEWEST_STARS:
        return None
    count = float(row["star_count"])
    return float((count + 2 * math.sqrt(max(count, 1.0))) / reference)


def _flux_ratio(row: Row, clear: Mapping[str, float | None]) -> float | None:
    """Return the light of the star of one rank against the group's clear frames, for the first rank that both have."""
    ratios = (_ratio(row[rank], clear.get(rank)) for rank in _RANKS)
    return next((ratio for ratio in ratios if ratio is not None), None)


def _quantile(values: Iterable[float | None], quantile: float) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.quantile(present, quantile)) if present else None


def _difference(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def _ratio(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None or reference <= 0 else value / reference
