"""The frames that are timed: a simulated field of stars, of any size, alike but for the size.

Run as a module it writes them, so that what simulating takes in memory ends with its process.
"""

import math
import sys
from pathlib import Path

from nebulift.simulate.equipment import Camera, Sky
from nebulift.simulate.night import simulate_night
from nebulift.simulate.recipe import FrameRecipe

STARS = Sky(star_density=200.0)
"""Gives about 4,000 stars of 5 sigma in 16 million pixels."""
SEED = 20_240_909


def write_frames(folder: Path, mpix: float, frames: int = 1) -> list[Path]:
    """Write `frames` dithered frames of about `mpix` million pixels, 16 bits with BZERO, into a folder of their own.

    Returns their paths, sorted.
    """
    side = 16 * round(math.sqrt(mpix * 1e6) / 16)
    camera = Camera(width_px=side, height_px=side)
    simulate_night(
        folder, frames=frames, seed=SEED, camera=camera, sky=STARS, recipes=(FrameRecipe(),) * frames, exposure_s=60.0
    )
    return sorted(folder.glob("*.fits"))


if __name__ == "__main__":
    write_frames(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
