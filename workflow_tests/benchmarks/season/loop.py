"""The bare scorer in a loop: every n-th frame of a folder is measured, with its preview, and nothing else is done.

To be run as a module: `python -m benchmarks.season.loop FOLDER PREVIEWS PART PARTS`.
"""

import sys
from pathlib import Path

from nebulift.dataset.preview import write_preview
from nebulift.frames.listing import list_frames
from nebulift.scoring.score import ScoringSettings
from nebulift.stages.score import score_file


def score_part(folder: Path, previews: Path, part: int, parts: int) -> None:
    """Measure the frames number `part`, `part` + `parts` and so on of a folder."""
    settings = ScoringSettings()
    for frame in list_frames(folder)[part::parts]:
        row, preview = score_file(frame, settings)
        if preview is None:
            raise ValueError(f"{frame.path}: {row['error']}")
        write_preview(previews / row["preview"], preview)


if __name__ == "__main__":
    score_part(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
