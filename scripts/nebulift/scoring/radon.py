"""The fast Radon transform: sums along all lines of an image in O(n^2 log n) (Brady 1998; Press 2006)."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def _double_blocks(sums: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Join pairs of blocks of `block` rows: from sums over `block` rows to sums over twice as many."""
    rows, width = sums.shape
    joined = np.zeros_like(sums)
    for top in range(0, rows, 2 * block):
        for shift in range(2 * block):
            upper = sums[top + shift // 2]
            lower = sums[top + block + shift // 2]
            offset = (shift + 1) // 2
            target = joined[top + shift]
            for x in range(width):
                value = upper[x]
                if x + offset < width:
                    value += lower[x + offset]
                target[x] = value
    return joined


def line_sums(image: NDArray[np.float32], smallest_block: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (block, sums) for lines across blocks of `smallest_block` rows and more, up to all rows.

    `image` is float32 (rows, columns), rows a power of two. `sums` has as many rows, and `rows` columns more on the
    left: `sums[top + s, rows + x]` is the sum along the line that enters the block beginning at row `top` in column
    x and leaves it in column x + s, for x >= -s. So lines lean by 0 to 45 degrees to the right of the vertical;
    flipped and transposed images give the others.
    """
    rows, columns = image.shape
    sums = np.zeros((rows, columns + rows), dtype=np.float32)
    sums[:, rows:] = image
    block = 1
    while block < rows:
        sums = _double_blocks(sums, block)
        block *= 2
        if block >= smallest_block:
            yield block, sums
