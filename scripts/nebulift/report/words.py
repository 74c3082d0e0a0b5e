"""Plain words for decisions, deciders, reasons and numbers."""

import math
import re

from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE

NOT_CLEAN = (CONTAMINATED, REVIEW, UNREADABLE)
DECISIONS = (CLEAN, *NOT_CLEAN)

MEANING_OF_DECISION = {
    CLEAN: "stack these",
    CONTAMINATED: "leave these out",
    REVIEW: "look at these and decide",
    UNREADABLE: "no picture could be read from these files",
}

DECIDER = {
    "cv": "rules",
    "agreement": "rules and model",
    "model": "model",
    "human": "a person",
    "disagreement": "nobody: rules and model disagree",
    "unsure": "nobody: the model is not sure",
    "audit": "nobody: the label audit doubts the rules",
}

MEANING_OF_REASON = {
    "streak": "a trail crosses the frame: satellite, aircraft or meteor",
    "cloud": "stars dimmed or missing, or an uneven sky: cloud, haze, something in the way",
    "background": "the sky is much brighter than usual: moon, dawn, lights",
    "focus": "stars wider than in the sharper frames: focus, seeing, dew",
    "depth": "faint stars are lost: a bright sky, or little of the stars' light",
    "optics": "stars drawn out differently over the field, or wider on one side: tilt, collimation, dew",
    "tracking": "stars drawn out into lines: tracking, wind, a knock",
    "stars": "almost no stars found",
    "saturation": "too many pixels at the camera's limit",
    "hot pixels": "too many hot pixels",
    "label audit": "frames that look like this one have the other label, so a person has to look",
    "model": "the word of the trained model",
    "disagreement": "rules and model contradict each other, so a person has to look",
    "human": "a person decided so",
    "unreadable": "the file is damaged, empty or holds no image",
    "not named": "no reason was written down",
}

ABSENT = "\N{EN DASH}"
_SURROGATE = re.compile("[\ud800-\udfff]")
# Characters that HTML forbids or swallows become the pictures that Unicode has for them.
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_CONTROL_PICTURES |= dict.fromkeys((*range(0x80, 0xA0), 0xFFFE, 0xFFFF), 0xFFFD)


def displayed(text: str) -> str:
    """Make any text fit for a page: undecodable bytes and control characters become visible signs."""
    return _SURROGATE.sub("\ufffd", text).translate(_CONTROL_PICTURES)


def share(part: int, whole: int) -> str:
    """Give a share in whole percent; only all is 100 % and only none is 0 %."""
    if whole == 0:
        return ABSENT
    percent = 100 * part / whole
    if part and percent < 1:
        return "< 1 %"
    if part < whole and percent > 99:
        return "> 99 %"
    return f"{percent:.0f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Give a number with so many digits behind the point, or a dash where there is none.

    It is cut and not rounded: 0.6999 must not read as the 0.70 that would have been clean.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    scale = 10**digits
    # The sixth digit is the last that tables keep; what lies below it is noise of the binary form.
    return f"{math.floor(round(value * scale, 6)) / scale:.{digits}f}"


def counted(count: int, noun: str) -> str:
    """Give `1 frame`, `2 frames`, `2,000 frames`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
