"""What changes over a night: the sky's brightness against its slow way, and hot pixels that stay."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from nebulift.nights.samples import HOT_PIXELS, place_hash, read_sample
from nebulift.tables import Row

_SHORTEST_WINDOW, _WINDOW_SHARE = 5, 0.25


def hours_of(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return the start of each row's exposure in hours since the first one; NaN where it is not known."""
    times = np.array([_seconds(row["date_obs"]) for row in rows], dtype=np.float64) / 3600
    return times - np.nanmin(times) if np.isfinite(times).any() else times


def _seconds(date_obs: str) -> float:
    try:
        return (datetime.fromisoformat(date_obs) - datetime(1970, 1, 1)).total_seconds()
    except (ValueError, TypeError):
        return float("nan")


def sky_bumps(levels: Sequence[float | None]) -> list[float | None]:
    """Return the sky level of each frame, in capture order, against the slow way of the night; None where unknown.

    The way is the grey opening over a quarter of the night (Serra 1982): it follows whatever only rises or only falls,
    such as moonlight and twilight, exactly, and passes below what rises and falls again within that time.
    """
    known = [index for index, level in enumerate(levels) if level is not None and level > 0]
    values = np.array([levels[index] for index in known], dtype=np.float64)
    bumps: list[float | None] = [None] * len(levels)
    if not known:
        return bumps
    window = max(_SHORTEST_WINDOW, round(_WINDOW_SHARE * len(values)))
    # Beyond the ends the sky may be as it likes: what rises until the end is no bump.
    padded = np.pad(values, window - 1, constant_values=np.inf)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, window).min(axis=1)
    way = np.lib.stride_tricks.sliding_window_view(lowest, window).max(axis=1)
    for index, value in zip(known, values / way, strict=True):
        bumps[index] = float(value)
    return bumps


def hot_pixel_persistence(rows: Sequence[Row]) -> list[float | None]:
    """Return the share of each frame's sampled hot pixels that another frame of the same camera and size shows too.

    None for frames without hot pixels, and for those that have no other frame to be compared with.
    """
    cameras: dict[tuple[str, int, int], list[int]] = {}
    for index, row in enumerate(rows):
        cameras.setdefault((row["camera"], row["width_px"], row["height_px"]), []).append(index)
    shares: list[float | None] = [None] * len(rows)
    for members in cameras.values():
        if len(members) > 1:
            sketches = [_hashes(rows[index]) for index in members]
            for index, share in zip(members, _shared(sketches), strict=True):
                shares[index] = share
    return shares


def _hashes(row: Row) -> NDArray[np.uint64]:
    places = read_sample(row["hot_pixels"], 2).astype(np.int64)
    return np.unique(place_hash(places[:, 0], places[:, 1]))


def _shared(sketches: Sequence[NDArray[np.uint64]]) -> list[float | None]:
    """Return for each sketch (sorted hashes) the share that stands in another one as well."""
    values, counts = np.unique(np.concatenate(sketches), return_counts=True)
    # A full sketch says nothing of hashes beyond its largest one.
    reaches = [sketch[-1] if len(sketch) >= HOT_PIXELS else None for sketch in sketches]
    shares: list[float | None] = []
    for number, sketch in enumerate(sketches):
        others = reaches[:number] + reaches[number + 1 :]
        furthest = None if any(reach is None for reach in others) else max(reach for reach in others if reach)
        told = sketch if furthest is None else sketch[sketch <= furthest]
        seen = counts[np.searchsorted(values, told)] > 1
        shares.append(float(seen.mean()) if len(told) else None)
    return shares
