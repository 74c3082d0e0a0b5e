"""The command: time a night and a season of the whole workflow, and write the sections on them of RESULTS.md.

Takes three quarters of an hour on two quiet cores; --kills 200 takes longer.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reporting.machine import described
from benchmarks.reporting.page import RESULTS, write_section
from benchmarks.season import frames, report
from benchmarks.season.kills import kill_again_and_again
from benchmarks.season.runs import Watched, configured, peak_of, watched
from benchmarks.season.watching import Landings, watch_landings
from cluster.slurm import PROGRAMS, SlurmCluster
from workflow.runs import PROJECT, Run

PACKAGES = ("snakemake", "snakemake-executor-plugin-slurm", "numpy")
QUICK = {"nights": 2, "frames": 20, "night_frames": 6, "mpix": 0.25, "repetitions": 1, "planned": (200, 2000)}
QUICK |= {"kills": 2, "landings": 2}
SLURM_CHUNK, SLURM_CHUNKS = 8, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="nebulift-season-") as folder:
        measured = measure(given, Path(folder))
    about = described(sys.argv[1:] if arguments is None else arguments, "season", PACKAGES)
    for name, text in report.sections(measured, about).items():
        write_section(given.page, name, text)
        print(text)
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="season", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=40, help="of the season of tiny frames")
    parser.add_argument("--frames", type=int, default=500, help="of each of its nights")
    parser.add_argument("--night-frames", type=int, default=500, help="frames of the night beside the bare scorer")
    parser.add_argument("--mpix", type=float, default=4.0, help="million pixels of each of those")
    parser.add_argument("--repetitions", type=int, default=2, help="of that night, and of the run without work")
    parser.add_argument("--planned", type=_numbers, default=(2_000, 20_000, 200_000), help="frames of dry runs")
    parser.add_argument("--landings", type=int, default=15, help="frames that land while their night is watched")
    parser.add_argument("--kills", type=int, default=0, help="how often a season's run is killed, 0 for not at all")
    parser.add_argument(
        "--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), help="take only these measurements"
    )
    parser.add_argument("--folder", type=Path, help="where frames are written for a while, some 8 GB")
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    parser.add_argument("--quick", action="store_true", help="small numbers: to see that it runs")
    given = parser.parse_args(arguments)
    if given.quick:
        vars(given).update(QUICK)
    return given


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Take the measurements asked for; returns them by name, None for those that were not taken."""
    measured: dict[str, Any] = dict.fromkeys(MEASUREMENTS)
    for name in given.only:
        place = folder / name
        place.mkdir()
        begun = time.perf_counter()
        measured[name] = MEASUREMENTS[name](given, place)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
        shutil.rmtree(place)
    return measured


def _night(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Grade one night with two cores and score the same frames by two bare loops, by turns."""
    night = frames.write_large_night(folder, given.night_frames, given.mpix)
    whole: list[float] = []
    bare: list[float] = []
    for number in range(given.repetitions):
        bare.append(_loops(night, folder / f"previews{number}"))
        run = configured(folder / f"run{number}", {"n": night})
        graded = watched(run, "labels")
        whole.append(graded.wall_s)
    scored, _ = graded.outcome.scored_and_reused
    assert scored == given.night_frames
    return {"frames": given.night_frames, "mpix": given.mpix, "whole_s": whole, "bare_s": bare} | {
        "chunks": graded.outcome.jobs["score_chunk"]
    }


def _loops(night: Path, previews: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.season.loop", str(night), str(previews)]
    begun = time.perf_counter()
    loops = [
        subprocess.Popen([*command, str(part), "2"], cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
        for part in range(2)
    ]
    codes = [loop.wait() for loop in loops]
    if any(codes):
        raise RuntimeError("the bare loop failed")
    return time.perf_counter() - begun


def _season(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Grade a season of tiny frames, again without anything to do, and again with one frame more."""
    nights = frames.write_season(folder / "frames", given.nights, given.frames)
    run = configured(folder / "run", nights)
    first = watched(run, "labels")
    assert first.outcome.scored_and_reused == (given.nights * given.frames, 0)
    idle = [watched(run, "labels") for _ in range(max(3, given.repetitions))]
    assert all(again.outcome.nothing_to_do for again in idle)
    last = list(nights.values())[-1]
    distinct = sorted((folder / "frames" / "distinct").glob("*.fits"))[0].read_bytes()
    frames.write_frame(last / "light_9999.fits", distinct, given.nights - 1, given.frames)
    appended = watched(run, "labels")
    assert appended.outcome.scored == ["light_9999.fits"]
    assert run.frames("labels.tsv", "labels").count("light_9999.fits") == 1
    return {"frames": given.nights * given.frames, "nights": given.nights, "first": first} | {
        "idle_s": [again.wall_s for again in idle],
        "appended": appended,
        "jobs": sum(first.outcome.jobs.values()),
        "peak_mib": max(call.peak_mib for call in (first, *idle, appended)),
    }


def _slurm(_: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Score chunks one after another with and without Slurm; None where there is no Slurm."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        return None
    (night,) = frames.write_season(folder / "frames", 1, SLURM_CHUNK * SLURM_CHUNKS).values()
    took = {}
    cluster = SlurmCluster(folder / "slurm", nodes=1)
    try:
        cluster.start()
        options = ("--profile", str(PROJECT / "profiles" / "slurm"), "--jobs", "1")
        for name, further in (("here", ()), ("slurm", options)):
            run = configured(folder / name, {"n": night}, chunk_size=SLURM_CHUNK)
            took[name] = _watched_with(cluster, run, further)
    finally:
        cluster.stop()
    return {"chunks": SLURM_CHUNKS, "here": took["here"], "slurm": took["slurm"]}


def _watched_with(cluster: SlurmCluster, run: Run, options: tuple[str, ...]) -> Watched:
    """Run up to the scores with the commands of a cluster on the path."""
    before = dict(os.environ)
    os.environ.update(cluster.environment)
    try:
        return watched(run, "results/scores/n.tsv", cores=1 if not options else 4, options=options)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _plan(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Plan seasons of empty files by dry runs."""
    planned = []
    for number in given.planned:
        nights = frames.write_placeholders(folder / str(number), number)
        dry = watched(configured(folder / f"run{number}", nights), "labels", options=("--dry-run", "--quiet"))
        planned.append({"frames": number, "nights": len(nights), "wall_s": dry.wall_s, "cpu_s": dry.cpu_s})
        planned[-1]["peak_mib"] = dry.peak_mib
        shutil.rmtree(folder / str(number))
    return planned


def _merge(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Join the labels of several seasons made from one by renaming its nights."""
    nights = frames.write_season(folder / "frames", 1, 20)
    run = configured(folder / "run", nights)
    run.succeed("labels")
    header, *rows = (run.results / "labels.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    seasons = []
    for season in range(10):
        path = folder / f"season{season}.tsv"
        with path.open("w", encoding="utf-8") as file:
            file.write(header)
            for night in range(max(1, max(given.planned) // (10 * len(rows)))):
                file.writelines(f"s{season}-{night}{row.removeprefix('n000')}" for row in rows)
        seasons.append(str(path))
    joined = folder / "all.tsv"
    command = [sys.executable, "-m", "nebulift", "merge-labels", *seasons, "--output", str(joined)]
    begun = time.perf_counter()
    peak_mib = peak_of(command)
    lines = joined.read_text(encoding="utf-8").count("\n") - 1
    return {"seasons": len(seasons), "rows": lines, "wall_s": time.perf_counter() - begun, "peak_mib": peak_mib}


def _kills(given: argparse.Namespace, folder: Path) -> Any:
    return kill_again_and_again(folder, given.kills) if given.kills else None


def _watch(given: argparse.Namespace, folder: Path) -> Landings:
    return watch_landings(folder, given.night_frames - given.landings, given.landings, given.mpix)


MEASUREMENTS = {
    "night": _night,
    "season": _season,
    "watch": _watch,
    "slurm": _slurm,
    "plan": _plan,
    "merge": _merge,
    "kills": _kills,
}
