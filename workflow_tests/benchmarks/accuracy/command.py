"""The command: run the experiments and write the section on accuracy of RESULTS.md.

What an experiment recorded is kept in the folder of the output. It is used again as long as the library, the
experiments and what was asked for are the same, so a run that was cut off goes on where it was.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import nebulift
from benchmarks.accuracy import (
    clouds,
    exposures,
    false_streaks,
    hot_pixels,
    limits,
    lines,
    nights,
    peers,
    real_frames,
    stars,
    streaks,
    verdicts,
)
from benchmarks.accuracy.records import Outcome, Plan, Record
from benchmarks.reporting.machine import described, single_threaded
from benchmarks.reporting.page import BENCHMARKS, RESULTS, write_section
from nebulift.files import write_text

EXPERIMENTS: dict[str, ModuleType] = {
    module.NAME: module for module in (streaks, false_streaks, clouds, stars, hot_pixels, verdicts, real_frames, peers)
}
DATA = BENCHMARKS.parents[2] / "shared" / "data"
CONFIG = BENCHMARKS.parents[1] / "config" / "schemas" / "config.schema.yaml"
FAILED = "failed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    plan = Plan(given.half, given.quick, given.data if given.data and given.data.is_dir() else None)
    plots = given.page.parent / "plots"
    outcomes, counts = {}, []
    for name, experiment in EXPERIMENTS.items():
        begun = time.monotonic()
        is_asked = not given.only or name in given.only
        tasks, records, reused = _records(experiment, plan, given.output, given.workers if is_asked else None)
        if records is None:
            counts.append(f"  - {name}: not run")
            continue
        outcomes[name] = _outcome(experiment, records, plots)
        took = "taken from an earlier run" if reused else f"{time.monotonic() - begun:.0f} s"
        counts.append(f"  - {name}: {len(tasks)} pieces, {len(records)} records, {took}")
        if is_asked:
            print(outcomes[name].text(experiment.TITLE, plots.name), flush=True)
    about = described(sys.argv[1:] if arguments is None else arguments, "accuracy")
    about += f"- half: {plan.half}, seeds from {plan.seed} on, {given.workers} workers\n" + "\n".join(counts)
    write_section(given.page, "accuracy", text_of(outcomes, about, plots.name))
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=("development", "test"), default="test", help="of set-ups and seeds")
    parser.add_argument("--only", choices=tuple(EXPERIMENTS), action="append", help="one experiment; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few frames of each: to see that it runs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; all cores by default")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real frames with TRUTH.tsv")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results", help="where records are kept")
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    return parser.parse_args(arguments)


def _records(
    experiment: ModuleType, plan: Plan, output: Path, workers: int | None
) -> tuple[list[Record], list[Record] | None, bool]:
    """Return an experiment's tasks, its records, and whether these were kept from an earlier run.

    Without workers it is not run: then there are no records but those that were kept.
    """
    tasks = experiment.tasks(plan)
    signature = _signature(experiment, tasks)
    kept = output / f"{experiment.NAME}-{plan.half}{'-quick' if plan.quick else ''}.json"
    if kept.exists():
        before = json.loads(kept.read_text(encoding="utf-8"))
        if before["signature"] == signature:
            return tasks, before["records"], True
    if workers is None:
        return tasks, None, False
    records = [record for found in _all(experiment.NAME, tasks, workers) for record in found]
    write_text(kept, json.dumps({"signature": signature, "records": records}, indent=0))
    return tasks, records, False


def _signature(experiment: ModuleType, tasks: Sequence[Record]) -> str:
    """Return what changes with the tasks, with any source file of the library and with the experiment's own."""
    digest = hashlib.sha256(json.dumps(tasks, sort_keys=True).encode())
    own = (Path(str(module.__file__)) for module in (experiment, exposures, limits, lines, nights))
    for source in (*sorted(Path(nebulift.__file__).parent.rglob("*.py")), *own, CONFIG):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _all(name: str, tasks: Sequence[Record], workers: int) -> Iterable[list[Record]]:
    if workers <= 1:
        yield from (_observed((name, task)) for task in tasks)
        return
    # Not forked: a child would inherit the threads of the libraries in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
        for number, found in enumerate(pool.map(_observed, [(name, task) for task in tasks]), 1):
            print(f"\r{name}: {number} of {len(tasks)}", end="", file=sys.stderr, flush=True)
            yield found
    print(file=sys.stderr)


def _begin_worker() -> None:
    single_threaded()
    import cv2

    cv2.setNumThreads(1)
    logging.disable(logging.WARNING)


def _observed(named: tuple[str, Record]) -> list[Record]:
    """Do one piece; an error becomes a record, and is told with the results."""
    name, task = named
    try:
        return list(EXPERIMENTS[name].observe(task))
    except Exception:
        return [{FAILED: traceback.format_exc(limit=-3), **task}]


def _outcome(experiment: ModuleType, records: Sequence[Record], plots: Path) -> Outcome:
    failed = [record for record in records if FAILED in record]
    result: Outcome = experiment.outcome([record for record in records if FAILED not in record], plots)
    if failed:
        last = failed[0][FAILED].strip().splitlines()[-1]
        result.notes.append(f"**{len(failed)} pieces failed and are missing here**, the first with: `{last}`")
    return result


def text_of(outcomes: dict[str, Any], about: str, plots: str) -> str:
    """Return the section as Markdown: the missed and held targets first, then each experiment."""
    judged = [figure.holds for outcome in outcomes.values() for figure in outcome.figures]
    count = f"{judged.count(True)} targets held, {judged.count(False)} missed."
    parts = ["## Accuracy", about, count]
    parts += [outcome.text(EXPERIMENTS[name].TITLE, plots) for name, outcome in outcomes.items()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"
