"""How many magnitudes of its faintest stars a frame has lost against the best ones of its group, whatever the cause."""

import math
from collections.abc import Sequence

import numpy as np

from nebulift.tables import Row

_BEST_QUANTILE = 0.1
_LEAST_TRANSPARENCY = 0.02


def depth_losses(rows: Sequence[Row], transparency: Sequence[float | None]) -> list[float | None]:
    """Return the loss in magnitudes of each row of one group (0 or more); None where the sky's noise is not known.

    The faintest star that is found rises with the noise of the sky and with what the air takes of its light. Moonlight
    and twilight, which nothing else tells from a bright site, cost as much as their noise does. Where `transparency`
    is not known the air counts as clear.
    """
    needed = [
        row["background_noise_adu"] / max(1.0 if light is None else min(light, 1.0), _LEAST_TRANSPARENCY)
        if row["background_noise_adu"]
        else math.nan
        for row, light in zip(rows, transparency, strict=True)
    ]
    known = [value for value in needed if math.isfinite(value)]
    if not known:
        return [None] * len(rows)
    best = float(np.quantile(known, _BEST_QUANTILE))
    return [max(0.0, 2.5 * math.log10(value / best)) if math.isfinite(value) else None for value in needed]
