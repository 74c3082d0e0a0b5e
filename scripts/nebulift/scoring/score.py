"""Everything that the pixels of one frame say, from one pass over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nebulift.frames.frame import Frame
from nebulift.scoring.background import ROUNDING_NOISE_ADU, Background, measure_background
from nebulift.scoring.hot_pixels import find_hot_pixels, is_spoilt_by, number_below
from nebulift.scoring.saturation import find_saturated
from nebulift.scoring.search_image import make_search_image
from nebulift.scoring.stars import Stars, find_stars, star_image
from nebulift.scoring.streaks import Streak, find_lines

_COARSE_NOISE_ADU = 2.0  # below it whole numbers are smeared over their rounding


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
    """What was measured on one frame.

    `saturated` is a mask of the frame's shape (height, width), `residual` the frame without its background and hot
    pixels in ADU, of that shape; `hot_places` (n,) are the hot pixels as row * width + column, ascending.
    For `doubtful_lines` and `other_lines` see `Lines`.
    """

    background: Background
    stars: Stars
    streaks: tuple[Streak, ...]
    doubtful_lines: tuple[Streak, ...]
    other_lines: tuple[Streak, ...]
    saturated: NDArray[np.bool_]
    hot_places: NDArray[np.int64]
    residual: NDArray[np.float32]
    dead_fraction: float
    """Share of the pixels that stand as far below the sky as a hot pixel stands above it, 0 to 1."""

    @property
    def saturated_fraction(self) -> float:
        """Share of the pixels that are saturated, 0 to 1."""
        return int(np.count_nonzero(self.saturated)) / self.saturated.size

    @property
    def hot(self) -> NDArray[np.bool_]:
        """The mask (height, width) of hot pixels."""
        mask = np.zeros(self.residual.shape, dtype=bool)
        mask.ravel()[self.hot_places] = True
        return mask

    @property
    def hot_pixel_fraction(self) -> float:
        """Share of the pixels that are hot, 0 to 1."""
        return len(self.hot_places) / self.residual.size


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is made of a frame by its raw values, which are not needed any more then; see `FrameScore`."""

    background: Background
    saturated: NDArray[np.bool_]
    hot_places: NDArray[np.int64]
    residual: NDArray[np.float32]


def score_frame(frame: Frame, settings: ScoringSettings | None = None) -> FrameScore:
    """Measure one frame, which is left as it is: background, stars, streaks, saturation, hot pixels."""
    return score_prepared(prepare_frame(frame, settings), settings)


def prepare_frame(frame: Frame, settings: ScoringSettings | None = None, in_place: bool = False) -> Prepared:
    """Take background and hot pixels from a frame.

    With `in_place` the residual takes the place of `frame.pixels`. Who then lets go of the frame before going on with
    `score_prepared` saves half of the memory.
    """
    settings = settings or ScoringSettings()
    whole_numbers = np.issubdtype(frame.raw.dtype, np.integer)
    background = measure_background(frame.pixels, ROUNDING_NOISE_ADU if whole_numbers else 0.0)
    residual = background.residual(frame.pixels, in_place)
    if whole_numbers and background.noise_adu < _COARSE_NOISE_ADU:
        # Medians of few different numbers jump by a whole one.
        residual += np.random.default_rng(0).random(residual.shape, dtype=np.float32) - np.float32(0.5)
    bayer_pattern = frame.metadata.bayer_pattern
    hot = find_hot_pixels(frame.raw, residual, bayer_pattern, background, settings.hot_pixel_sigma)
    # From here on they are sky.
    residual.flat[is_spoilt_by(hot, residual.shape[1], bayer_pattern)] = 0
    return Prepared(background, find_saturated(frame.raw, frame.saturation_adu), hot, residual)


def score_prepared(prepared: Prepared, settings: ScoringSettings | None = None) -> FrameScore:
    """Measure stars and streaks of a prepared frame."""
    settings = settings or ScoringSettings()
    background, residual, saturated = prepared.background, prepared.residual, prepared.saturated
    image, binning = star_image(residual)
    stars = find_stars(residual, image, binning, background, saturated, settings.star_sigma)
    search = make_search_image(residual, background.invalid, saturated, image, binning, stars, background.noise_adu)
    lines = find_lines(search, settings.streak_sigma)
    too_dark = np.float32(-settings.hot_pixel_sigma * background.noise_adu)
    dead = number_below(residual, too_dark) / residual.size
    return FrameScore(
        background,
        stars,
        lines.streaks,
        lines.doubtful,
        lines.others,
        saturated,
        prepared.hot_places,
        residual,
        dead,
    )
