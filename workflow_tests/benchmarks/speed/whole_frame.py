"""One process that measures frames as a job of the workflow does; prints what it took as JSON.

To be run as a module: `python -m benchmarks.speed.whole_frame [--profile] [--times N] FILE`. Before anything is timed
a small frame is measured, so that libraries are loaded and compiled code is there, as for all frames of a chunk but
its first.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WARM_UP_PX = 256
_STATUS = Path("/proc/self/status")


def measure(path: Path, times: int, profile: bool) -> dict[str, Any]:
    """Measure one file `times` times over; return seconds, memory in MiB and what was found.

    `wall_s` and `cpu_s` are lists of each time, `memory_mib` the resident memory after each, `peak_mib` the most that
    the process ever had, `base_mib` what it had before the first.
    """
    from nebulift.dataset.preview import write_preview
    from nebulift.frames.listing import ListedFrame
    from nebulift.scoring.score import ScoringSettings
    from nebulift.stages.score import score_file

    settings = ScoringSettings()
    with tempfile.TemporaryDirectory() as folder:
        _warm_up(Path(folder), settings)
        stages: Mapping[str, float] = {}
        if profile:
            from benchmarks.speed.stages import clocked_stages

            stages = clocked_stages()
        base = memory_mib("VmRSS")
        wall, cpu, memory = [], [], []
        row: dict[str, Any] = {}
        for _ in range(times):
            begun, worked = time.perf_counter(), time.process_time()
            row, preview = score_file(ListedFrame(path.name, path), settings)
            assert preview is not None, row["error"]
            write_preview(Path(folder) / "preview.png", preview)
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - worked)
            memory.append(memory_mib("VmRSS"))
        begun = time.perf_counter()
        path.read_bytes()
        merely_read = time.perf_counter() - begun
    return {
        "pixels": row["width_px"] * row["height_px"],
        "stars": row["star_count"],
        "wall_s": wall,
        "cpu_s": cpu,
        "stages_s": {name: seconds / times for name, seconds in stages.items()},
        "read_s": merely_read,
        "base_mib": base,
        "peak_mib": memory_mib("VmHWM"),
        "memory_mib": memory,
    }


def _warm_up(folder: Path, settings: Any) -> None:
    """Measure a small frame of stars and a trail."""
    from nebulift.frames.listing import ListedFrame
    from nebulift.simulate.equipment import Camera
    from nebulift.simulate.night import simulate_night
    from nebulift.simulate.recipe import FrameRecipe, Trail
    from nebulift.stages.score import score_file

    camera = Camera(width_px=WARM_UP_PX, height_px=WARM_UP_PX)
    trail = Trail.across(30.0, 0.0, (WARM_UP_PX, WARM_UP_PX), 5.0)
    simulate_night(folder, frames=1, seed=1, camera=camera, recipes=(FrameRecipe(trails=(trail,)),))
    score_file(ListedFrame("light_0001.fits", folder / "light_0001.fits"), settings)


def memory_mib(which: str) -> float:
    """Return this process's memory in MiB: now (VmRSS) or at its most (VmHWM)."""
    # The kernel's own count for this program; getrusage also counts the program that started it.
    for line in _STATUS.read_text(encoding="ascii").splitlines() if _STATUS.exists() else ():
        if line.startswith(which + ":"):
            return int(line.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(json.dumps(measure(arguments.file, arguments.times, arguments.profile)))
