"""Everything that the pixels of one frame say, from one pass over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.frames.frame import Frame
from nebulift.scoring.background import ROUNDING_NOISE_ADU, Background, measure_background
from nebulift.scoring.hot_pixels import find_hot_pixels
from nebulift.scoring.saturation import find_saturated
from nebulift.scoring.stars import Stars, find_stars
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

    @property
    def saturated_fraction(self) -> float:
        """Share of the pixels that are saturated, 0 to 1."""
        return float(self.saturated.mean())

    @property
    def hot_pixel_fraction(self) -> float:
        """Share of the pixels that are hot, 0 to 1."""
        return float(self.hot.mean())


def score_frame(frame: Frame, settings: ScoringSettings | None = None) -> FrameScore:
    """Measure one frame: background, stars, streaks, saturation, hot pixels."""
    settings = settings or ScoringSettings()
    whole_numbers = np.issubdtype(frame.raw.dtype, np.integer)
    background = measure_background(frame.pixels, ROUNDING_NOISE_ADU if whole_numbers else 0.0)
    residual = np.where(background.invalid, np.float32(0), frame.pixels - background.level)
    saturated = find_saturated(frame.raw, frame.saturation_adu)
    hot = find_hot_pixels(frame.raw, frame.metadata.bayer_pattern, background, settings.hot_pixel_sigma)
    stars = find_stars(residual, background, saturated, hot, settings.star_sigma)
    streaks = find_streaks(residual, background, hot, stars, settings.streak_sigma)
    return FrameScore(background, stars, tuple(streaks), saturated, hot, residual)
