"""Hot pixels: those of the camera that must be found, those found, and stars among them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.exposures import names, scored, set_up_of
from benchmarks.accuracy.records import Outcome, Plan, Rate, Record
from nebulift.scoring.score import ScoringSettings
from nebulift.simulate.catalogue import SetUp, clean_exposure
from nebulift.simulate.detector import detector, hot_pixels
from nebulift.simulate.exposure import Stars

NAME, TITLE = "hot_pixels", "Hot pixels"
FRAMES_PER_SET_UP = 4
SURELY_HOT = 1.5
"""Times the limit of the settings: what a hot pixel must have for it to count as missed."""
HIDING = 0.1
"""Share of a hot pixel's light that a star over it needs to hide it."""
ON_A_STAR_PX, STAR_SIGMA = 2.0, 10.0


def tasks(plan: Plan) -> list[Record]:
    """Return some frames of each set-up."""
    return [
        {
            "half": plan.half,
            "size": plan.size,
            "set_up": name,
            "seed": plan.seed + 80_000 + number,
            "frames": plan.some(FRAMES_PER_SET_UP, 1),
        }
        for number, name in enumerate(names(plan.half)[: plan.some(1000)])
    ]


def observe(task: Record) -> list[Record]:
    """Look for hot pixels on clean frames without cosmic rays, which look the same and whose truth is not known."""
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    set_up = replace(set_up, camera=replace(set_up.camera, cosmic_rays_per_mpix_per_s=0.0))
    camera = set_up.camera
    true = hot_pixels(camera)
    records = []
    for index in range(task["frames"]):
        exposure = clean_exposure(set_up, task["seed"], index)
        found = scored(exposure, camera).hot
        is_hot = np.zeros(found.shape, dtype=bool)
        is_hot[true.y_px, true.x_px] = True
        excess_adu = true.excess_e_per_s * set_up.exposure_s / camera.gain_e_per_adu
        limit = SURELY_HOT * ScoringSettings().hot_pixel_sigma
        noise = _noise_adu(set_up, exposure.sky_sigma_adu)[true.y_px, true.x_px]
        sure = excess_adu > limit * noise
        stars = exposure.stars
        # The light in a star's brightest pixel: that within its FWHM, spread evenly over a circle of it.
        peak = stars.electrons / camera.gain_e_per_adu / (1.13 * max(exposure.star_fwhm_px, 1.0) ** 2)
        sure &= ~_under_stars(true.x_px, true.y_px, excess_adu, stars, peak, exposure.star_fwhm_px)
        y, x = np.nonzero(found & ~is_hot)
        bright = peak > STAR_SIGMA * exposure.sky_sigma_adu
        records.append(
            {
                "set_up": task["set_up"],
                "true": int(sure.sum()),
                "recalled": int(found[true.y_px[sure], true.x_px[sure]].sum()),
                "found": int(found.sum()),
                "right": int((found & is_hot).sum()),
                "stars": int(bright.sum()),
                "on_stars": _near(x, y, stars.x_px[bright], stars.y_px[bright]),
            }
        )
    return records


def _noise_adu(set_up: SetUp, sky_sigma_adu: float) -> NDArray[np.float64]:
    """Return the noise (h, w) of pixels that are not hot: that of the sky, and of the glow of the detector itself."""
    camera = set_up.camera
    glow = detector(camera, set_up.telescope).dark_e_per_s.astype(np.float64)
    true = hot_pixels(camera)
    glow[true.y_px, true.x_px] -= true.excess_e_per_s
    return np.sqrt(sky_sigma_adu**2 + np.maximum(glow, 0) * set_up.exposure_s / camera.gain_e_per_adu**2)


def _under_stars(
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    excess_adu: NDArray[np.float32],
    stars: Stars,
    peak_adu: NDArray[np.float64],
    fwhm_px: float,
) -> NDArray[np.bool_]:
    """Tell for each hot pixel (n,) whether a star lies on it that hides it: so bright that its neighbours are too."""
    hidden = np.zeros(len(x), dtype=bool)
    for star in np.flatnonzero(peak_adu > HIDING * excess_adu.min(initial=np.inf)):
        near = np.hypot(x - stars.x_px[star], y - stars.y_px[star]) < 1.5 * fwhm_px + 1
        hidden |= near & (peak_adu[star] > HIDING * excess_adu)
    return hidden


def _near(x: NDArray[np.intp], y: NDArray[np.intp], star_x: NDArray[np.float64], star_y: NDArray[np.float64]) -> int:
    """Count the pixels that lie on a star."""
    if not len(x) or not len(star_x):
        return 0
    return int((np.hypot(x[:, None] - star_x, y[:, None] - star_y).min(axis=1) < ON_A_STAR_PX).sum())


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Add up the pixels of all frames."""
    total = {key: sum(record[key] for record in records) for key in ("true", "recalled", "found", "right", "stars")}
    on_stars = sum(record["on_stars"] for record in records)
    result = Outcome(
        figures=[
            Rate("hot pixels found", total["recalled"], total["true"], 0.99),
            Rate("of what is found is hot", total["right"], total["found"], 0.95),
            Rate("stars counted as hot pixels", on_stars, total["stars"], 0.0, at_most=True),
        ]
    )
    result.notes.append(
        f"To be found: {SURELY_HOT:g} times the limit of {ScoringSettings().hot_pixel_sigma:g} sigma or more, and"
        " no star over it. Stars: of 10 sigma or more in their brightest pixel."
    )
    rows = []
    for name in sorted({record["set_up"] for record in records}):
        these = [record for record in records if record["set_up"] == name]
        rows.append([name, *(sum(r[key] for r in these) for key in ("true", "recalled", "found", "right", "on_stars"))])
    header = ("set-up", "hot", "of them found", "found in all", "of them hot", "on stars")
    result.tables.append(("By set-up, pixels of all frames", header, rows))
    return result
