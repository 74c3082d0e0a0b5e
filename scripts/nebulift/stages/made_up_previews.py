"""Previews of made-up frames whose truth is known: what the weights that ship with Nebulift are trained on."""

import csv
import functools
import io
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nebulift.config import complete_config
from nebulift.dataset.context import alone
from nebulift.dataset.preview import read_preview
from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.files import write_text
from nebulift.frames.listing import list_frames
from nebulift.labels.verdict import CLEAN
from nebulift.scoring.score import ScoringSettings
from nebulift.scoring.version import SCORER_VERSION
from nebulift.simulate.drawn_set_ups import draw_set_up
from nebulift.simulate.field import generator
from nebulift.simulate.night import simulate_night, truth_table
from nebulift.simulate.set_ups import SetUp
from nebulift.stages.contexts import contexts_of
from nebulift.stages.label import LabelSettings, label_rows
from nebulift.stages.score import score_chunk
from nebulift.tables import read_table

FRAMES_PER_SET_UP = 20
_CONTAMINATED_FRACTION = 0.4
_MEASURED = (
    "star_fwhm_px",
    "defocus_px",
    "tracking_px",
    "trail_peak_sigma",
    "trail_length_px",
    "occlusion",
    "cloud_coverage",
    "transparency",
)
_TRUTH, _SCORES, _PREVIEWS = "truth.tsv", "scores.tsv", "previews"


@dataclass(frozen=True)
class MadeUp:
    """Which frames are made up: how many of which size in pixels, from which seed."""

    frames: int = 3000
    seed: int = 1
    width_px: int = 640
    height_px: int = 480

    def __post_init__(self) -> None:
        for name, lowest in (("frames", 1), ("seed", 0), ("width_px", 256), ("height_px", 256)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be {lowest} or more, not {getattr(self, name)}")

    @property
    def set_ups(self) -> int:
        """How many set-ups they come from: each gives FRAMES_PER_SET_UP of them."""
        return -(-self.frames // FRAMES_PER_SET_UP)


@dataclass(frozen=True)
class LabelledPreview:
    """A preview with what is true of its frame: 1 clean, 0 contaminated; `artifacts` as in truth.tsv.

    `measured` are numbers of about unit spread, see `_measured`. `context` is what the night tells
    (CONTEXT_SIZE), `rules` what the rules call the frame.
    """

    preview: Path
    label: int
    artifacts: str
    set_up: int
    measured: tuple[float, ...] = ()
    context: NDArray[np.float32] = field(default_factory=lambda: alone(1)[0])
    rules: str = ""


def make_previews(made_up: MadeUp, cache: Path, workers: int, report: Callable[[str], None]) -> list[LabelledPreview]:
    """Simulate frames, score them as the workflow does, and return their previews, which are kept in `cache`.

    The frames themselves are not kept. What `cache` holds of an earlier run with the same seed, size and versions is
    used again, so a run that was ended goes on. A frame that cannot be scored is left out.
    """
    folder = cache / f"{SCORER_VERSION}.{PREVIEW_VERSION}-{made_up.width_px}x{made_up.height_px}-{made_up.seed}"
    numbers = range(made_up.set_ups)
    missing = [number for number in numbers if not is_made(folder / f"{number:05d}")]
    for done, number in enumerate(_all(partial(_make_drawn_night, made_up, folder), missing, workers), start=1):
        report(f"set-up {number}: {done} of {len(missing)} done")
    return [one for number in numbers for one in read_night(folder / f"{number:05d}", number)]


def _all(make: Callable[[int], int], numbers: list[int], workers: int) -> Iterator[int]:
    if min(workers, len(numbers)) <= 1:
        yield from map(make, numbers)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(make, numbers)


def _make_drawn_night(made_up: MadeUp, folder: Path, number: int) -> int:
    set_up = draw_set_up(generator(made_up.seed, "set-up", number), made_up.width_px, made_up.height_px)
    make_night(set_up, made_up.seed * 1_000_003 + number, FRAMES_PER_SET_UP, folder / f"{number:05d}")
    return number


def make_night(set_up: SetUp, seed: int, frames: int, night: Path) -> None:
    """Simulate and score the frames of a night into a folder: previews, scores, and last the table of their truth."""
    with tempfile.TemporaryDirectory(prefix="nebulift-") as raw:
        truth = simulate_night(
            Path(raw) / night.name,
            frames=frames,
            seed=seed,
            camera=set_up.camera,
            telescope=set_up.telescope,
            sky=set_up.sky,
            exposure_s=set_up.exposure_s,
            contaminated_fraction=_CONTAMINATED_FRACTION,
            varied=True,
        )
        score_chunk(
            night.name, list_frames(Path(raw) / night.name), night / _SCORES, night / _PREVIEWS, ScoringSettings()
        )
    write_text(night / _TRUTH, truth_table(truth))


def is_made(night: Path) -> bool:
    """Say whether a night was made to its end."""
    return (night / _TRUTH).is_file()


def read_night(night: Path, number: int = 0) -> Iterator[LabelledPreview]:
    """Give the previews of a night that was made, in capture order, `number` being that of its set-up."""
    text = (night / _TRUTH).read_text(encoding="utf-8")
    truth = {row["frame"]: row for row in csv.DictReader(io.StringIO(text), delimiter="\t")}
    graded = label_rows(read_table(night / _SCORES, "scores"), _default_labelling())
    rows = [row for row in graded if row["preview"]]
    paths = [night / _PREVIEWS / row["preview"] for row in rows]
    for row, path, context in zip(rows, paths, contexts_of(rows, map(read_preview, paths)), strict=True):
        true = truth[row["frame"]]
        label = int(true["verdict"] == CLEAN)
        yield LabelledPreview(path, label, true["artifacts"], number, _measured(true), context, row["label"])


@functools.cache
def _default_labelling() -> LabelSettings:
    return LabelSettings.from_config(complete_config({})["label"])


def _measured(true: Mapping[str, str]) -> tuple[float, ...]:
    """Return what the simulation knows of a frame in numbers: stars, focus, tracking, trails, obstacles, clouds."""
    value = {column: float(true[column]) for column in _MEASURED}
    return tuple(
        round(number, 4)
        for number in (
            math.log(value["star_fwhm_px"] / 3.0),
            value["defocus_px"] / 3.0,
            value["tracking_px"] / 5.0,
            math.log1p(value["trail_peak_sigma"]) / 2.0,
            min(value["trail_length_px"] / 800.0, 1.5),
            3.0 * value["occlusion"],
            2.0 * value["cloud_coverage"],
            2.0 * (1.0 - value["transparency"]),
        )
    )
