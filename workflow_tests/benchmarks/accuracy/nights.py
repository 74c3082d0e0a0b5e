"""Whole nights through the stages of the workflow: files to scores to labels."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.accuracy.limits import label_settings
from nebulift.frames.listing import ListedFrame, list_frames
from nebulift.nights.context import night_trails
from nebulift.scoring.score import ScoringSettings
from nebulift.simulate.catalogue import SetUp
from nebulift.simulate.night import TruthRow, simulate_night
from nebulift.simulate.recipe import FrameRecipe
from nebulift.stages.label import label_night
from nebulift.stages.merge import merge_scores
from nebulift.stages.score import score_chunk
from nebulift.tables import Row, read_table

START = datetime(2024, 9, 9, 20, 30, tzinfo=UTC)


def scored(frames: Sequence[ListedFrame], folder: Path) -> Path:
    """Score the frames of one night as the workflow does, with the tables in `folder`; return that of scores."""
    scores = folder / "night.tsv"
    score_chunk("night", frames, folder / "chunk.tsv", folder / "previews", ScoringSettings())
    merge_scores([folder / "chunk.tsv"], scores, folder / "previews")
    return scores


def labelled(frames: Sequence[ListedFrame], folder: Path) -> list[Row]:
    """Grade the frames of one night as the workflow does, with the tables in `folder`; return the rows of labels."""
    label_night(scored(frames, folder), None, folder / "labels.tsv", label_settings())
    return read_table(folder / "labels.tsv", "labels")


def simulated(
    set_up: SetUp, seed: int, recipes: Sequence[FrameRecipe] | None, frames: int, contaminated: float = 0.3
) -> list[tuple[TruthRow, Row]]:
    """Simulate a night with a set-up and grade it; return each frame's truth and label row.

    Where no recipes are given it is planned with that share of contaminated frames.
    """
    with TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        truth = _simulate(Path(folder) / "night", set_up, seed, recipes, frames, contaminated)
        rows = {row["frame"]: row for row in labelled(list_frames(Path(folder) / "night"), Path(folder))}
    return [(true, rows[true.frame]) for true in truth]


def lines_of_night(set_up: SetUp, seed: int, recipes: Sequence[FrameRecipe]) -> list[list[list[float]]]:
    """Simulate a night with a set-up and score it; return what counts as a trail in each frame, as the table has it."""
    with TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        truth = _simulate(Path(folder) / "night", set_up, seed, recipes, len(recipes), 0.0)
        rows = read_table(scored(list_frames(Path(folder) / "night"), Path(folder)), "scores")
    lines = dict(zip([row["frame"] for row in rows], night_trails(rows, label_settings().smallest_group), strict=True))
    return [lines[true.frame] for true in truth]


def _simulate(
    folder: Path,
    set_up: SetUp,
    seed: int,
    recipes: Sequence[FrameRecipe] | None,
    frames: int,
    contaminated: float,
) -> list[TruthRow]:
    return simulate_night(
        folder,
        frames=frames,
        seed=seed,
        camera=set_up.camera,
        telescope=set_up.telescope,
        sky=set_up.sky,
        exposure_s=set_up.exposure_s,
        start=START,
        recipes=recipes,
        contaminated_fraction=contaminated,
    )
