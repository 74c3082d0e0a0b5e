"""Seasons of many frames: a few simulated ones, written again and again under another time of exposure."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.speed.frames import write_frames
from nebulift.simulate.night import tiny_night
from nebulift.simulate.recipe import FrameRecipe, Trail

SEED = 20_240_909
DISTINCT = 20
EXPOSURE_S = 65
_TIME = re.compile(rb"DATE-OBS= '([^']+)'")
_START = datetime(2024, 1, 1, 20, tzinfo=UTC)
_CLEAN = FrameRecipe()
_CLOUD = FrameRecipe(transparency=0.3)
_STREAK = FrameRecipe(trails=(Trail.across(30.0, 5.0, (200, 150), 60.0),))


def write_season(folder: Path, nights: int, frames: int) -> dict[str, Path]:
    """Write nights of tiny frames (200 x 150 pixels, a tenth of them spoilt) into folders; return those by name."""
    recipes = [_CLEAN] * DISTINCT
    recipes[5], recipes[15] = _CLOUD, _STREAK
    tiny_night(folder / "distinct", frames=DISTINCT, seed=SEED, recipes=recipes)
    distinct = [path.read_bytes() for path in sorted((folder / "distinct").glob("*.fits"))]
    made = {}
    for number in range(nights):
        made[f"n{number:03d}"] = write_night(folder / f"n{number:03d}", distinct, frames, number)
    return made


def write_large_night(folder: Path, frames: int, mpix: float) -> Path:
    """Write a night of frames of so many million pixels, ten of them different; return its folder."""
    distinct = [path.read_bytes() for path in write_frames(folder / "distinct", mpix, min(frames, 10))]
    return write_night(folder / "night", distinct, frames, 0)


def write_night(folder: Path, distinct: list[bytes], frames: int, number: int) -> Path:
    """Write frames one after another into a folder, each with its own DATE-OBS; `number` is that of the night."""
    folder.mkdir(parents=True)
    for frame in range(frames):
        write_frame(folder / f"light_{frame:04d}.fits", distinct[frame % len(distinct)], number, frame)
    return folder


def write_frame(path: Path, content: bytes, night: int, frame: int) -> None:
    """Write a FITS file again with the time at which this frame of this night was begun."""
    match = _TIME.search(content)
    assert match is not None
    time = _START + timedelta(days=night, seconds=EXPOSURE_S * frame)
    written = time.strftime("%Y-%m-%dT%H:%M:%S.000").encode("ascii")
    assert len(written) == len(match[1])
    path.write_bytes(content[: match.start(1)] + written + content[match.end(1) :])


def write_placeholders(folder: Path, frames: int, per_night: int = 500) -> dict[str, Path]:
    """Write empty files with the names of frames, for dry runs; return the nights' folders by name."""
    made = {}
    for number in range(-(-frames // per_night)):
        night = made[f"n{number:05d}"] = folder / f"n{number:05d}"
        night.mkdir(parents=True)
        for frame in range(min(per_night, frames - number * per_night)):
            (night / f"light_{frame:04d}.fits").touch()
    return made
