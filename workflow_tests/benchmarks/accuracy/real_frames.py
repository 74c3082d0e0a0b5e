"""Frames by people outside the project: their verdicts by eye, and trails drawn into the clean ones.

The folder is no part of the project; without it this experiment has nothing to say.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.accuracy.limits import streak_limits
from benchmarks.accuracy.lines import best_match, crossing_trail
from benchmarks.accuracy.nights import labelled
from benchmarks.accuracy.records import Outcome, Plan, Rate, Record
from benchmarks.accuracy.verdicts import agreement, by_artifact
from nebulift.frames.frame import Frame
from nebulift.frames.listing import ListedFrame
from nebulift.frames.luminance import luminance
from nebulift.frames.reading import read_frame
from nebulift.scoring.score import ScoringSettings, score_frame
from nebulift.simulate.lines import LineProfile, add_trail
from nebulift.simulate.recipe import Trail

NAME, TITLE = "real_frames", "Real frames"
PLANES = ("gmn_ff_planes",)
APART = ("gmn_ff", "gmn_ff_planes ave", "gmn_ff_planes max")
"""Stacks of 8-bit video of a meteor camera: real trails and clouds, otherwise unlike a telescope's frames."""
PEAKS = (0.5, 1.0, 3.0, 10.0)
PER_FOLDER, TRAILS = 6, 2
FWHM_PX, BETA = 3.5, 3.5


def tasks(plan: Plan) -> list[Record]:
    """Return each folder as a night, and some clean frames of each for trails to be drawn into."""
    if plan.data is None or not (plan.data / "TRUTH.tsv").is_file():
        return []
    with (plan.data / "TRUTH.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if (plan.data / row["path"]).is_file()]
    nights: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        nights.setdefault(night_of(row["path"]), []).append(row)
    found: list[Record] = []
    for number, (name, these) in enumerate(sorted(nights.items())[: plan.some(1000)]):
        these = these[: plan.some(10_000, 4)]
        found.append({"kind": "night", "night": name, "data": str(plan.data), "rows": these})
        clean = [row["path"] for row in these if row["verdict"] == "clean"]
        chosen = clean[:: max(1, len(clean) // PER_FOLDER)][: plan.some(PER_FOLDER, 1)]
        found += [
            {"kind": "trails", "night": name, "frame": str(plan.data / path), "seed": plan.seed + 100 * number + one}
            for one, path in enumerate(chosen)
            if name not in APART
        ]
    return found


def night_of(path: str) -> str:
    """Return the folder of a frame; where it holds the brightest and the mean plane of each video, that kind too."""
    folder = PurePosixPath(path).parts[0]
    return f"{folder} {path.rpartition('_')[2].partition('.')[0]}" if folder in PLANES else folder


def observe(task: Record) -> list[Record]:
    """Grade a folder, or find drawn trails in one frame."""
    return _graded(task) if task["kind"] == "night" else _crossed(task)


def _graded(task: Record) -> list[Record]:
    frames = [ListedFrame(row["path"], Path(task["data"]) / row["path"]) for row in task["rows"]]
    with TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        rows = {row["frame"]: row for row in labelled(frames, Path(folder))}
    return [
        {
            "kind": "night",
            "night": task["night"],
            "frame": true["path"],
            "verdict": true["verdict"],
            "artifacts": true["artifacts"],
            "note": true["note"],
            "significance": rows[true["path"]]["streak_significance"] or 0.0,
            "label": rows[true["path"]]["label"],
            "reasons": rows[true["path"]]["reasons"],
        }
        for true in task["rows"]
        if true["path"] in rows
    ]


def _crossed(task: Record) -> list[Record]:
    frame = read_frame(Path(task["frame"]))
    height, width = frame.pixels.shape
    noise = score_frame(frame, ScoringSettings()).background.noise_adu
    rng = np.random.default_rng(task["seed"])
    records = []
    for peak in PEAKS:
        for _ in range(TRAILS):
            trail = crossing_trail(rng, width, height, peak, 0.8 * min(width, height))
            match = best_match(score_frame(with_trail(frame, trail, noise, rng)).streaks, trail)
            records.append(
                {
                    **{key: task[key] for key in ("kind", "night", "frame")},
                    "peak": peak,
                    "length_px": trail.length_px(width, height),
                    "significance": match.significance if match else 0.0,
                }
            )
    return records


def with_trail(frame: Frame, trail: Trail, noise_adu: float, rng: np.random.Generator) -> Frame:
    """Draw a trail into a frame, its peak in units of `noise_adu`; full pixels stay full, whole numbers whole."""
    light = np.zeros(frame.pixels.shape, dtype=np.float32)
    add_trail(light, trail, trail.peak_sigma * noise_adu, LineProfile(FWHM_PX, BETA))
    spread = light if frame.raw.ndim == 2 else light[:, :, None]
    raw = frame.raw + spread
    if frame.raw.dtype.kind in "iu":
        # Rounded up or down by chance: a trail fainter than one step of the numbers is there in the mean.
        raw = np.floor(raw + rng.random(raw.shape, dtype=np.float32) * (spread > 0))
    raw = np.minimum(raw, max(frame.saturation_adu, float(frame.raw.max()))).astype(frame.raw.dtype)
    return replace(frame, raw=raw, pixels=luminance(raw, frame.metadata.bayer_pattern))


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Compare with the verdicts by eye; what was judged borderline or unsure is left out."""
    result = Outcome()
    if not records:
        result.notes.append("The folder of real frames was not there.")
        return result
    limit, _ = streak_limits()
    graded = [r for r in records if r["kind"] == "night" and r["verdict"] in ("clean", "contaminated")]
    ours, apart = ([r for r in graded if (r["night"] in APART) == is_apart] for is_apart in (False, True))
    result.figures += agreement(ours, targets=False)
    clean = [r for r in ours if r["verdict"] == "clean"]
    false = sum(r["significance"] > limit for r in clean)
    result.figures.append(Rate("clean real frames called streaked", false, len(clean), 0.0, at_most=True))
    for peak in PEAKS:
        these = [r for r in records if r["kind"] == "trails" and r["peak"] == peak]
        found = sum(r["significance"] > limit for r in these)
        result.figures.append(Rate(f"trail of {peak:g} sigma drawn into clean ones, found", found, len(these)))
    result.figures += [
        replace(rate, name=f"8-bit meteor video: {rate.name}") for rate in agreement(apart, targets=False)
    ]
    result.notes.append(
        "Each folder is one night, of the meteor video's planes each kind. Drawn trails cross the frame, which is"
        " smaller than 2,000 px in all of them."
    )
    result.tables.append(("Labels by what is on the frame", *by_artifact(graded)))
    wrong = [r for r in graded if r["label"] != r["verdict"]]
    rows = [[r["frame"], r["verdict"], r["artifacts"], r["label"], r["reasons"], r["note"]] for r in wrong]
    header = ("frame", "by eye", "artifacts", "label", "reasons", "note")
    result.tables.append((f"All {len(wrong)} frames labelled otherwise", header, rows))
    return result
