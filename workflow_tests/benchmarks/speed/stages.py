"""Where the time goes: the library's own functions, clocked from outside, summed by the module they come from."""

import functools
import inspect
import time
from collections import defaultdict
from collections.abc import Callable, MutableMapping
from types import ModuleType
from typing import Any

JOINTS = ("nebulift.stages.score", "nebulift.scoring.score", "nebulift.frames.reading")
"""Modules that join others: each function of another module which they call is clocked."""
OTHER = "joining them"
_NAMES = {
    "frames.reading": "read: checks",
    "frames.fits": "read: file to pixels",
    "frames.luminance": "luminance",
    "frames.saturation": "read: saturation level",
    "dataset.preview": "preview",
    "stages.score": OTHER,
    "scoring.score": OTHER,
}


def clocked_stages() -> MutableMapping[str, float]:
    """Clock the functions from now on; return the seconds by stage, which grow as frames are measured.

    What a function calls that is clocked itself counts there alone, so the seconds add up to the whole.
    """
    from importlib import import_module

    seconds: MutableMapping[str, float] = defaultdict(float)
    inner: list[float] = [0.0]
    for name in JOINTS:
        module = import_module(name)
        for attribute, function in _borrowed(module):
            setattr(module, attribute, _clocked(function, stage_of(function.__module__), seconds, inner))
    return seconds


def stage_of(module: str) -> str:
    """Return the name of the stage that a module of the library is."""
    place = module.removeprefix("nebulift.")
    return _NAMES.get(place, place.rpartition(".")[2].replace("_", " "))


def _borrowed(module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """List the library's functions, by name, that a module takes from others."""
    return [
        (name, value)
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__.startswith("nebulift.")
        and value.__module__ not in (module.__name__, "nebulift.tables", "nebulift.files")
    ]


def _clocked(
    function: Callable[..., Any], stage: str, seconds: MutableMapping[str, float], inner: list[float]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def clocked(*arguments: Any, **named: Any) -> Any:
        inner.append(0.0)
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            whole = time.perf_counter() - begun
            seconds[stage] += whole - inner.pop()
            inner[-1] += whole

    return clocked
