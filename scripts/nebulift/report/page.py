"""The page: what the tables say, laid out as HTML that needs nothing but itself."""

import base64
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from nebulift.labels.verdict import CLEAN
from nebulift.report.graded import (
    GradedFrame,
    Night,
    decider_counts,
    decision_counts,
    group_counts,
    pictured,
    reason_counts,
)
from nebulift.report.model_words import describe_model
from nebulift.report.thumbnails import Thumbnail
from nebulift.report.timeline import MARKERS, Timeline, draw_timeline
from nebulift.report.words import (
    ABSENT,
    DECIDER,
    DECISIONS,
    MEANING_OF_DECISION,
    MEANING_OF_REASON,
    NOT_CLEAN,
    counted,
    displayed,
    number,
    share,
)

Pictures = Mapping[tuple[str, str], tuple[Thumbnail, ...]]
"""The pictures of a frame, by names of night and frame."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The frames of one decision: those shown with pictures, and the rest."""

    decision: str
    shown: Sequence[GradedFrame]
    more: Sequence[GradedFrame]


@dataclass(frozen=True, slots=True)
class NightSection:
    """What the template needs to know of one night."""

    night: Night
    timeline: Timeline | None
    listed: Sequence[Listed]


def render_page(
    nights: Sequence[Night],
    metrics: Mapping[str, Any] | None,
    pictures: Pictures,
    *,
    title: str,
    most_pictures: int,
    plots: Sequence[tuple[bytes, str]] = (),
) -> str:
    """Return the page as text; the same arguments give the same text.

    `pictures` holds those of the frames that `frames_to_picture` chooses; a frame that has none there is shown without.
    `plots` are pictures of the training, each a PNG with the words for it.
    """
    frames = list(chain.from_iterable(night.frames for night in nights))
    asked = sum(frame.p_clean is not None for frame in frames)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            counts=decision_counts(frames),
            total=len(frames),
            asked=asked,
            causes=reason_counts(frames),
            sections=[_section(night, most_pictures) for night in nights],
            model=describe_model(metrics, asked, len(frames)),
            plots=[(_png_address(plot), words) for plot, words in plots],
            deciders=decider_counts(frames),
            pictures=pictures,
            group_counts=group_counts,
            reason_counts=reason_counts,
        )
    )


def frames_to_picture(night: Night, most: int) -> list[GradedFrame]:
    """Return the frames of a night that the page shows with pictures: at most so many of each decision."""
    return [frame for decision in NOT_CLEAN for frame in pictured(night.of(decision), most)]


def _section(night: Night, most: int) -> NightSection:
    listed = []
    for decision in NOT_CLEAN:
        members = night.of(decision)
        shown = pictured(members, most)
        chosen = {frame.name for frame in shown}
        listed.append(Listed(decision, shown, [frame for frame in members if frame.name not in chosen]))
    return NightSection(night, draw_timeline(night.frames), listed)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_fit_for_page,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "counted": counted, "image": _svg_address, "moment": _moment}
    environment.globals |= {
        "share": share,
        "CLEAN": CLEAN,
        "ABSENT": ABSENT,
        "DECISIONS": DECISIONS,
        "NOT_CLEAN": NOT_CLEAN,
        "DECIDER": DECIDER,
        "MARKERS": MARKERS,
        "MEANING_OF_DECISION": MEANING_OF_DECISION,
        "MEANING_OF_REASON": MEANING_OF_REASON,
    }
    return environment


def _fit_for_page(value: object) -> object:
    """Whatever a template prints passes here, so no name can bring a sign that breaks the page."""
    return displayed(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _svg_address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


def _png_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _moment(frame: GradedFrame) -> str:
    return "" if frame.time is None else f"{frame.time:%Y-%m-%d %H:%M:%S}"
