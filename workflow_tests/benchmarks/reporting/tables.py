"""Tables of Markdown."""

from collections.abc import Sequence

NEAR_AN_END = 0.015


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table with its columns padded to one width; raises ValueError for a row of another length."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    for row in cells:
        if len(row) != len(header):
            raise ValueError(f"{len(row)} cells under {len(header)} headings: {row}")
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def percent(share: float) -> str:
    """Return a share (0 to 1) in percent, with more digits near 0 and 100, and as many as tell it from them."""
    for digits in (2, 3) if min(share, 1 - share) < NEAR_AN_END else (1,):
        text = f"{100 * share:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            break
    else:
        text = f"{100 * share:.3g}"
    return f"{text} %"


def held(is_held: bool) -> str:
    """Return the word for a target that was or was not reached."""
    return "held" if is_held else "missed"
