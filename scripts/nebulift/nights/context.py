"""Every frame of a night against its group: the frames of the same target, filter, exposure and camera."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nebulift.nights.depth import depth_losses
from nebulift.nights.detector_lines import persistent_streaks
from nebulift.nights.elongation import Elongation, elongations, own_elongation
from nebulift.nights.listed_lines import is_streak, listed_lines
from nebulift.nights.order import capture_order
from nebulift.nights.registration import Placement
from nebulift.nights.sharpness import fwhm_ratios
from nebulift.nights.sky_lines import Placed, lines_of_one_frame
from nebulift.nights.structure import structure_excesses
from nebulift.nights.transparency import Clearness, group_clearness
from nebulift.nights.trend import hot_pixel_persistence, hours_of, sky_bumps
from nebulift.tables import Row

# Faint stars drown when the sky brightens. Counts of stars grow as 10^(0.3 m) at the magnitudes that small
# telescopes reach (Bahcall & Soneira 1980), so they fall with the noise to the power -0.75.
_COUNT_SLOPE = 0.3 * 2.5
# A transparent frame has the most light: clouds only take. A high quantile stays with the clear frames
# even in a night that is clouded for most of its time.
_CLEAR_QUANTILE = 0.8
_FEWEST_STARS = 10
_CHANCE_TILT = 0.5  # of one star
_AGAINST_ITS_SHAPE = 1.0  # sigma
NIGHT, ALONE = "night", "frame alone"


@dataclass(frozen=True, slots=True)
class Context:
    """What the night says of one frame; None where there is too little to compare with.

    `group` names the frames it was compared with and `group_frames` counts them; `evidence` is "night" where it was
    compared, and "frame alone", which is weaker, where the group is too small. `transparency` is the light of the stars
    that it shares with the group's clear frames, after the air's extinction, and `hidden_fraction` the share of the
    field in which they are dimmed. `star_count_ratio` (allowing for chance and for a brighter sky), `fwhm_ratio` (at
    the same airmass) and `background_ratio` are relative to the group; `depth_loss_mag` is what of the faintest stars
    is lost against its best frames. `elongation` is how many times longer than wide its stars are, `elongation_ratio`
    how many times longer in one direction than the group's are wide. The excesses are what the group's own frames do
    not show: of the sky's structure, of elongation in many directions (`uneven_eccentricity_excess`), of the tilt.
    `background_bump` is the sky against its slow way through the night.
    `streak_significance` leaves out lines that stay on the detector or in the sky; `persistent_streaks` counts these.
    `hot_pixel_persistence` is the share of its hot pixels that other frames of the camera show.
    """

    group: str
    group_frames: int
    evidence: str
    transparency: float | None
    hidden_fraction: float | None
    star_count_ratio: float | None
    depth_loss_mag: float | None
    fwhm_ratio: float | None
    fwhm_tilt_excess: float | None
    background_ratio: float | None
    background_bump: float | None
    background_structure_excess_sigma: float | None
    elongation: float | None
    elongation_ratio: float | None
    uneven_eccentricity_excess: float | None
    streak_significance: float | None
    persistent_streaks: int
    hot_pixel_persistence: float | None


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
    hot_pixels = hot_pixel_persistence(scores)
    groups = _groups(scores)
    clearness, placed = _clearness(scores, groups, smallest_group)
    trails = _trails(scores, placed)
    contexts: dict[int, Context] = {}
    for name, members in groups.items():
        rows = [scores[index] for index in members]
        large = len(rows) >= smallest_group
        nothing: list[float | None] = [None] * len(rows)
        clear_count = _quantile((_count_at_unit_noise(row) for row in rows), _CLEAR_QUANTILE) if large else None
        sky = _quantile((row["background_adu"] for row in rows), 0.5) if large else None
        structures = structure_excesses(rows) if large else nothing
        tilt = _usual(rows, "fwhm_tilt") if large else None
        airs = [clearness.get(index, Clearness()) for index in members]
        bumps = sky_bumps([row["background_adu"] for row in rows]) if large else nothing
        widths = fwhm_ratios(rows) if large else nothing
        depths = depth_losses(rows, [air.transparency for air in airs]) if large else nothing
        shapes = elongations(rows) if large else [Elongation()] * len(rows)
        compared = zip(members, rows, airs, bumps, structures, widths, depths, shapes, strict=True)
        for index, row, air, bump, structure, width, depth, shape in compared:
            contexts[index] = Context(
                group=name,
                group_frames=len(rows),
                evidence=NIGHT if large else ALONE,
                transparency=air.transparency,
                hidden_fraction=air.hidden_fraction,
                star_count_ratio=_count_ratio(row, clear_count),
                depth_loss_mag=depth,
                fwhm_ratio=width,
                fwhm_tilt_excess=_beyond_chance(row, "fwhm_tilt", tilt),
                background_ratio=_ratio(row["background_adu"], sky),
                background_bump=bump,
                background_structure_excess_sigma=structure,
                elongation=own_elongation(row),
                elongation_ratio=shape.ratio,
                uneven_eccentricity_excess=shape.uneven,
                streak_significance=max((significance for significance, *_ in trails[index].lines), default=0.0),
                persistent_streaks=trails[index].persistent,
                hot_pixel_persistence=hot_pixels[index],
            )
    return [contexts[index] for index in range(len(scores))]


def night_trails(scores: Sequence[Row], smallest_group: int) -> list[list[list[float]]]:
    """Return the lines of each row that count as trails over the night, as `streaks` of the score table has them."""
    groups = _groups(scores)
    _, placed = _clearness(scores, groups, smallest_group)
    return [trails.lines for trails in _trails(scores, placed)]


@dataclass(frozen=True, slots=True)
class _Trails:
    """The lines of a frame that are trails, and how many of its streaks are none, for they persist."""

    lines: list[list[float]]
    persistent: int


def _trails(scores: Sequence[Row], placed: Placed) -> list[_Trails]:
    """Return the trails of each row: its streaks that do not persist, and what is doubtful and in no other frame.

    What its shape speaks against must be more significant.
    """
    persistent = persistent_streaks(scores, placed)
    of_one_frame = lines_of_one_frame(scores, placed)
    found = []
    for index, row in enumerate(scores):
        kept, persisting = [], 0
        for number, line in enumerate(listed_lines(row)):
            name = (index, number)
            if name in persistent:
                persisting += 1
            elif is_streak(scores, name):
                kept.append(line)
            elif name in of_one_frame:
                kept.append([line[0] - _AGAINST_ITS_SHAPE, *line[1:]])
        found.append(_Trails(kept, persisting))
    return found


def _groups(scores: Sequence[Row]) -> dict[str, list[int]]:
    """Return the indices of the rows of each group, in capture order."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(scores)), key=lambda index: capture_order(scores[index])):
        groups[group_of(scores[index])].append(index)
    return groups


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


def _clearness(
    scores: Sequence[Row], groups: Mapping[str, Sequence[int]], smallest_group: int
) -> tuple[dict[int, Clearness], dict[int, tuple[str, Placement]]]:
    """Return the clearness of frames in large groups by their index; and the group and placement of those placed."""
    clearness: dict[int, Clearness] = {}
    placed: dict[int, tuple[str, Placement]] = {}
    for name, members in groups.items():
        if len(members) < smallest_group:
            continue
        rows = [scores[index] for index in members]
        found, placements = group_clearness(rows, (rows[0]["width_px"], rows[0]["height_px"]), hours_of(rows))
        clearness |= dict(zip(members, found, strict=True))
        placed |= {
            index: (name, placement)
            for index, placement in zip(members, placements, strict=True)
            if placement is not None
        }
    return clearness, placed


def _usual(rows: Sequence[Row], column: str) -> float | None:
    """Return the value that is nothing unusual in the group, by how its better frames scatter."""
    values = [row[column] for row in rows]
    median, low = _quantile(values, 0.5), _quantile(values, 0.16)
    return None if median is None or low is None else median + 2 * (median - low)


def _beyond_chance(row: Row, column: str, usual: float | None) -> float | None:
    """Return how much more than usual the value is, less what chance does with few stars."""
    excess = _difference(row[column], usual)
    return None if excess is None else excess - _CHANCE_TILT / math.sqrt(max(row["star_count"], 1))


def _quantile(values: Iterable[float | None], quantile: float) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.quantile(present, quantile)) if present else None


def _difference(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def _ratio(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None or reference <= 0 else value / reference
