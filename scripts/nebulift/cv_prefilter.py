"""Grading frames from Python: a front on the stages that score and label."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nebulift.config import complete_config
from nebulift.frames.listing import ListedFrame
from nebulift.labels.verdict import Thresholds
from nebulift.scoring.score import ScoringSettings
from nebulift.stages.label import LabelSettings, label_rows
from nebulift.stages.score import score_file
from nebulift.tables import Row


class ArtifactDetector:
    """Grades frames by computer vision with the settings of a configuration (all defaults if none is given)."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        complete = complete_config(config or {})
        self.scoring = ScoringSettings(**complete["score"])
        self.labelling = LabelSettings.from_config(complete["label"])

    def analyze_files(
        self, paths: Sequence[str | Path], thresholds: Thresholds | None = None
    ) -> tuple[list[Row], dict[str, NDArray[np.uint8]]]:
        """Return the row of the label table of each frame, in capture order, and the previews by `frame`.

        The frames are compared with one another like those of one night: `frame` and `path` are the path as given.
        Frames that cannot be read have the label unreadable; bias, dark and flat frames have no row.
        """
        scores, previews = [], {}
        for path in paths:
            score, preview = score_file(ListedFrame(os.fspath(path), Path(path)), self.scoring)
            scores.append({"night": "", **score})
            if preview is not None:
                previews[score["frame"]] = preview
        settings = replace(self.labelling, thresholds=thresholds or self.labelling.thresholds)
        return label_rows(scores, settings), previews


def batch_analyze_images(image_paths: Sequence[str | Path], detector: ArtifactDetector | None = None) -> dict[str, Row]:
    """Return for each image (FITS, TIFF, PNG, JPEG, mixed) its row of the label table, by the path as given.

    It holds label, quality_score, reasons and the values behind them, see config/schemas/labels.schema.yaml.
    """
    rows, _ = (detector or ArtifactDetector()).analyze_files(image_paths)
    graded = {row["frame"]: row for row in rows}
    return {path: graded[path] for path in (os.fspath(image) for image in image_paths) if path in graded}
