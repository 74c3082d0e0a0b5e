"""Cameras that keep the brightest of many video frames in each pixel, as meteor cameras do."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Image = npt.NDArray[np.float32]


def lift_and_scatter(frames: int) -> tuple[float, float]:
    """Give the median and the scatter of the brightest of so many normal draws, in units of their own scatter.

    The scatter is half of what lies between its quantiles 0.16 and 0.84. One frame has 0 and 1.
    """
    low, median, high = (float(ndtri(share ** (1.0 / frames))) for share in (0.1587, 0.5, 0.8413))
    return median, (high - low) / 2


def brightest_frame(
    light_e: Image, passing_e: Image, read_noise_e: float, frames: int, rng: np.random.Generator
) -> Image:
    """Draw the electrons of each pixel's brightest video frame, shape (h, w).

    `light_e` are those expected in all frames together, `passing_e` those of what passes each pixel within a single one
    of them. Photons are drawn from a normal distribution.
    """
    expected = light_e / np.float32(frames)
    uniform = rng.random(expected.shape)
    # The largest of n draws is where the distribution's n-th power is evenly drawn.
    brightest = ndtri(np.maximum(uniform, 1e-12) ** (1.0 / frames)).astype(np.float32)
    electrons = expected + np.sqrt(expected + np.float32(read_noise_e**2)) * brightest
    lit = passing_e > 0
    together = expected[lit] + passing_e[lit]
    scatter = np.sqrt(together + np.float32(read_noise_e**2))
    electrons[lit] = np.maximum(electrons[lit], together + scatter * rng.standard_normal(len(together), np.float32))
    return np.asarray(electrons, dtype=np.float32)
