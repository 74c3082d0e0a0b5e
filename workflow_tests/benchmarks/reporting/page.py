"""RESULTS.md: sections that benchmarks write, each rewritten by the command that measures it."""

from pathlib import Path

from nebulift.files import write_text

BENCHMARKS = Path(__file__).parents[1]
RESULTS = BENCHMARKS / "RESULTS.md"
SECTIONS = ("accuracy", "training", "scaling", "speed", "night", "season", "watch", "plans", "kills", "pi")
_HEAD = "# Results of the benchmarks\n\nWritten by the commands in this folder; not by hand.\n"


def write_section(page: Path, name: str, text: str) -> None:
    """Put `text` in place of the section `name` of a page; the others stay as they are."""
    if name not in SECTIONS:
        raise ValueError(f"{name}: a section is one of {', '.join(SECTIONS)}")
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    texts = {section: _section(before, section) for section in SECTIONS} | {name: text.strip("\n")}
    parts = [f"{_start(section)}\n{texts[section]}\n{_end(section)}\n" for section in SECTIONS if texts[section]]
    write_text(page, "\n".join([_HEAD, *parts]))


def _section(page: str, name: str) -> str:
    """Return the text between the marks of a section, "" where it is not there."""
    _, start, rest = page.partition(_start(name) + "\n")
    text, end, _ = rest.partition("\n" + _end(name))
    return text if start and end else ""


def _start(name: str) -> str:
    return f"<!-- {name} -->"


def _end(name: str) -> str:
    return f"<!-- end of {name} -->"
