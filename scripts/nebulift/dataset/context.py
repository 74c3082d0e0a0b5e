"""The context of a frame: what its night and its measurements tell of it, in numbers that a network takes.

A preview alone does not show a thin veil, or stars a third wider than usual: only beside the other frames of its group
do they stand out. And the checks have measured every pixel, where a preview shows one in a hundred.
"""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.dataset.preview_features import FEATURES, against_the_night

FEWEST_FRAMES = 4
"""Of a group, before its frames are held against one another."""
_SHOWN_CHECKS = (
    "streak_significance",
    "transparency",
    "hidden_fraction",
    "star_count_ratio",
    "empty_cells",
    "background_structure_excess_sigma",
    "background_bump",
    "background_ratio",
    "depth_loss_mag",
    "background_of_saturation",
    "fwhm_ratio",
    "fwhm_beyond_seeing_px",
    "star_flatness",
    "fwhm_tilt_excess",
    "elongation",
    "arc_fraction",
    "elongation_ratio",
    "uneven_eccentricity_excess",
    "star_count",
    "saturated_fraction",
    "hot_pixel_fraction",
)
"""Named here one by one: a network knows each by its place, so another check alone changes no context."""
_OF_ONE_FRAME = (
    "streak_significance",
    "empty_cells",
    "background_of_saturation",
    "fwhm_beyond_seeing_px",
    "star_flatness",
    "elongation",
    "arc_fraction",
    "star_count",
    "saturated_fraction",
    "hot_pixel_fraction",
)
"""Those of them that need no group."""
CONTEXT_SIZE = 1 + 2 * FEATURES + len(_SHOWN_CHECKS) + 1
_GOOD = 0.85
"""The quality that says nothing: what was not measured has it, too."""
_LEAST, _LOWEST, _HIGHEST = 1e-4, -6.0, 3.0


def alone(frames: int) -> NDArray[np.float32]:
    """Return the contexts (frames, CONTEXT_SIZE), float32, of frames of which nothing is told."""
    return np.zeros((frames, CONTEXT_SIZE), dtype=np.float32)


def contexts(features: NDArray[np.float64], groups: Sequence[str], qualities: Sequence[str]) -> NDArray[np.float32]:
    """Return the contexts (N, CONTEXT_SIZE), float32, of frames with the features (N, FEATURES) of their previews.

    `groups` name the frames that are held against one another, `qualities` are the column of the label table: JSON
    with the quality of each check. First 1 where there is a group of FEWEST_FRAMES or more, then the features against
    the group's on a logarithmic scale, with their sign and without; 0 in a smaller group. Then the checks' qualities as
    logits, the least of all last; 0 where nothing was measured.
    """
    told = alone(len(features))
    names = np.array(groups, dtype=object)
    for group in dict.fromkeys(groups):
        members = np.flatnonzero(names == group)
        if len(members) >= FEWEST_FRAMES:
            scale = against_the_night(features[members])
            size = np.log1p(np.abs(scale))
            told[members, 0] = 1
            told[members, 1 : 1 + 2 * FEATURES] = np.hstack([np.sign(scale) * size, size])
    for row, written in zip(told, qualities, strict=True):
        row[1 + 2 * FEATURES :] = _of_checks(json.loads(written or "{}"))
    # As tables keep them: the network is asked about the very numbers that it was trained on.
    return np.round(told, 4)


def without_group(context: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a context as it would be were there no group: only what the frame's own checks tell is left."""
    left: NDArray[np.float32] = alone(1)[0]
    for place, column in enumerate(_SHOWN_CHECKS, start=1 + 2 * FEATURES):
        if column in _OF_ONE_FRAME:
            left[place] = context[place]
    measured = left[left != 0]
    left[-1] = measured.min() if len(measured) else 0
    return left


def of_preview(context: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what a context tells of the preview alone (FEATURES): against the group's, on the logarithmic scale."""
    return context[1 : 1 + FEATURES].astype(np.float64)


def write_context(context: NDArray[np.float32]) -> str:
    """Return a context as a table keeps it: JSON without spaces."""
    return json.dumps([round(float(value), 4) for value in context], separators=(",", ":"))


def read_context(text: str) -> NDArray[np.float32]:
    """Return the context (CONTEXT_SIZE), float32, that a table keeps; raises ValueError for anything else."""
    context = np.array(json.loads(text), dtype=np.float32)
    if context.shape != (CONTEXT_SIZE,):
        raise ValueError(f"a context has {CONTEXT_SIZE} numbers, not {context.shape}; lay the dataset out anew")
    return context


def _of_checks(quality: Mapping[str, float]) -> list[float]:
    logits = {column: _logit(value) for column, value in quality.items()}
    return [*(logits.get(column, 0.0) for column in _SHOWN_CHECKS), min(logits.values(), default=0.0)]


def _logit(quality: float) -> float:
    """Return how much better (or worse, below 0) than the quality that says nothing, as a logit within limits."""
    within = min(max(quality, _LEAST), 1 - _LEAST)
    found = math.log(within / (1 - within)) - math.log(_GOOD / (1 - _GOOD))
    return min(max(found, _LOWEST), _HIGHEST)
