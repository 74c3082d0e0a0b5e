"""The section on speed: what was measured as tables, each with its target and whether it holds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.reporting.tables import held, markdown_table

MIB = 1024**2
MOST_MEMORY = 6.0  # times the frame as float32
MOST_AT_61_MPIX = 1200.0  # MB
STEEPEST = 1.1  # exponent of the growth with the number of pixels: 1 is linear
SMALLEST_MPIX = 4.0  # below, what every frame needs of time outweighs its pixels
SMALLEST_FOR_MEMORY_MPIX = 15.0  # below, what every process needs of memory outweighs six times the frame
GROWTH = 1.02  # of the memory from the 100th of 1,000 frames to the last


@dataclass
class Timing:
    """Wall and CPU seconds of repetitions."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, wall: float, cpu: float) -> None:
        """Take one more repetition."""
        self.wall.append(wall)
        self.cpu.append(cpu)

    def row(self) -> list[str]:
        """Return best and median wall and CPU seconds as text."""
        return [
            f"{value:.2f}" for seconds in (self.wall, self.cpu) for value in (min(seconds), statistics.median(seconds))
        ]


def text_of(measured: Mapping[str, Any], about: str) -> str:
    """Return the section as Markdown; `about` says what it was measured with."""
    parts = ["## Speed", about.strip("\n"), *_compared(measured), *_profile(measured), *_sizes(measured["sizes"])]
    return "\n\n".join(part.strip("\n") for part in [*parts, *_flat(measured["flat"])]) + "\n"


def _compared(measured: Mapping[str, Any]) -> list[str]:
    compared = measured["compared"]
    ours, theirs, siril = compared["ours"], compared["theirs"], measured["siril"]
    rows = [["Nebulift: read, all metrics, stars, preview", *ours.row(), compared["stars"]["ours"]]]
    targets = []
    if theirs.wall:
        rows.append(["source-extractor, its catalogue", *theirs.row(), compared["stars"]["theirs"]])
        best, median = (of(ours.wall) / of(theirs.wall) for of in (min, statistics.median))
        figure = f"{best:.2f} (best), {median:.2f} (median)"
        targets.append(["wall time over source-extractor's", figure, "at most 1", held(max(best, median) <= 1)])
        targets.append(["the same, stretch", figure, "at most 0.5", held(max(best, median) <= 0.5)])
    else:
        targets.append(["wall time over source-extractor's", "not installed", "at most 1", "not measured"])
    if siril is not None:
        rows.append(["Siril, convert and register, per frame", *siril.row(), ""])
        ratio = min(ours.cpu) / min(siril.cpu)
        targets.append(["CPU time over Siril's", f"{ratio:.2f}", "at most 0.5", held(ratio <= 0.5)])
    else:
        targets.append(["CPU time over Siril's", "not installed", "at most 0.5", "not measured"])
    header = ["one frame", "wall best (s)", "wall median (s)", "CPU best (s)", "CPU median (s)", "sources"]
    return [
        f"### A frame of {compared['pixels'] / 1e6:.1f} million pixels",
        markdown_table(header, rows),
        markdown_table(["figure", "measured", "target", ""], targets),
        f"Each time in a new process, after a small frame has warmed it up. Starting that process takes"
        f" {compared['start']:.1f} s more, once for a job of many frames.",
    ]


def _profile(measured: Mapping[str, Any]) -> list[str]:
    profile = measured["profile"]
    whole = statistics.fmean(profile["wall_s"])
    stages = dict(profile["stages_s"])
    stages["writing the preview, the rest"] = max(0.0, whole - sum(stages.values()))
    rows = [
        [name, f"{seconds:.3f}", f"{100 * seconds / whole:.0f} %"]
        for name, seconds in sorted(stages.items(), key=lambda stage: -stage[1])
    ]
    rows += [["whole", f"{whole:.3f}", "100 %"], ["merely to read the file's bytes", f"{profile['read_s']:.3f}", ""]]
    return [
        f"### Where the time goes, mean of {len(profile['wall_s'])} frames of that size",
        markdown_table(["stage", "seconds", "share"], rows),
    ]


def _sizes(sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    rows, targets = [], []
    for size in sizes:
        as_float32 = size["pixels"] * 4 / MIB
        seconds, times = min(size["wall_s"]), size["peak_mib"] / as_float32
        mpix, megabytes = size["pixels"] / 1e6, size["peak_mib"] * MIB / 1e6
        per_mpix = 1000 * seconds / mpix
        rows.append([f"{mpix:.1f}", size["stars"], f"{seconds:.2f}", f"{per_mpix:.0f}"])
        rows[-1] += [f"{megabytes:.0f}", f"{times:.1f}", f"{size['base_mib'] * MIB / 1e6:.0f}"]
        if mpix >= SMALLEST_FOR_MEMORY_MPIX:
            name = f"peak memory at {mpix:.1f} Mpix over its float32 size"
            targets.append([name, f"{times:.1f}", f"at most {MOST_MEMORY:g}", held(times <= MOST_MEMORY)])
        if 55 <= mpix <= 65:
            name = f"peak memory at {mpix:.1f} Mpix"
            limit = f"under {MOST_AT_61_MPIX:.0f} MB"
            targets.append([name, f"{megabytes:.0f} MB", limit, held(megabytes < MOST_AT_61_MPIX)])
    exponent = growth_exponent([(size["pixels"], min(size["wall_s"])) for size in sizes])
    if exponent is not None:
        figure = f"pixels to the power of {exponent:.2f}"
        targets.append(["growth of the time from 4 Mpix on", figure, f"at most {STEEPEST}", held(exponent <= STEEPEST)])
    header = ["Mpix", "stars", "wall (s)", "ms per Mpix", "peak memory (MB)", "over float32", "before the frame (MB)"]
    return [
        "### Sizes",
        markdown_table(header, rows),
        *([markdown_table(["figure", "measured", "target", ""], targets)] if targets else []),
    ]


def growth_exponent(timed: Sequence[tuple[int, float]]) -> float | None:
    """Return the power of the number of pixels that the seconds grow with; None for fewer than two large sizes."""
    large = [(math.log(pixels), math.log(seconds)) for pixels, seconds in timed if pixels >= SMALLEST_MPIX * 0.95e6]
    if len(large) < 2:
        return None
    return statistics.linear_regression([x for x, _ in large], [y for _, y in large]).slope


def _flat(memory: Sequence[float]) -> list[str]:
    if not memory:
        return []
    first = min(100, len(memory) // 2)
    before, after = memory[first - 1], memory[-1]
    figure = f"{before:.0f} MiB after {first}, {after:.0f} MiB after {len(memory)}"
    row = ["resident memory over many frames", figure, f"grows by at most {100 * (GROWTH - 1):.0f} %"]
    return [
        "### Many frames",
        markdown_table(["figure", "measured", "target", ""], [[*row, held(after <= GROWTH * before)]]),
    ]
