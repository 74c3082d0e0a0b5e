"""What a model has to pass before it may decide on new nights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nebulift.dataset.leaks import leaks


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many of the same reviewed frames the new and the current model call what a person called them."""

    frames: int
    right: int
    right_of_current: int


def failed_gates(metadata: Mapping[str, Any] | None, comparison: Comparison | None, has_current: bool) -> list[str]:
    """Return what speaks against promoting a model, a sentence each; an empty list if nothing does.

    `metadata` is the description of the dataset it was trained on, None where that is not known. `comparison` holds it
    against the current model on reviewed frames that neither was trained on, None where none were given.
    """
    return [*_leak_gate(metadata), *(_comparison_gate(comparison) if has_current else [])]


def _leak_gate(metadata: Mapping[str, Any] | None) -> Sequence[str]:
    if metadata is None:
        return ["nothing is known of its dataset, so nobody can tell whether it leaks; register it with --dataset"]
    try:
        return [f"its dataset leaks: {leak}" for leak in leaks(metadata)]
    except ValueError as error:
        return [str(error)]


def _comparison_gate(comparison: Comparison | None) -> Sequence[str]:
    if comparison is None or not comparison.frames:
        return [
            "it was not compared with the current model: no reviewed frame that neither was trained on; review some"
            " frames, or give the results and reviews of other nights (--results, --reviews)"
        ]
    if comparison.right < comparison.right_of_current:
        return [
            f"it is worse than the current model: of {comparison.frames} reviewed frames {comparison.right} are right,"
            f" by the current one {comparison.right_of_current}"
        ]
    return []
