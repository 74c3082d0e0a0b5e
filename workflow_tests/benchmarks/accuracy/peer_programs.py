"""How each other program is called: an array in, lines or stars out."""

import logging
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from benchmarks.accuracy.lines import Segment
from benchmarks.speed.peers import SOURCE_EXTRACTOR, source_extractor_command

BINNING = 4
SIGMA = 5.0
_BRIGHTEST = 60
_TRAIL = 2  # the status that findsat_mrt gives to what passed all of its checks


@dataclass(frozen=True)
class StarList:
    """Places (n, 2) of x and y in px, and the median FWHM in px."""

    places: NDArray[np.float64]
    fwhm_px: float


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what other programs print, log and warn of from the results."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def findsat(residual: NDArray[np.float32]) -> list[Segment]:
    """Find trails with findsat_mrt (Stark et al. 2022) in an image (h, w) without its background."""
    from acstools.findsat_mrt import TrailFinder

    height, width = (side // BINNING for side in residual.shape)
    binned = cv2.resize(residual, (width, height), interpolation=cv2.INTER_AREA)
    with TemporaryDirectory() as folder:
        finder = TrailFinder(
            binned, processes=1, output_dir=folder, save_catalog=False, save_diagnostic=False, plot=False
        )
        finder.run_mrt()
        finder.find_mrt_sources()
        finder.filter_sources()
    found = []
    for source in () if finder.source_list is None else finder.source_list:
        if source["status"] == _TRAIL:
            (x1, y1), (x2, y2) = (
                tuple(float(v) * BINNING + (BINNING - 1) / 2 for v in end) for end in source["endpoints"]
            )
            found.append(Segment(float(source["snr"]), x1, y1, x2, y2))
    return found


def astride(residual: NDArray[np.float32]) -> list[Segment]:
    """Find trails with ASTRiDE (Kim 2016), which draws contours."""
    from astride import Streak

    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.fits"
        fits.writeto(path, residual)
        streaks = Streak(str(path), output_path=folder)
        streaks.detect()
    found = []
    for streak in streaks.streaks:
        rising = streak["slope"] >= 0
        y1, y2 = (streak["y_min"], streak["y_max"]) if rising else (streak["y_max"], streak["y_min"])
        found.append(Segment(float(streak["area"]), streak["x_min"], y1, streak["x_max"], y2))
    return found


def source_extractor(pixels: NDArray[np.uint16], noise_adu: float, fwhm_px: float) -> StarList:
    """List stars with source-extractor as Debian ships it, from 5 sigma on."""
    with TemporaryDirectory() as folder, chdir(folder):
        frame, catalogue = Path(folder) / "frame.fits", Path(folder) / "catalogue.txt"
        fits.writeto(frame, pixels)
        subprocess.run(source_extractor_command(frame, catalogue), check=True, capture_output=True)
        table = np.loadtxt(catalogue, comments="#", ndmin=2)
    # Columns as in speed/peers.py: x, y, flux, ..., FWHM at 5, flags at 8. Its first pixel is (1, 1).
    brightest = table[np.argsort(-table[:, 2])]
    unflagged = brightest[brightest[:, 8] == 0][:_BRIGHTEST]
    return StarList(table[:, :2] - 1, float(np.median(unflagged[:, 5])) if len(unflagged) else np.nan)


def photutils(pixels: NDArray[np.uint16], noise_adu: float, fwhm_px: float) -> StarList:
    """List stars with photutils' DAOStarFinder, which is told the width; fit Gaussians for theirs."""
    from photutils.background import Background2D
    from photutils.detection import DAOStarFinder
    from photutils.psf import fit_fwhm

    image = pixels.astype(np.float64)
    image -= Background2D(image, 64).background
    table = DAOStarFinder(SIGMA * noise_adu, max(fwhm_px, 1.5))(image)
    if table is None:
        return StarList(np.empty((0, 2)), np.nan)
    x, y = (
        np.asarray(table[f"{axis}_centroid" if f"{axis}_centroid" in table.colnames else f"{axis}centroid"])
        for axis in "xy"
    )
    places = np.stack([x, y], axis=1)
    unsaturated = np.asarray(table["peak"]) < 0.8 * image.max()
    brightest = np.argsort(-np.where(unsaturated, np.asarray(table["flux"]), 0.0))[:_BRIGHTEST]
    reach = 2 * round(1.5 * fwhm_px) + 3
    widths = fit_fwhm(image, xypos=[tuple(place) for place in places[brightest]], fit_shape=reach)
    return StarList(places, float(np.nanmedian(widths)))


STREAK_PROGRAMS: dict[str, Callable[[Any], list[Segment]]] = {"findsat_mrt": findsat, "ASTRiDE": astride}
STAR_PROGRAMS: dict[str, Callable[[Any, float, float], StarList]] = {
    "source-extractor": source_extractor,
    "photutils": photutils,
}


def installed() -> set[str]:
    """Return the names of the programs that are there."""
    packages = {"findsat_mrt": ("acstools", "skimage"), "ASTRiDE": ("astride",), "photutils": ("photutils",)}
    found = {name for name, needed in packages.items() if all(map(find_spec, needed))}
    return found | ({"source-extractor"} if shutil.which(SOURCE_EXTRACTOR) else set())
