"""The section on seasons: what was measured as tables, each with its target and whether it holds."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.reporting.tables import held, markdown_table
from benchmarks.season.kills import Kills
from benchmarks.season.watching import Landings

MIB = 1024**2
MOST_OVER_THE_LOOP = 1.10
MOST_IDLE_S = 5.0
MOST_APPENDED_S = 15.0
MOST_MEMORY_MB = 400.0
MOST_LANDED_S = 10.0
DECADE = 10_000_000


def sections(measured: Mapping[str, Any], about: str) -> dict[str, str]:
    """Return the sections that were measured, by name, as Markdown; `about` says what they were measured with."""
    season = [*_season(measured["season"]), *_slurm(measured["slurm"])]
    parts = {
        "night": ("## A night beside the bare scorer", _targets(_night(measured["night"]))),
        "season": ("## Seasons", _targets(season)),
        "watch": ("## A night that is watched", _targets(_watch(measured["watch"]))),
        "plans": ("## Plans of long seasons", [*_plan(measured["plan"]), *_merge(measured["merge"])]),
        "kills": ("## Killed again and again", _kills(measured["kills"])),
    }
    return {
        name: "\n\n".join(part.strip("\n") for part in (title, about, *some)) + "\n"
        for name, (title, some) in parts.items()
        if some
    }


def _targets(rows: list[list[str]]) -> list[str]:
    return [markdown_table(["figure", "measured", "target", ""], rows)] if rows else []


def _night(night: Mapping[str, Any] | None) -> list[list[str]]:
    if night is None:
        return []
    ratios = [whole / bare for whole, bare in zip(night["whole_s"], night["bare_s"], strict=True)]
    ratio = statistics.median(ratios)
    what = f"a night of {night['frames']} frames of {night['mpix']:g} Mpix in {night['chunks']} chunks to its labels"
    seconds = f"{statistics.median(night['whole_s']):.1f} s against {statistics.median(night['bare_s']):.1f} s"
    return [
        [
            f"{what}, --cores 2, over the bare scorer in two loops",
            f"{ratio:.2f} x ({seconds}; {len(ratios)} times)",
            f"at most {MOST_OVER_THE_LOOP:.2f} x",
            held(ratio <= MOST_OVER_THE_LOOP),
        ]
    ]


def _season(season: Mapping[str, Any] | None) -> list[list[str]]:
    if season is None:
        return []
    idle, appended, number = statistics.median(season["idle_s"]), season["appended"], f"{season['frames']:,} frames"
    peak_mb = season["peak_mib"] * MIB / 1e6
    first = season["first"]
    return [
        [f"nothing to do over {number}", f"{idle:.1f} s", f"{MOST_IDLE_S:g} s", held(idle <= MOST_IDLE_S)],
        [
            f"one frame more than {number}, until its label is in labels.tsv (1 frame scored)",
            f"{appended.wall_s:.1f} s",
            f"{MOST_APPENDED_S:g} s",
            held(appended.wall_s <= MOST_APPENDED_S),
        ],
        [
            f"most memory of the main process, {number}",
            f"{peak_mb:.0f} MB",
            f"{MOST_MEMORY_MB:g} MB",
            held(peak_mb <= MOST_MEMORY_MB),
        ],
        [
            f"{number} of 0.03 Mpix in {season['nights']} nights graded, {season['jobs']} jobs, --cores 2",
            f"{first.wall_s:.0f} s, {season['frames'] / first.wall_s:.0f} frames/s",
            "",
            "",
        ],
    ]


def _watch(landings: Landings | None) -> list[list[str]]:
    if landings is None:
        return []
    most = max(landings.seconds)
    return [
        [
            f"`nebulift watch`: a frame of {landings.mpix:g} Mpix lands in a night of {landings.there_before} and more,"
            " until its label is in the table that is followed",
            f"{statistics.median(landings.seconds):.1f} s, at most {most:.1f} s ({len(landings.seconds)} times)",
            f"{MOST_LANDED_S:g} s",
            held(most <= MOST_LANDED_S),
        ]
    ]


def _slurm(slurm: Mapping[str, Any] | None) -> list[list[str]]:
    if slurm is None:
        return []
    wall_s = (slurm["slurm"].wall_s - slurm["here"].wall_s) / slurm["chunks"]
    return [
        [
            "Slurm: seconds per chunk job beyond its work, one at a time, finding out that it ended included",
            f"{wall_s:.1f} s",
            "measured",
            "",
        ]
    ]


def _plan(planned: Sequence[Mapping[str, Any]] | None) -> list[str]:
    if not planned:
        return []
    rows = [
        [f"{dry['frames']:,}", dry["nights"], *(f"{dry[name]:.1f}" for name in ("wall_s", "cpu_s")), _megabytes(dry)]
        for dry in planned
    ]
    if len(planned) > 1:
        before, last = planned[-2:]
        steps = (DECADE - last["frames"]) / (last["frames"] - before["frames"])
        drawn = {name: last[name] + steps * (last[name] - before[name]) for name in ("wall_s", "cpu_s", "peak_mib")}
        rows.append([f"{DECADE:,}, drawn on", DECADE // 500, f"{drawn['wall_s']:.0f}", f"{drawn['cpu_s']:.0f}"])
        rows[-1].append(_megabytes(drawn))
    return [
        "Dry runs over empty files, 500 a night:",
        markdown_table(["frames", "nights", "wall (s)", "CPU (s)", "memory of the main process (MB)"], rows),
    ]


def _megabytes(measured: Mapping[str, Any]) -> str:
    return f"{measured['peak_mib'] * MIB / 1e6:.0f}"


def _merge(merge: Mapping[str, Any] | None) -> list[str]:
    if merge is None:
        return []
    return [
        f"`nebulift merge-labels` joined {merge['rows']:,} labels of {merge['seasons']} seasons in"
        f" {merge['wall_s']:.1f} s with {merge['peak_mib'] * MIB / 1e6:.0f} MB."
    ]


def _kills(kills: Kills | None) -> list[str]:
    if kills is None:
        return []
    counts = [
        ["kills (SIGKILL at a random moment)", kills.kills, ""],
        ["of these Snakemake alone, its jobs going on", kills.main_process_alone, ""],
        ["runs that ended before their kill, a night being added after each", kills.ended_before, ""],
        ["frames of the season in the end", kills.frames, ""],
        *(
            [name, number, held(number == 0)]
            for name, number in (
                ("tables half written, looked for after every kill", kills.half_written),
                ("frames lost", kills.lost),
                ("frames twice", kills.twice),
                ("tables other than those of an undisturbed run", kills.different),
            )
        ),
    ]
    return [markdown_table(["what", "number", "target: 0"], counts)]
