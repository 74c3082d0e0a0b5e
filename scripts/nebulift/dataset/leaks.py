"""Whether a dataset leaks: whether anything that validates is a near copy of what trains."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from nebulift.dataset.splits import TRAIN, VAL, SplitRule, moment_us

_MOST_TOLD = 5


def leaks(metadata: Mapping[str, Any]) -> list[str]:
    """Return what leaks in the dataset that a metadata.json describes, a sentence each; an empty list if nothing does.

    A leak is a block on both sides, or a training block with a frame that was taken within the margin of one that
    validates, of whatever night. Frames without a time are compared by the counts in their names, within their night.
    Raises ValueError where the description holds no blocks: by an older version, or none of a dataset.
    """
    try:
        blocks = metadata["blocks"]
        rule = SplitRule(**metadata["split_rule"])
        train, val = ([block for block in blocks if block["side"] == side] for side in (TRAIN, VAL))
        found = [leak for block in train for other in val if (leak := _leak(block, other, rule))]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"the description of the dataset does not tell its blocks ({error!r}); lay the dataset out anew"
        ) from error
    if len(found) > _MOST_TOLD:
        return [*found[:_MOST_TOLD], f"and {len(found) - _MOST_TOLD} more pairs of blocks"]
    return found


def _leak(train: Mapping[str, Any], val: Mapping[str, Any], rule: SplitRule) -> str:
    pair = f"{train['block']} trains and {val['block']} validates"
    if train["block"] == val["block"]:
        return f"the block {train['block']} both trains and validates"
    if train["times"] and val["times"]:
        gap_us = _gap([moment_us(date) for date in train["times"]], [moment_us(date) for date in val["times"]])
        gap = timedelta(microseconds=gap_us)
        if gap <= timedelta(minutes=rule.margin_minutes):
            minutes = gap / timedelta(minutes=1)
            return f"{pair}, {minutes:.3g} minutes apart where the margin is {rule.margin_minutes:g}"
    if train["night"] == val["night"] and train["counts_in_names"] and val["counts_in_names"]:
        apart = _gap(train["counts_in_names"], val["counts_in_names"])
        if apart <= rule.margin_frames:
            return f"{pair}, the counts in their names {apart} apart where the margin is {rule.margin_frames}"
    return ""


def _gap(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how far two ranges [first, last] lie apart, 0 where they overlap."""
    return max(0, other[0] - one[-1], one[0] - other[-1])
