"""Pictures of a training: its epochs, and how good its model is."""

import io
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nebulift.model.description import CLASSES
from nebulift.model.epochs import EpochRow

HISTORY_PLOT, METRICS_PLOT = "history.png", "metrics.png"

_INK, _FAINT, _AXIS = "#2b3640", "#d9dee3", "#9aa5b1"
_BLUE, _ORANGE = "#0072b2", "#c4450c"  # after Okabe and Ito 2008
_MOST_BARS = 14
_DPI = 110


def draw_history(history: Sequence[EpochRow]) -> bytes:
    """Return a PNG of the loss and the accuracy in each epoch; the same rows give the same bytes."""
    with _figure(9.4, 3.4) as (figure, drawn):
        if not history:
            _say(figure, "No epoch was trained.")
            return drawn()
        loss, right = figure.subplots(1, 2)
        epochs = [row.epoch for row in history]
        for axis, title, curves in (
            (loss, "Loss", ("train_loss", "val_loss")),
            (right, "Share of the frames right", ("train_accuracy", "val_accuracy")),
        ):
            for curve, name, colour in zip(curves, ("training", "validation"), (_BLUE, _ORANGE), strict=True):
                axis.plot(
                    epochs, [getattr(row, curve) for row in history], "o-", color=colour, label=name, markersize=3.5
                )
            _dress(axis, title)
            axis.set_xlabel("epoch", color=_INK)
            axis.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            _phases(axis, history)
        loss.set_ylim(bottom=0)
        right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        loss.legend(frameon=False, labelcolor=_INK, loc="upper right")
        return drawn()


def draw_metrics(metrics: Mapping[str, Any]) -> bytes:
    """Return a PNG of metrics.json: confusion matrix, reliability diagram, accuracy per reason and per night."""
    if not metrics["trained"]:
        with _figure(9.4, 1.6) as (figure, drawn):
            _say(figure, f"No model: {metrics['reason']}")
            return drawn()
    groups = [
        (title, bars) for title, key in (("Reason", "reasons"), ("Night", "nights")) if (bars := _bars(metrics[key]))
    ]
    bar_height = 0.9 + 0.26 * max((len(bars) for _, bars in groups), default=0)
    with _figure(9.4, 3.9 + (0.5 + bar_height if groups else 0)) as (figure, drawn):
        grid = figure.add_gridspec(2 if groups else 1, 2, height_ratios=[3.4, bar_height] if groups else None)
        _confusion(figure.add_subplot(grid[0, 0]), metrics["confusion_matrix"])
        _reliability(figure.add_subplot(grid[0, 1]), metrics)
        for column, (title, bars) in enumerate(groups):
            _accuracies(figure.add_subplot(grid[1, column]), title, bars)
        return drawn()


def _confusion(axis: Axes, matrix: Mapping[str, int]) -> None:
    counts = [[matrix[f"{label}_called_{called}"] for called in CLASSES] for label in CLASSES]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1.25)
    for row in range(len(CLASSES)):
        for column in range(len(CLASSES)):
            share, count = shares[row][column], counts[row][column]
            axis.text(
                column, row, f"{count:,}\n{100 * share:.1f} %", ha="center", va="center",
                color="white" if share > 0.6 else _INK, fontsize=9.5,
            )  # fmt: skip
    axis.set_xticks(range(len(CLASSES)), [f"called {name}" for name in CLASSES])
    axis.set_yticks(range(len(CLASSES)), CLASSES, rotation=90, va="center")
    axis.set_title("Validation frames by label and call (share of the label)", loc="left", fontsize=10, color=_INK)
    axis.tick_params(length=0, colors=_INK)
    axis.spines[:].set_visible(False)


def _reliability(axis: Axes, metrics: Mapping[str, Any]) -> None:
    bins = metrics["reliability"]
    most = max(one["frames"] for one in bins)
    axis.plot([0, 1], [0, 1], color=_AXIS, linewidth=1, linestyle="--")
    axis.scatter(
        [one["mean_p_clean"] for one in bins],
        [one["share_clean"] for one in bins],
        s=[18 + 160 * one["frames"] / most for one in bins],
        color=_BLUE,
        alpha=0.75,
        linewidths=0,
        clip_on=False,
        zorder=3,
    )
    _dress(axis, f"Reliability (calibration error {metrics['expected_calibration_error']:.3f})")
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axis.set_xlabel("mean probability of clean (larger dot, more frames)", color=_INK)
    axis.set_ylabel("share that is clean", color=_INK)


def _accuracies(axis: Axes, title: str, bars: Sequence[tuple[str, int, float]]) -> None:
    names = [f"{_short(name)} ({frames:,})" for name, frames, _ in bars]
    axis.barh(names, [share for *_, share in bars], color=_BLUE, height=0.6)
    for place, (*_, share) in enumerate(bars):
        inside = share > 0.2
        side, colour = ("right", "white") if inside else ("left", _INK)
        at = share + (-0.01 if inside else 0.01)
        axis.text(at, place, f"{100 * share:.1f} %", va="center", ha=side, color=colour)
    _dress(axis, f"{title} (frames): share right")
    axis.set_ylim(len(bars) - 0.4, -0.6)
    axis.set_xlim(0, 1)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _bars(groups: Mapping[str, Mapping[str, float]]) -> list[tuple[str, int, float]]:
    """Return name, frames and share right of the groups with the most frames, in the order of their names."""
    known = [(name, int(of["frames"]), float(of["accuracy"])) for name, of in groups.items()]
    return sorted(sorted(known, key=lambda one: (-one[1], one[0]))[:_MOST_BARS])


def _phases(axis: Axes, history: Sequence[EpochRow]) -> None:
    """Mark where a phase of the training begins with its name."""
    for before, row in zip([None, *history], history, strict=False):
        if before is None or before.phase != row.phase:
            if before is not None:
                axis.axvline(row.epoch - 0.5, color=_AXIS, linewidth=0.8)
            axis.annotate(
                row.phase, (row.epoch - 0.4, 0.02), xycoords=("data", "axes fraction"), fontsize=8, color=_INK
            )


def _dress(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=10, color=_INK)
    axis.grid(True, color=_FAINT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_AXIS)
    axis.tick_params(colors=_INK, length=3)


def _say(figure: Figure, sentence: str) -> None:
    figure.text(0.5, 0.5, "\n".join(textwrap.wrap(sentence, 90)), ha="center", va="center", color=_INK)


def _short(name: str) -> str:
    shown = name if len(name) <= 22 else f"{name[:21]}…"
    return shown.replace("$", r"\$")  # no formula


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Callable[[], bytes]]]:
    """Give an empty figure, in inches, and what returns it as PNG."""
    with matplotlib.rc_context():
        # A person's own matplotlibrc must not change the pictures.
        matplotlib.style.use("default")
        matplotlib.rcParams["font.size"] = 9
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)

        def drawn() -> bytes:
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
            return content.getvalue()

        yield figure, drawn
