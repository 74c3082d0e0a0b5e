"""Plots of one look."""

from pathlib import Path
from typing import Any


def axes(x: str, y: str) -> tuple[Any, Any]:
    """Return an empty figure and its axes, labelled."""
    # Not pyplot: it would look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    plot.set_xlabel(x)
    plot.set_ylabel(y)
    plot.grid(alpha=0.3)
    return figure, plot


def save(figure: Any, folder: Path, name: str) -> str:
    """Write a figure as PNG into a folder; return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    # Without date and version the same values give the same bytes.
    figure.savefig(folder / name, dpi=90, metadata={"Software": None})
    return name
