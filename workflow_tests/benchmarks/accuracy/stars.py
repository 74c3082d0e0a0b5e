"""The width and the elongation of stars against those of the simulated optics, with and without a trail."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.exposures import names, scored, set_up_of
from benchmarks.accuracy.lines import crossing_trail
from benchmarks.accuracy.records import Measure, Outcome, Plan, Record, percentile_95, rms
from benchmarks.reporting.plots import axes, save
from nebulift.simulate.catalogue import SetUp, conditions_of, exposure_of
from nebulift.simulate.psf import OVERSAMPLING, PointSpread, point_spread, width_px
from nebulift.simulate.recipe import FrameRecipe

NAME, TITLE = "stars", "Stars: width and elongation"
FEWEST = 30
TRAIL_SIGMA = 20.0
SHAKES = ((0.0, 0.0), (1.0, 0.0), (2.5, 0.0), (5.0, 0.0), (9.0, 0.0), (0.0, 1.5), (0.0, 3.0))
"""Length of the tracking error and radius of the defocus in px."""
ROUND = 0.4
"""From this eccentricity (an axis ratio of 0.92) on an elongation is seen by eye."""


def tasks(plan: Plan) -> list[Record]:
    """Return one night of each set-up."""
    return [
        {
            "half": plan.half,
            "size": plan.size,
            "set_up": name,
            "seed": plan.seed + 90_000 + number,
            "shakes": plan.some(len(SHAKES)),
        }
        for number, name in enumerate(names(plan.half)[: plan.some(1000)])
    ]


def observe(task: Record) -> list[Record]:
    """Measure frames with known optics, each without and with a trail across it."""
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    rng = np.random.default_rng(task["seed"])
    camera = set_up.camera
    records = []
    for index, (tracking, defocus) in enumerate(SHAKES[: task["shakes"]]):
        recipe = FrameRecipe(
            tracking_px=tracking,
            tracking_angle_deg=float(rng.uniform(0, 180)),
            defocus_px=defocus,
            moon=set_up.sky.moon,
        )
        trail = crossing_trail(rng, camera.width_px, camera.height_px, TRAIL_SIGMA, camera.height_px / 2)
        plain = exposure_of(set_up, task["seed"], index, recipe)
        stars = scored(plain, camera).stars
        crossed = scored(exposure_of(set_up, task["seed"], index, replace(recipe, trails=(trail,))), camera).stars
        psf = optics(set_up, task["seed"], index, recipe)
        records.append(
            {
                "set_up": task["set_up"],
                "mosaic": bool(camera.bayer_pattern),
                "stars": len(stars),
                "raw_fwhm": plain.star_fwhm_px,
                "true": {"fwhm": width_px(psf), "eccentricity": eccentricity(psf)},
                "plain": {"fwhm": stars.fwhm_px, "eccentricity": stars.eccentricity},
                "crossed": {"fwhm": crossed.fwhm_px, "eccentricity": crossed.eccentricity},
            }
        )
    return records


def optics(set_up: SetUp, seed: int, index: int, recipe: FrameRecipe) -> PointSpread:
    """Return what a star without noise looks like in the luminance of a frame."""
    psf = point_spread(
        conditions_of(set_up, seed, index).fwhm_px,
        set_up.telescope.moffat_beta,
        recipe.defocus_px,
        set_up.telescope.obstruction,
        recipe.tracking_px,
        recipe.tracking_angle_deg,
    )
    if not set_up.camera.bayer_pattern:
        return psf
    # In a mosaic a pixel of the luminance is the mean of a cell of 2 x 2.
    return replace(psf, samples=cv2.blur(psf.samples, (2 * OVERSAMPLING, 2 * OVERSAMPLING)))


def eccentricity(psf: PointSpread) -> float:
    """Return the eccentricity of the area in which a star is above half of its peak, by its second moments."""
    finer = 16  # whole samples leave the shape of a nearly round area to chance
    rows, columns = (np.flatnonzero((psf.samples > psf.samples.max() / 2).any(axis=axis)) for axis in (1, 0))
    core = psf.samples[rows[0] - 2 : rows[-1] + 3, columns[0] - 2 : columns[-1] + 3]
    fine = cv2.resize(core, None, fx=finer, fy=finer, interpolation=cv2.INTER_CUBIC)
    y, x = np.nonzero(fine > psf.samples.max() / 2)
    smaller, larger = np.linalg.eigvalsh(np.cov(x, y))
    return math.sqrt(max(0.0, 1 - float(smaller / larger)))


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Compare with the truth on frames of 30 stars or more."""
    rich = [r for r in records if r["stars"] >= FEWEST and math.isfinite(r["plain"]["fwhm"])]
    result = Outcome()
    for case, words in (("plain", ""), ("crossed", ", a trail across the frame")):
        measured = [r for r in rich if math.isfinite(r[case]["fwhm"])]
        widths = [r[case]["fwhm"] / r["true"]["fwhm"] - 1 for r in measured]
        shapes = [r[case]["eccentricity"] - r["true"]["eccentricity"] for r in measured]
        result.figures.append(Measure(f"FWHM error (rms){words}", widths, rms, 0.03, "%", 100))
        result.figures.append(Measure(f"FWHM error (95 % within){words}", widths, percentile_95, None, "%", 100))
        result.figures.append(Measure(f"eccentricity error (rms){words}", shapes, rms, 0.05))
        long = [s for s, r in zip(shapes, measured, strict=True) if r["true"]["eccentricity"] >= ROUND]
        result.figures.append(Measure(f"the same, where it is {ROUND:g} or more{words}", long, rms))
    both = [r for r in rich if math.isfinite(r["crossed"]["fwhm"])]
    moved = [r["crossed"]["fwhm"] / r["plain"]["fwhm"] - 1 for r in both]
    result.figures.append(Measure("FWHM moved by a trail (95 % within)", moved, percentile_95, 0.03, "%", 100))
    turned = [r["crossed"]["eccentricity"] - r["plain"]["eccentricity"] for r in both]
    result.figures.append(Measure("eccentricity moved by a trail (95 % within)", turned, percentile_95, 0.05))
    mosaics = [r["plain"]["fwhm"] / r["raw_fwhm"] - 1 for r in rich if r["mosaic"]]
    result.figures.append(Measure("FWHM in mosaics against that of the raw pixels (rms)", mosaics, rms, None, "%", 100))
    result.notes.append(
        f"Frames with {FEWEST} stars or more ({len(rich)} of {len(records)}), round, shaken and defocused. Truth: the"
        " area above half of the peak of a star without noise, as the frame's luminance shows it (in a mosaic the"
        " mean of 2 x 2 pixels)."
    )
    rows = []
    for name in sorted({r["set_up"] for r in rich}):
        these = [r for r in rich if r["set_up"] == name]
        widths = [100 * (r["plain"]["fwhm"] / r["true"]["fwhm"] - 1) for r in these]
        shapes = [r["plain"]["eccentricity"] - r["true"]["eccentricity"] for r in these]
        rows.append([name, int(np.median([r["stars"] for r in these])), f"{these[0]['true']['fwhm']:.2f}"])
        rows[-1] += [f"{np.mean(widths):+.1f}", f"{rms(widths):.1f}", f"{np.mean(shapes):+.3f}"]
    header = ("set-up", "stars", "FWHM (px)", "FWHM error (mean, %)", "rms (%)", "eccentricity error (mean)")
    result.tables.append(("By set-up", header, rows))
    result.plots.append(("FWHM", _plot(rich, plots)))
    return result


def _plot(records: Sequence[Record], folder: Path) -> str:
    figure, plot = axes("true FWHM (px)", "measured FWHM (px)")
    for case, marker in (("plain", "o"), ("crossed", "x")):
        pairs = [(r["true"]["fwhm"], r[case]["fwhm"]) for r in records]
        if pairs:
            plot.plot(*zip(*pairs, strict=True), marker, markersize=4, alpha=0.6, label=case)
    plot.axline((3, 3), slope=1, color="tab:red", linewidth=1)
    plot.legend()
    return save(figure, folder, "fwhm.png")
