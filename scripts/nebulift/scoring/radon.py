"""The fast Radon transform: sums along all lines of an image in O(n^2 log n) (Brady 1998; Press 2006)."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, fastmath=True)
def _double_blocks(sums: NDArray[np.float32], block: int, joined: NDArray[np.float32]) -> None:
    """Join pairs of blocks of `block` rows: from sums over `block` rows to sums over twice as many."""
    rows, width = sums.shape
    for top in range(0, rows, 2 * block):
        for shift in range(2 * block):
            upper = sums[top + shift // 2]
            lower = sums[top + block + shift // 2]
            offset = (shift + 1) // 2
            target = joined[top + shift]
            for x in range(width - offset):
                target[x] = upper[x] + lower[x + offset]
            for x in range(width - offset, width):
                target[x] = upper[x]


def line_sums(image: NDArray[np.float32], smallest_block: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (block, sums) for lines across blocks of `smallest_block` rows and more, up to all rows.

    `image` is float32 (rows, columns), rows a power of two. `sums` has as many rows, and `rows` columns more on the
    left: `sums[top + s, rows + x]` is the sum along the line that enters the block beginning at row `top` in column
    x and leaves it in column x + s, for x >= -s. So lines lean by 0 to 45 degrees to the right of the vertical;
    flipped and transposed images give the others. What is yielded is overwritten two steps later.
    """
    rows, columns = image.shape
    sums = np.zeros((rows, columns + rows), dtype=np.float32)
    joined = np.empty_like(sums)
    sums[:, rows:] = image
    block = 1
    while block < rows:
        _double_blocks(sums, block, joined)
        sums, joined = joined, sums
        block *= 2
        if block >= smallest_block:
            yield block, sums


@njit(cache=True, fastmath=True)
def best_lines(
    sums: NDArray[np.float32], pixels: NDArray[np.float32], lanes: int, fewest: float, tile: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each tile of `tile` x `tile` sums, the largest sum in units of its noise and its row and column.

    `sums` are line sums of an image of unit noise, `pixels` those of its weights (1 where a pixel is wholly valid);
    `lanes` neighbouring lines are taken together, and those of less than `fewest` in weight count as nothing.
    """
    rows, columns = sums.shape
    down, across = (rows + tile - 1) // tile, (columns + tile - 1) // tile
    square = np.zeros((down, across), dtype=np.float32)
    row_of = np.zeros((down, across), dtype=np.int64)
    column_of = np.zeros((down, across), dtype=np.int64)
    # The largest of a row of a tile is found without a branch, all of a vector at once; its place only where it leads.
    scores = np.empty(columns, dtype=np.float32)
    ends = columns - lanes + 1
    for row in range(rows):
        i = row // tile
        for column in range(ends):
            number, total = pixels[row, column], sums[row, column]
            if lanes == 2:
                number += pixels[row, column + 1]
                total += sums[row, column + 1]
            above = max(total, np.float32(0))
            scores[column] = above * above / number if number >= fewest else np.float32(0)
        for j in range(across):
            best = square[i, j]
            most = np.float32(0)
            for column in range(j * tile, min((j + 1) * tile, ends)):
                most = max(most, scores[column])
            if most > best:
                square[i, j] = most
                row_of[i, j] = row
                for column in range(j * tile, min((j + 1) * tile, ends)):
                    if scores[column] == most:
                        column_of[i, j] = column
                        break
    return np.sqrt(square), row_of, column_of
