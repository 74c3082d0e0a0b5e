"""The time-line of a night: star count, FWHM, sky level and quality score of each frame."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW, UNREADABLE
from nebulift.report.graded import GradedFrame

LONGEST_NIGHT = timedelta(hours=36)
"""Frames that lie further apart are drawn one beside the other: a folder of several nights has no one time axis."""

_INK, _FAINT = "#2b3640", "#d9dee3"
_CROWD = 400  # with more frames the signs shrink, so that they do not hide each other
_LEAST_MARGIN_DAYS = 2 / 1440
_FOOT = 0.06  # share of a panel's height
_LARGE_RANGE = 8.0  # from here on a sky level is drawn on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Marker:
    """How frames of a decision are drawn: told apart by shape, lightness and colour (after Okabe and Ito 2008)."""

    shape: str
    colour: str
    edge: str
    size: float
    order: int


MARKERS = {
    CLEAN: Marker("o", "#0072b2", "none", 3.4, 2),
    REVIEW: Marker("D", "#f0b429", "#6b4a00", 5.2, 3),
    CONTAMINATED: Marker("X", "#c4450c", "#4d1a00", 6.6, 4),
    UNREADABLE: Marker("|", "#20262c", "#20262c", 9.0, 5),
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawn time-line: the SVG, what it shows in words, and how many frames are left out for want of a time."""

    svg: str
    words: str
    left_out: int


Measure = Callable[[GradedFrame], float | None]


def draw_timeline(frames: Sequence[GradedFrame]) -> Timeline | None:
    """Draw the frames of one night, in capture order; None where nothing was measured on any of them.

    The same frames give the same bytes.
    """
    places, by_time = _places(frames)
    drawn = [(place, frame) for place, frame in zip(places, frames, strict=True) if place is not None]
    panels = [
        (name, measure)
        for name, measure in (
            ("Star count", _star_count),
            ("FWHM (pixels)", _fwhm),
            _sky_level(frames),
            ("Quality score (1 is best)", _quality),
        )
        if any(measure(frame) is not None for _, frame in drawn)
    ]
    if not panels:
        return None
    with matplotlib.rc_context():
        # A person's own matplotlibrc must not change the report.
        matplotlib.style.use("default")
        matplotlib.rcParams.update({"svg.hashsalt": "nebulift", "svg.fonttype": "path", "font.size": 9})
        figure = _figure(drawn, panels, by_time)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", dpi=160, metadata=nothing)
    return Timeline(text.getvalue(), _words(drawn, panels, by_time), len(frames) - len(drawn))


def _figure(drawn: Sequence[tuple[float, GradedFrame]], panels: Sequence[tuple[str, Measure]], by_time: bool) -> Figure:
    height = 1.15 * len(panels) + 0.9
    figure = Figure(figsize=(9.4, height))
    FigureCanvasSVG(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.052, right=0.99, top=1 - 0.55 / height, bottom=0.5 / height, hspace=0.38)
    for axis, (name, measure) in zip(axes, panels, strict=True):
        _panel(axis, name, measure, drawn)
    if by_time:
        axes[-1].xaxis.set_major_locator(AutoDateLocator(tz=UTC, minticks=4, maxticks=10))
        axes[-1].xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))
        first, last = min(place for place, _ in drawn), max(place for place, _ in drawn)
        margin = max(0.02 * (last - first), _LEAST_MARGIN_DAYS)
        axes[-1].set_xlim(first - margin, last + margin)
        axes[-1].set_xlabel("UTC", color=_INK)
    else:
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes[-1].set_xlim(0, len(drawn) + 1)
        axes[-1].set_xlabel("frame, in capture order", color=_INK)
    present = [decision for decision in MARKERS if any(frame.decision == decision for _, frame in drawn)]
    figure.legend(
        [_key(MARKERS[decision]) for decision in present],
        present,
        loc="upper left",
        ncols=len(present),
        frameon=False,
        bbox_to_anchor=(0.035, 1.0),
        labelcolor=_INK,
    )
    return figure


def _panel(axis: Axes, name: str, measure: Measure, drawn: Sequence[tuple[float, GradedFrame]]) -> None:
    axis.set_title(name, loc="left", fontsize=9.5, color=_INK, pad=4)
    axis.grid(True, color=_FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.margins(x=0.02, y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#9aa5b1")
    axis.tick_params(colors=_INK, length=3)
    values = [value for _, frame in drawn if (value := measure(frame)) is not None]
    if measure is _quality:
        axis.set_ylim(-0.06, 1.06)
        axis.set_yticks([0, 0.5, 1])
    elif measure is _star_count:
        top = max(1.12 * max(values), 1.0)
        axis.set_ylim(-0.05 * top, top)
    elif measure is not _fwhm and min(values) > 0 and max(values) > _LARGE_RANGE * min(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.minorticks_off()
    scale = min(1.0, max(0.5, math.sqrt(_CROWD / len(drawn))))
    for decision, marker in MARKERS.items():
        chosen = [(place, frame) for place, frame in drawn if frame.decision == decision]
        points = [(place, value) for place, frame in chosen if (value := measure(frame)) is not None]
        style = _style(marker, scale)
        if decision == UNREADABLE:  # nothing was measured: a mark on the axis says when
            points = [(place, _FOOT) for place, _ in chosen]
            style |= {"transform": axis.get_xaxis_transform()}
        if points:
            # As points of an image: thousands of frames would make megabytes of drawn shapes.
            axis.plot(*zip(*points, strict=True), rasterized=True, **style)


def _style(marker: Marker, scale: float) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": marker.shape,
        "markersize": marker.size * scale,
        "markerfacecolor": marker.colour,
        "markeredgecolor": marker.edge,
        "markeredgewidth": 1.6 if marker.shape == "|" else 0.7,
        "zorder": marker.order,
    }


def _key(marker: Marker) -> Line2D:
    return Line2D([], [], **_style(marker, 1.0))


def _places(frames: Sequence[GradedFrame]) -> tuple[list[float | None], bool]:
    """Return where along the axis each frame lies (None: nowhere), and whether that is a time."""
    times = [frame.time for frame in frames if frame.time is not None]
    if not times or max(times) - min(times) > LONGEST_NIGHT or len(times) < len(frames) / 2:
        return [float(index) for index in range(1, len(frames) + 1)], False
    return [None if frame.time is None else _day_number(frame.time) for frame in frames], True


def _day_number(moment: datetime) -> float:
    return float(date2num(moment))


def _words(drawn: Sequence[tuple[float, GradedFrame]], panels: Sequence[tuple[str, Measure]], by_time: bool) -> str:
    ranges = []
    for name, measure in panels:
        values = [value for _, frame in drawn if (value := measure(frame)) is not None]
        ranges.append(f"{name} {min(values):.3g} to {max(values):.3g}")
    axis = "time" if by_time else "capture order"
    return f"{len(drawn)} frames against {axis}: {'; '.join(ranges)}."


def _star_count(frame: GradedFrame) -> float | None:
    return frame.star_count


def _fwhm(frame: GradedFrame) -> float | None:
    return frame.fwhm_px


def _background_ratio(frame: GradedFrame) -> float | None:
    return frame.background_ratio


def _background_of_saturation(frame: GradedFrame) -> float | None:
    return frame.background_of_saturation


def _quality(frame: GradedFrame) -> float | None:
    return frame.quality_score


def _sky_level(frames: Sequence[GradedFrame]) -> tuple[str, Measure]:
    """Prefer the level against the group's; frames that were compared with no group have only the absolute one."""
    compared = sum(frame.background_ratio is not None for frame in frames)
    absolute = sum(frame.background_of_saturation is not None for frame in frames)
    if compared and compared >= absolute / 2:
        return "Sky level (against the group's)", _background_ratio
    return "Sky level (share of saturation)", _background_of_saturation
