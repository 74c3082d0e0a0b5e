"""Everything that the pixels of one frame say, from one pass over them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.frames.frame import Frame
from nebulift.scoring.background import ROUNDING_NOISE_ADU, Background, measure_background
from nebulift.scoring.hot_pixels import find_hot_pixels
from nebulift.scoring.saturation import find_saturated
from nebulift.scoring.search_image import make_search_image
from nebulift.scoring.stars import Stars, find_stars, star_image
from nebulift.scoring.streaks import Streak, find_streaks


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """What a user may choose about scoring, in units of the noise of one pixel's sky.

    `star_sigma` is what a pixel of a star must stand above the sky, `hot_pixel_sigma` the same for a hot pixel,
    `streak_sigma` the significance from which on a trail is listed (it is judged later).
    """

    star_sigma: float = 5.0
    hot_pixel_sigma: float = 10.0
    streak_sigma: float = 5.5


@dataclass(frozen=True, slots=True)
class FrameScore:
    """What was measured on one frame; the masks have the frame's shape (height, width)."""

    background: Background
    stars: Stars
    streaks: tuple[Streak, ...]
    saturated: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    residual: NDArray[np.float32]
    dead_fraction: float
    """Share of the pixels that stand as far below the sky as a hot pixel stands above it, 0 to 1."""

    @property
    def saturated_fraction(self) -> float:
        """Share of the pixels that are saturated, 0 to 1."""
        return int(np.count_nonzero(self.saturated)) / self.saturated.size

    @property
    def hot_pixel_fraction(self) -> float:
        """Share of the pixels that are hot, 0 to 1."""
        return int(np.count_nonzero(self.hot)) / self.hot.size


def score_frame(frame: Frame, settings: ScoringSettings | None = None, in_place: bool = False) -> FrameScore:
    """Measure one frame: background, stars, streaks, saturation, hot pixels.

    With `in_place` the residual takes the place of `frame.pixels`, which saves a third of the memory.
    """
    settings = settings or ScoringSettings()
    whole_numbers = np.issubdtype(frame.raw.dtype, np.integer)
    background = measure_background(frame.pixels, ROUNDING_NOISE_ADU if whole_numbers else 0.0)
    residual = background.residual(frame.pixels, in_place)
    saturated = find_saturated(frame.raw, frame.saturation_adu)
    hot = find_hot_pixels(frame.raw, residual, frame.metadata.bayer_pattern, background, settings.hot_pixel_sigma)
    residual[_spoilt_by(hot, frame.metadata.bayer_pattern)] = 0  # from here on they are sky
    image, binning = star_image(residual)
    stars = find_stars(residual, image, binning, background, saturated, settings.star_sigma)
    search = make_search_image(residual, background.invalid, saturated, image, binning, stars, background.noise_adu)
    streaks = find_streaks(search, settings.streak_sigma)
    too_dark = residual < np.float32(-settings.hot_pixel_sigma * background.noise_adu)
    dead = int(np.count_nonzero(too_dark)) / residual.size
    return FrameScore(background, stars, tuple(streaks), saturated, hot, residual, dead)


def _spoilt_by(hot: NDArray[np.bool_], bayer_pattern: str) -> NDArray[np.bool_]:
    """Return the pixels of the luminance that hot pixels enter: in a mosaic all cells of 2 x 2 that hold one."""
    if not bayer_pattern:
        return hot
    cells = cv2.dilate(hot.view(np.uint8), np.ones((2, 2), np.uint8), anchor=(0, 0))
    return np.asarray(cells, dtype=np.uint8) > 0
