"""Nights of a set-up whose truth is known, scored as the workflow does; what was made is kept."""

from collections.abc import Sequence
from pathlib import Path

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.scoring.version import SCORER_VERSION
from nebulift.simulate.catalogue import SetUp
from nebulift.stages.made_up_previews import LabelledPreview, is_made, make_night, read_night

SIZE_PX = (840, 600)
FIRST_SEED = {"development": 4_000_000, "test": 5_000_000}
"""Of the nights of each half: no night is made from a seed of the other."""


def made(set_up: SetUp, seed: int, frames: int, kept: Path) -> Path:
    """Return the folder of a night of so many frames, spoilt in every way there is: truth, scores and previews."""
    name = f"{set_up.name.replace(' ', '-')}-{seed}-{frames}-{SCORER_VERSION}.{PREVIEW_VERSION}"
    if not is_made(kept / name):
        make_night(set_up, seed, frames, kept / name)
    return kept / name


def night(set_up: SetUp, seed: int, frames: int, kept: Path) -> list[LabelledPreview]:
    """Return the previews of such a night, with their truth and what the night tells of each."""
    return list(read_night(made(set_up, seed, frames, kept)))


def dataset(previews: Sequence[LabelledPreview], augment: bool = False, seed: int = 0) -> AstroImageDataset:
    """Return previews with their true labels for training or validation."""
    paths, labels = [one.preview for one in previews], [one.label for one in previews]
    facts = [FrameFacts(context=one.context) for one in previews]
    return AstroImageDataset(paths, labels, augment=augment, seed=seed, facts=facts)
