"""How much more uneven the sky of a frame is than is usual in its group."""

from collections.abc import Sequence

import numpy as np

from nebulift.tables import Row


def structure_excesses(rows: Sequence[Row]) -> list[float | None]:
    """Return the unevenness of each row of one group beyond the usual, in its own noise; None where it is not known.

    Vignetting and dust are uneven as the sky is bright. The glow of an amplifier is the same in each frame, so in
    units of the noise, which falls with the sky, it stands out most on the darkest one: neither is a cloud. The usual
    unevenness is the group's median in units of the noise or in ADU, whichever is more in the frame.
    """
    sigma, noise = (
        np.array([np.nan if row[column] is None else row[column] for row in rows], dtype=np.float64)
        for column in ("background_structure_sigma", "background_noise_adu")
    )
    known = np.isfinite(sigma) & (noise > 0)
    if not known.any():
        return [None] * len(rows)
    usual = np.full(len(rows), float(np.median(sigma[known])))
    usual[known] = np.maximum(usual[known], np.median((sigma * noise)[known]) / noise[known])
    return [float(value) if is_known else None for value, is_known in zip(sigma - usual, known, strict=True)]
