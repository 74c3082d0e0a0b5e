"""Nights of a set-up as previews whose truth is known; what was made is kept."""

from collections.abc import Sequence
from pathlib import Path

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.model.dataset import AstroImageDataset
from nebulift.scoring.version import SCORER_VERSION
from nebulift.simulate.catalogue import SetUp
from nebulift.stages.made_up_previews import LabelledPreview, is_made, make_night, read_night


def night(set_up: SetUp, seed: int, frames: int, kept: Path) -> list[LabelledPreview]:
    """Return the previews of a night of so many frames, half of them contaminated in every way there is."""
    name = f"{set_up.name.replace(' ', '-')}-{seed}-{frames}-{SCORER_VERSION}.{PREVIEW_VERSION}"
    if not is_made(kept / name):
        make_night(set_up, seed, frames, kept / name)
    return list(read_night(kept / name))


def dataset(previews: Sequence[LabelledPreview], augment: bool = False, seed: int = 0) -> AstroImageDataset:
    """Return previews with their true labels for training or validation."""
    paths, labels = [one.preview for one in previews], [one.label for one in previews]
    return AstroImageDataset(paths, labels, augment=augment, seed=seed)
