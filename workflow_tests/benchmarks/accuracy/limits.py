"""The limits of the default configuration, as the labels apply them."""

from functools import cache

from nebulift.config import complete_config
from nebulift.labels.checks import limit_at
from nebulift.stages.label import LabelSettings


@cache
def label_settings() -> LabelSettings:
    """Return how labels are given by default."""
    return LabelSettings.from_config(complete_config({})["label"])


@cache
def streak_limits() -> tuple[float, float]:
    """Return the significance from which on a trail makes a frame not clean, and contaminated."""
    settings = label_settings()
    limits = settings.limits["streak_significance"]
    return limit_at(settings.thresholds.clean, limits), limit_at(settings.thresholds.contaminated, limits)
