"""The programs that the speed is held against, as they come from Debian and with their own defaults."""

import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

SOURCE_EXTRACTOR = "source-extractor"
SIRIL = "siril-cli"
_DEFAULTS = Path("/usr/share/source-extractor")
# Debian's list of columns has every one commented out: these say of a star what Nebulift says.
_COLUMNS = (
    "X_IMAGE",
    "Y_IMAGE",
    "FLUX_AUTO",
    "FLUX_MAX",
    "FLUX_RADIUS",
    "FWHM_IMAGE",
    "ELLIPTICITY",
    "THETA_IMAGE",
    "FLAGS",
)
_SIRIL_SCRIPT = "requires 1.0.0\nsetcpu 1\nconvert light -out=process\ncd process\nregister light\n"


def run_timed(command: Sequence[str], folder: Path, output: IO[str] | int = subprocess.DEVNULL) -> tuple[float, float]:
    """Run a program in a folder; return its wall and CPU seconds. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=output, stderr=subprocess.PIPE, text=True)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def source_extractor_command(frame: Path, catalogue: Path, *further: str) -> list[str]:
    """Return the command that writes the catalogue of one frame: Debian's defaults, from 5 sigma on.

    The list of the catalogue's columns is written beside it.
    """
    listed = catalogue.with_suffix(".param")
    listed.write_text("".join(f"{column}\n" for column in _COLUMNS), encoding="ascii")
    options = {
        "-DETECT_THRESH": "5",
        "-ANALYSIS_THRESH": "5",
        "-PARAMETERS_NAME": str(listed),
        "-FILTER_NAME": str(_DEFAULTS / "default.conv"),
        "-STARNNW_NAME": str(_DEFAULTS / "default.nnw"),
        "-CATALOG_NAME": str(catalogue),
        "-VERBOSE_TYPE": "QUIET",
    }
    words = [word for pair in options.items() for word in pair]
    return [SOURCE_EXTRACTOR, str(frame), "-c", str(_DEFAULTS / "default.sex"), *words, *further]


def time_source_extractor(frame: Path, folder: Path) -> tuple[float, float, int]:
    """Return wall and CPU seconds for the catalogue of a frame, and the number of sources in it."""
    catalogue = folder / "catalogue.txt"
    wall, cpu = run_timed(source_extractor_command(frame, catalogue), folder)
    lines = catalogue.read_text(encoding="ascii").splitlines()
    return wall, cpu, sum(not line.startswith("#") for line in lines)


def time_siril(frames: Sequence[Path], folder: Path) -> tuple[float, float]:
    """Return wall and CPU seconds that Siril takes per frame to convert and register some frames."""
    for frame in frames:
        (folder / frame.name).symlink_to(frame)
    script = folder / "register.ssf"
    script.write_text(_SIRIL_SCRIPT, encoding="ascii")
    try:
        wall, cpu = run_timed([SIRIL, "-d", str(folder), "-s", str(script)], folder)
        if not list((folder / "process").glob("r_light*")):
            raise RuntimeError("Siril registered no frame")
    finally:
        shutil.rmtree(folder / "process", ignore_errors=True)
    return wall / len(frames), cpu / len(frames)
