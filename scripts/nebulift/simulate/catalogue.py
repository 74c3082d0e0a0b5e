"""Exposures of the catalogue's set-ups in memory, for judging a grading on frames whose truth is known."""

from dataclasses import replace
from functools import lru_cache

from nebulift.simulate.events import clean_recipe
from nebulift.simulate.exposure import Exposure, expose
from nebulift.simulate.field import Conditions, Field, conditions_at, generator, make_field
from nebulift.simulate.night import READOUT_S
from nebulift.simulate.recipe import FrameRecipe
from nebulift.simulate.set_ups import SetUp
from nebulift.simulate.set_ups_for_development import DEVELOPMENT
from nebulift.simulate.set_ups_for_test import TEST

__all__ = ["HALVES", "SetUp", "clean_exposure", "conditions_of", "exposure_of", "set_ups"]

HALVES = {"development": DEVELOPMENT, "test": TEST}


def set_ups(half: str, width_px: int = 1200, height_px: int = 900) -> tuple[SetUp, ...]:
    """Give the set-ups of the `development` or the `test` half with frames of a size; see `SetUp`.

    Raises ValueError for another half.
    """
    if half not in HALVES:
        raise ValueError(f"there is no half {half!r}: give development or test")
    return tuple(
        replace(entry, camera=replace(entry.camera, width_px=width_px, height_px=height_px)) for entry in HALVES[half]
    )


def clean_exposure(set_up: SetUp, seed: int, index: int) -> Exposure:
    """Expose the clean frame `index` of the night that a seed makes; it wanders as real clean frames do."""
    recipe = replace(clean_recipe(generator(seed, "clean", index)), moon=set_up.sky.moon)
    return exposure_of(set_up, seed, index, recipe)


def exposure_of(set_up: SetUp, seed: int, index: int, recipe: FrameRecipe) -> Exposure:
    """Expose frame `index` of a night by a recipe; stars, pointing and noise are those of the clean frame."""
    return expose(
        _field(set_up, seed),
        set_up.camera,
        set_up.telescope,
        set_up.sky,
        recipe,
        conditions_of(set_up, seed, index),
        set_up.exposure_s,
        generator(seed, "frame", index),
        quick=True,
    )


def conditions_of(set_up: SetUp, seed: int, index: int) -> Conditions:
    """Give the conditions of frame `index`: frames follow each other without a gap."""
    hours = index * (set_up.exposure_s + READOUT_S) / 3600.0
    return conditions_at(seed, index, hours, set_up.telescope, set_up.sky)


@lru_cache(maxsize=2)
def _field(set_up: SetUp, seed: int) -> Field:
    return make_field(seed, set_up.camera, set_up.telescope, set_up.sky, set_up.exposure_s)
