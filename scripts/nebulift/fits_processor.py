"""Reading frames from Python: a front on `nebulift.frames` and `nebulift.dataset.preview`."""

import dataclasses
from pathlib import Path
from typing import Any

from nebulift.dataset.preview import make_preview
from nebulift.frames.frame import Frame
from nebulift.frames.reading import read_frame
from nebulift.scoring.score import ScoringSettings, score_frame


class FITSProcessor:
    """Reads frames (FITS and pictures) and prepares them for the network."""

    def __init__(self, settings: ScoringSettings | None = None) -> None:
        self.settings = settings or ScoringSettings()

    def read(self, path: str | Path) -> Frame:
        """Read one frame; raises nebulift.frames.frame.UnreadableFrame with the reason."""
        return read_frame(Path(path))

    def load_fits_file(self, path: str | Path) -> dict[str, Any]:
        """Return the frame as a dictionary: image_data (float32 luminance in ADU), metadata, file_path."""
        frame = self.read(path)
        return {
            "image_data": frame.pixels,
            "metadata": dataclasses.asdict(frame.metadata),
            "file_path": Path(path),
        }

    def process_fits_file(self, path: str | Path) -> dict[str, Any]:
        """Return the same with ml_image, the preview (224, 224, 3), uint8, that the network sees."""
        frame = self.read(path)
        return {
            "image_data": frame.pixels,
            "metadata": dataclasses.asdict(frame.metadata),
            "file_path": Path(path),
            "ml_image": make_preview(score_frame(frame, self.settings)),
        }
