"""The report: tables, previews and metrics become one page."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from nebulift.dataset.preview import read_preview
from nebulift.files import write_text
from nebulift.labels.verdict import UNREADABLE
from nebulift.report.graded import GradedFrame, Night, graded_frames
from nebulift.report.page import frames_to_picture, render_page
from nebulift.report.thumbnails import Thumbnail, thumbnails
from nebulift.tables import Row, read_table

logger = logging.getLogger(__name__)


def write_report(
    labels: Path,
    predictions: Sequence[Path],
    metrics: Path | None,
    previews: Path,
    output: Path,
    *,
    title: str,
    pictures: int,
) -> None:
    """Write the report of all nights, one HTML file that needs no other.

    `labels` is the table of all nights, `predictions` has a table per night, named after it, `previews` a folder per
    night. `metrics` is the metrics.json of training, beside which its plots lie, None where a ready model was used. At
    most `pictures` frames per night and decision are shown with pictures. Raises ValueError where the tables are not
    about the same frames.
    """
    by_night: dict[str, list[Row]] = defaultdict(list)
    for row in read_table(labels, "labels"):
        by_night[row["night"]].append(row)
    nights = [
        Night(
            table.stem,
            _beside(table, output),
            graded_frames(by_night.pop(table.stem, []), read_table(table, "predictions"), str(table)),
        )
        for table in predictions
    ]
    if by_night:
        raise ValueError(f"{labels}: there is no table of predictions for the night {next(iter(by_night))!r}")
    shown = {
        (night.name, frame.name): _thumbnails(previews / night.name, frame)
        for night in nights
        for frame in frames_to_picture(night, pictures)
    }
    trained = None if metrics is None else json.loads(metrics.read_text(encoding="utf-8"))
    plots = [] if metrics is None or trained is None or not trained["trained"] else _plots(metrics.parent)
    page = render_page(nights, trained, shown, title=title, most_pictures=pictures, plots=plots)
    write_text(output, page)
    logger.info("%s: %d nights, %d pictured frames, %.1f MB", output, len(nights), len(shown), len(page) / 1e6)


def _plots(folder: Path) -> list[tuple[bytes, str]]:
    """Return the plots of a training with the words for them; those that are not there are left out."""
    return [
        ((folder / name).read_bytes(), words)
        for name, words in (
            ("history.png", "Loss and share of the frames right in each epoch, of training and of validation."),
            (
                "metrics.png",
                "Confusion matrix, reliability, share right per reason and night: see the figures.",
            ),
        )
        if (folder / name).is_file()
    ]


def _thumbnails(folder: Path, frame: GradedFrame) -> tuple[Thumbnail, ...]:
    if frame.decision == UNREADABLE:
        return ()
    try:
        return thumbnails(read_preview(folder / frame.preview), frame.reason_words)
    except OSError as error:  # a report without one picture is worth more than none
        logger.warning("%r is shown without pictures: %s", frame.name, error)
        return ()


def _beside(table: Path, page: Path) -> str:
    """Name a table as seen from the page, so that the page does not depend on where the results lie."""
    return Path(os.path.relpath(table, page.parent)).as_posix()
