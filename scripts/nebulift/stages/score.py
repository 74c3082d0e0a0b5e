"""Scoring: a chunk of a night becomes a table of measurements and a preview of each frame."""

import dataclasses
import hashlib
import json
import logging
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nebulift.dataset.preview import PREVIEW_VERSION, make_preview, write_preview
from nebulift.frames.frame import Frame, UnreadableFrame
from nebulift.frames.listing import ListedFrame
from nebulift.frames.reading import read_frame
from nebulift.nights.samples import sample_pixels, sample_stars, write_sample
from nebulift.progress import Progress
from nebulift.scoring.score import FrameScore, ScoringSettings, prepare_frame, score_prepared
from nebulift.scoring.seeing import fwhm_beyond_seeing
from nebulift.scoring.stars import Stars
from nebulift.scoring.streaks import Streak
from nebulift.scoring.version import SCORER_VERSION
from nebulift.tables import Row, TableError, read_table, write_table

logger = logging.getLogger(__name__)

# Of the machine, not of the file: another time, or on another machine, the frame may well be read.
_PASSING = (OSError, MemoryError)


def scorer_name(settings: ScoringSettings) -> str:
    """Return the version and settings of the scorer: scores under another name are measured anew."""
    values = ",".join(f"{key}={value:g}" for key, value in sorted(dataclasses.asdict(settings).items()))
    return f"{SCORER_VERSION}.{PREVIEW_VERSION},{values}"


def preview_name(frame: str) -> str:
    """Return the file name of a frame's preview: frames may have any name, in any sub-folder; this fits everywhere."""
    return hashlib.sha256(os.fsencode(frame)).hexdigest()[:24] + ".png"


def score_chunk(
    night: str,
    frames: Sequence[ListedFrame],
    output: Path,
    previews: Path,
    settings: ScoringSettings,
    kept: Iterable[Path] = (),
    processes: int = 1,
) -> None:
    """Write the score table of some frames of a night, and their previews, with so many processes side by side.

    Rows of the tables in `kept` (those that exist) are used again where the file, its size and time, and the scorer are
    the same and the preview is there; everything else is measured. A frame that cannot be read or measured becomes
    a row with the error. The log tells how many were scored and how many reused. Raises OSError where one of several
    processes was ended from outside.
    """
    known = _known_rows(kept)
    scorer = scorer_name(settings)
    reusable = [_reusable(known.get(frame.name, ()), frame, scorer, previews) for frame in frames]
    new = [frame for frame, row in zip(frames, reusable, strict=True) if row is None]
    measured = _measure(new, settings, previews, processes)
    progress, done = Progress(len(new)), 0
    rows: list[Row] = []
    for number, (frame, kept_row) in enumerate(zip(frames, reusable, strict=True), start=1):
        row = kept_row
        if row is None:
            row = next(measured)
            logger.info("%d of %d: %r %s", number, len(frames), frame.name, row["error"] or row["status"])
            done += 1
            if words := progress.words(done):
                logger.info("%s: %s", night, words)
        rows.append({**row, "night": night, "frame": frame.name, "path": str(frame.path)})
    write_table(output, "scores", rows)
    logger.info("%s: %d scored, %d reused", night, len(new), len(rows) - len(new))


def _measure(frames: Sequence[ListedFrame], settings: ScoringSettings, previews: Path, processes: int) -> Iterator[Row]:
    """Give the rows of frames in their order, each when its preview is written."""
    count = len(frames)
    arguments = (frames, [settings] * count, [previews] * count)
    if min(processes, count) <= 1:
        yield from map(_measure_one, *arguments)
        return
    # A fork starts from here: anything else would run the script of a Snakemake job again.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(processes, count), mp_context=context) as pool:
        try:
            yield from pool.map(_measure_one, *arguments)
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"one of {processes} processes was ended from outside, most likely for want of memory: give the job"
                " fewer threads or more memory"
            ) from error


def _measure_one(frame: ListedFrame, settings: ScoringSettings, previews: Path) -> Row:
    row, preview = score_file(frame, settings)
    if preview is not None:
        write_preview(previews / row["preview"], preview)
    return row


def score_file(frame: ListedFrame, settings: ScoringSettings) -> tuple[Row, NDArray[np.uint8] | None]:
    """Read a file once; return its row of the score table, without the night, and its preview if it was measured."""
    row: Row = {
        "frame": frame.name,
        "path": str(frame.path),
        "scorer": scorer_name(settings),
        "status": "unreadable",
        "error": "",
        "preview": "",
        "streaks": "[]",
        "doubtful_lines": "[]",
        "other_lines": "[]",
        "stars": "[]",
        "hot_pixels": "[]",
    }
    # Only what can be opened can be known again by its size and time; of the rest, reading says what is wrong.
    known: Row = {}
    with suppress(OSError):
        if os.access(frame.path, os.R_OK):
            status = frame.path.stat()
            known = {"size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    try:
        read = read_frame(frame.path)
    except UnreadableFrame as error:
        lasting = {} if isinstance(error.__cause__, _PASSING) else known
        return {**row, **lasting, "error": str(error)}, None
    row |= known | _metadata(read)
    if read.metadata.image_type != "light":
        return {**row, "status": "skipped"}, None
    try:
        prepared = prepare_frame(read, settings, in_place=True)
        del read  # its raw values would take memory all the while
        score = score_prepared(prepared, settings)
        preview = make_preview(score)
    except Exception as error:  # one odd frame must never stop a night; the log keeps the whole story
        logger.exception("%r could not be measured", frame.name)
        if isinstance(error, _PASSING):
            row |= dict.fromkeys(known)
        return {**row, "error": f"could not be measured: {type(error).__name__}: {error}"}, None
    row |= measurements(score, row["saturation_adu"], row["pixel_scale_arcsec"])
    return {**row, "status": "scored", "preview": preview_name(frame.name)}, preview


def _metadata(frame: Frame) -> Row:
    metadata = dataclasses.asdict(frame.metadata)
    height, width = frame.pixels.shape
    return {
        **metadata,
        "width_px": width,
        "height_px": height,
        "saturation_adu": frame.saturation_adu,
        "saturation_source": frame.saturation_source,
    }


def measurements(score: FrameScore, saturation_adu: float, pixel_scale_arcsec: float) -> Row:
    """Return the columns of the score table that were measured on the pixels; NaN is a scale that is not known."""
    background, stars = score.background, score.stars
    height, width = score.residual.shape
    return {
        "background_adu": background.level_adu,
        "background_noise_adu": background.noise_adu,
        "background_gradient_sigma": background.gradient_sigma,
        "background_structure_sigma": background.structure_sigma,
        "background_of_saturation": background.level_adu / saturation_adu,
        "star_count": int(np.count_nonzero(~stars.is_cut)),
        "fwhm_px": stars.fwhm_px,
        "fwhm_beyond_seeing_px": fwhm_beyond_seeing(stars.fwhm_px, pixel_scale_arcsec),
        "hfr_px": stars.hfr_px,
        "eccentricity": stars.eccentricity,
        "position_angle_deg": stars.position_angle_deg,
        "elongation_order": stars.elongation_order,
        "fwhm_tilt": stars.fwhm_tilt,
        "star_flatness": stars.flatness,
        "arc_fraction": stars.arc_fraction,
        "flux_15th_adu": stars.flux_15th_adu,
        "flux_50th_adu": stars.flux_50th_adu,
        "empty_cells": stars.empty_cells,
        "stars": write_sample(_sample_of(stars, width, height)),
        "streaks": _written(score.streaks),
        "doubtful_lines": _written(score.doubtful_lines),
        "other_lines": _written(score.other_lines),
        "saturated_fraction": score.saturated_fraction,
        "hot_pixel_count": len(score.hot_places),
        "hot_pixel_fraction": score.hot_pixel_fraction,
        "hot_pixels": write_sample(sample_pixels(*np.divmod(score.hot_places, width)[::-1])),
        "cosmic_ray_count": stars.cosmic_rays,
        "dead_fraction": score.dead_fraction,
    }


def _sample_of(stars: Stars, width: int, height: int) -> list[list[float]]:
    """Return the sample of a frame's stars without those that its border cuts."""
    whole = ~stars.is_cut
    without_flux = (stars.is_saturated | stars.is_extended)[whole]
    return sample_stars(stars.x_px[whole], stars.y_px[whole], stars.flux_adu[whole], without_flux, width, height)


def _written(lines: Iterable[Streak]) -> str:
    """Return lines as JSON, as the schema of the score table tells."""
    listed = [
        [
            float(f"{line.significance:.4g}"),
            *(round(value, 1) for value in (line.x1_px, line.y1_px, line.x2_px, line.y2_px)),
            round(line.width_px, 1),
            float(f"{line.brightness_adu:.4g}"),
        ]
        for line in lines
    ]
    return json.dumps(listed)


def _known_rows(kept: Iterable[Path]) -> dict[str, list[Row]]:
    """Return the rows of earlier tables by frame; tables that are absent or of another form are passed over."""
    known: dict[str, list[Row]] = {}
    for table in kept:
        try:
            for row in read_table(table, "scores"):
                known.setdefault(row["frame"], []).append(row)
        except FileNotFoundError:
            continue
        except TableError as error:
            logger.warning("earlier scores are not used: %s", error)
    return known


def _reusable(rows: Iterable[Row], frame: ListedFrame, scorer: str, previews: Path) -> Row | None:
    """Return the row that still holds for the file as it lies there, or None."""
    try:
        status = frame.path.stat()
    except OSError:
        return None
    for row in rows:
        if (
            (row["size_bytes"], row["mtime_ns"], row["scorer"]) == (status.st_size, status.st_mtime_ns, scorer)
            and os.access(frame.path, os.R_OK)
            and (not row["preview"] or (previews / row["preview"]).is_file())
        ):
            return row
    return None
