"""Stars without a neighbour in their light."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def are_alone(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    candidates: NDArray[np.int64],
    reach: float,
    share: float,
) -> NDArray[np.bool_]:
    """Tell which `candidates` among the stars x, y have no other of more than `share` of their flux within `reach`."""
    alone = np.ones(len(candidates), dtype=np.bool_)
    square = reach * reach
    for index, star in enumerate(candidates):
        for other in range(len(x)):
            near = (x[other] - x[star]) ** 2 + (y[other] - y[star]) ** 2 < square
            if near and other != star and flux[other] > share * flux[star]:
                alone[index] = False
                break
    return alone
