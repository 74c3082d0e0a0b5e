"""The contexts of frames that the label table lists: the one way from its rows and previews to what a network takes."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nebulift.dataset.context import alone, contexts
from nebulift.dataset.preview_features import preview_features
from nebulift.tables import Row


def contexts_of(rows: Sequence[Row], previews: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return the context (N, CONTEXT_SIZE) of each row of the label table, of one or more nights, with its preview.

    All rows of a night that can be read belong here, whatever they are asked for: a frame's context is what the others
    of its group are like.
    """
    if not rows:
        return alone(0)
    features = np.stack([preview_features(preview) for preview in previews])
    groups = [f"{row['night']} | {row['group']}" for row in rows]
    return contexts(features, groups, [row["qualities"] for row in rows])
