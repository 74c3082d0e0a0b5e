"""The same frames given to other programs, as far as they are installed here: trails and stars."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.exposures import monochrome, names, scored, set_up_of
from benchmarks.accuracy.limits import streak_limits
from benchmarks.accuracy.lines import Segment, best_match, crossing_trail
from benchmarks.accuracy.peer_programs import STAR_PROGRAMS, STREAK_PROGRAMS, StarList, installed, quiet
from benchmarks.accuracy.records import Outcome, Plan, Rate, Record, percentile_95, rms
from benchmarks.reporting.tables import percent
from nebulift.simulate.catalogue import clean_exposure, exposure_of
from nebulift.simulate.recipe import FrameRecipe, Trail

NAME, TITLE = "peers", "Beside other programs"
PEAKS = (0.0, 0.5, 1.0, 3.0)
"""Of the trails across the frames, 0 without one."""
PER_PEAK = 4
SIDE_PX = 2048
STAR_SIGMA, SEEN_SIGMA = 10.0, 2.0
"""In its brightest pixel: what a star must have to be missed, and what it must not be below to be real."""
MATCH_PX = 2.0
OURS = "Nebulift"


def tasks(plan: Plan) -> list[Record]:
    """Return frames with and without trails, and one frame of each set-up for its stars."""
    listed = names(plan.half)
    found = []
    for number in range(plan.some(PER_PEAK, 1)):
        for peak in PEAKS[:: 1 if not plan.quick else 3]:
            task = {"kind": "trail", "half": plan.half, "set_up": listed[number % len(listed)], "peak": peak}
            found.append(task | {"seed": plan.seed + 110_000 + number, "side": plan.some(SIDE_PX, 512)})
    for number, name in enumerate(monochrome(plan.half)[: plan.some(1000)]):
        seed = plan.seed + 120_000 + number
        found.append({"kind": "stars", "half": plan.half, "size": plan.size, "set_up": name, "seed": seed})
    # What is installed belongs to what was asked: another program asks anew.
    return [task | {"programs": sorted(installed())} for task in found]


def observe(task: Record) -> list[Record]:
    """Give one frame to every program."""
    return _trail(task) if task["kind"] == "trail" else _stars(task)


def _trail(task: Record) -> list[Record]:
    side = task["side"]
    rng = np.random.default_rng(task["seed"])
    set_up = set_up_of(task["half"], task["set_up"], side, side, float(rng.uniform(3.0, 4.0)))
    trail = crossing_trail(rng, side, side, max(task["peak"], 1.0), 0.97 * side)
    recipe = FrameRecipe(trails=(trail,) if task["peak"] else (), moon=set_up.sky.moon)
    score = scored(exposure_of(set_up, task["seed"], 0, recipe), set_up.camera)
    limit, _ = streak_limits()
    ours = [streak for streak in score.streaks if streak.significance > limit]
    found: dict[str, Any] = {OURS: {"found": best_match(ours, trail) is not None, "listed": len(ours)}}
    for name, find in STREAK_PROGRAMS.items():
        if name in task["programs"]:
            found[name] = _tried(partial(_judged, find, score.residual, trail))
    return [{**{key: task[key] for key in ("kind", "set_up", "peak", "programs")}, "results": found}]


def _judged(find: Callable[[Any], Sequence[Segment]], residual: NDArray[np.float32], trail: Trail) -> Record:
    segments = find(residual)
    return {"found": best_match(segments, trail) is not None, "listed": len(segments)}


def _tried(work: Callable[[], Record]) -> Record:
    """Do what another program may crash at; its error is its result."""
    try:
        with quiet():
            return work()
    except Exception as error:
        return {"crashed": f"{type(error).__name__}: {error}"[:200]}


def _stars(task: Record) -> list[Record]:
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    exposure = clean_exposure(set_up, task["seed"], 0)
    score = scored(exposure, set_up.camera)
    peak = exposure.stars.electrons / set_up.camera.gain_e_per_adu / (1.13 * exposure.star_fwhm_px**2)
    true = np.stack([exposure.stars.x_px, exposure.stars.y_px], axis=1)
    to_find = true[peak > STAR_SIGMA * exposure.sky_sigma_adu]
    seen = true[peak > SEEN_SIGMA * exposure.sky_sigma_adu]

    def judged(stars: StarList) -> Record:
        return {
            "stars": len(to_find),
            "recalled": _matched(to_find, stars.places),
            "listed": len(stars.places),
            "real": _matched(stars.places, seen),
            "fwhm": stars.fwhm_px / exposure.star_fwhm_px - 1,
        }

    ours = StarList(np.stack([score.stars.x_px, score.stars.y_px], axis=1), score.stars.fwhm_px)
    found = {OURS: judged(ours)}
    for name, find in STAR_PROGRAMS.items():
        if name in task["programs"]:
            given = (exposure.pixels, score.background.noise_adu, exposure.star_fwhm_px)
            found[name] = _tried(partial(_in_turn, judged, partial(find, *given)))
    return [{**{key: task[key] for key in ("kind", "set_up", "programs")}, "results": found}]


def _in_turn(judge: Callable[[StarList], Record], find: Callable[[], StarList]) -> Record:
    return judge(find())


def _matched(these: NDArray[np.float64], among: NDArray[np.float64]) -> int:
    """Count the places (n, 2) that have one of the others (m, 2) within MATCH_PX."""
    if not len(these) or not len(among):
        return 0
    distances = np.hypot(*(these[:, None, :] - among[None, :, :]).transpose(2, 0, 1))
    return int((distances.min(axis=1) < MATCH_PX).sum())


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Put the programs side by side; none of these rates has a target."""
    result = Outcome()
    there = {name for record in records for name in record["programs"]}
    for name in (*STREAK_PROGRAMS, *STAR_PROGRAMS):
        if name not in there:
            result.notes.append(f"{name}: not installed here.")
    trails = [record for record in records if record["kind"] == "trail"]
    for name in (OURS, *STREAK_PROGRAMS):
        results = [(record["peak"], record["results"].get(name, {})) for record in trails]
        for peak in PEAKS:
            done = [found for at, found in results if at == peak and "found" in found]
            if done and peak:
                label = f"{name}: trail across the frame, {peak:g} sigma, found"
                result.figures.append(Rate(label, sum(found["found"] for found in done), len(done)))
            elif done:
                label = f"{name}: frame without a trail, something found"
                result.figures.append(Rate(label, sum(found["listed"] > 0 for found in done), len(done)))
        result.notes += _crashes(name, [found for _, found in results])
    if trails:
        result.notes.append(
            "The others get each frame with its background taken off, at their defaults; findsat_mrt binned by 4,"
            " for its time grows fast."
        )
    stars = [record for record in records if record["kind"] == "stars"]
    rows = []
    for name in (OURS, *STAR_PROGRAMS):
        every = [record["results"].get(name, {}) for record in stars]
        result.notes += _crashes(name, every)
        if done := [found for found in every if "stars" in found]:
            widths = [found["fwhm"] for found in done if np.isfinite(found["fwhm"])]
            rows.append([name, len(done), f"{100 * rms(widths):.1f}" if widths else ""])
            rows[-1].append(f"{100 * percentile_95(widths):.1f}" if widths else "")
            total = {key: sum(found[key] for found in done) for key in ("stars", "recalled", "listed", "real")}
            rows[-1] += [total["stars"], percent(total["recalled"] / max(total["stars"], 1))]
            rows[-1] += [total["listed"], percent(total["real"] / max(total["listed"], 1))]
    header = ("program", "frames", "FWHM error (rms, %)", "95 % within (%)", f"stars of {STAR_SIGMA:g} sigma", "found")
    result.tables.append(("Stars on clean monochrome frames", (*header, "listed", "of them stars"), rows))
    return result


def _crashes(name: str, results: Sequence[Record]) -> list[str]:
    crashed = [found["crashed"] for found in results if "crashed" in found]
    return [f"{name} failed on {len(crashed)} of {len(results)} frames: `{crashed[0]}`"] if crashed else []
