"""The command: train, decide and ask in every way that is measured; write the section on training of RESULTS.md.

Each piece's records are kept in the folder of the output, and used again as long as the library, the weights and the
experiment are the same: a run that was cut off goes on where it was. What measures time runs last and alone.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType

import nebulift
from benchmarks.reporting.machine import described, single_threaded
from benchmarks.reporting.page import BENCHMARKS, RESULTS, write_section
from benchmarks.training import channels, inference, nights, pace, starts, verdicts
from benchmarks.training.records import Plan, Record
from nebulift.files import write_text
from nebulift.model.weights_file import SHIPPED_WEIGHTS
from nebulift.simulate.catalogue import HALVES

EXPERIMENTS: dict[str, ModuleType] = {module.NAME: module for module in (verdicts, starts, channels, pace, inference)}
PACKAGES = ("numpy", "torch", "torchvision", "onnxruntime")
DATA = BENCHMARKS.parents[2] / "shared" / "data"
Piece = tuple[str, Record, Path]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    given = _parsed(arguments)
    plan = Plan(given.half, given.quick, given.data if given.data and given.data.is_dir() else None)
    pieces = {
        name: [(name, task, given.output) for task in experiment.tasks(plan)]
        for name, experiment in EXPERIMENTS.items()
        if not given.only or name in given.only
    }
    for alone in (False, True):
        waiting = [one for name, some in pieces.items() if alone == EXPERIMENTS[name].ALONE for one in some]
        missing = [one for one in waiting if not _place(one).exists()]
        for number, piece in enumerate(_all(missing, 1 if alone else given.workers), start=1):
            print(f"{piece[0]}: {number} of {len(missing)} done", flush=True)
    about = described(sys.argv[1:] if arguments is None else arguments, "training", PACKAGES)
    about += f"- half: {given.half}, {given.workers} workers\n"
    write_section(given.page, "training", text_of(pieces, about))
    return 0


def text_of(pieces: dict[str, list[Piece]], about: str) -> str:
    """Return the section: how many targets were held, then each experiment whose pieces are all there."""
    parts, judged = [], []
    for name, some in pieces.items():
        missing = sum(not _place(one).exists() for one in some)
        if missing:
            parts.append(f"### {name}\n\n**{missing} of {len(some)} pieces are missing: run the command again.**")
            continue
        page, held = EXPERIMENTS[name].text(
            [record for one in some for record in json.loads(_place(one).read_text(encoding="utf-8"))]
        )
        parts.append(page)
        judged += held
    count = f"{judged.count(True)} targets held, {judged.count(False)} missed."
    return "\n\n".join(part.strip("\n") for part in ("## Training", about, count, *parts)) + "\n"


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=tuple(HALVES), default="test", help="of set-ups and seeds")
    parser.add_argument("--only", choices=tuple(EXPERIMENTS), action="append", help="one experiment; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a little of each: to see that it runs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; all cores by default")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real frames with TRUTH.tsv")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results", help="where records are kept")
    parser.add_argument("--page", type=Path, default=RESULTS, help="the page to write the section into")
    return parser.parse_args(arguments)


def _place(piece: Piece) -> Path:
    """Return where the records of a piece are kept; the name changes with all that they follow from."""
    name, task, output = piece
    digest = hashlib.sha256(json.dumps(task, sort_keys=True).encode())
    own = (Path(str(module.__file__)) for module in (EXPERIMENTS[name], nights))
    for source in (*sorted(Path(nebulift.__file__).parent.rglob("*.py")), *own, SHIPPED_WEIGHTS):
        digest.update(source.read_bytes())
    return output / f"training-{name}-{task['half']}-{digest.hexdigest()[:16]}.json"


def _all(pieces: Sequence[Piece], workers: int) -> Iterator[Piece]:
    if min(workers, len(pieces)) <= 1:
        yield from map(_observed, pieces)
        return
    # Not forked: a child would inherit the threads of the libraries in an unknown state.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker) as pool:
        yield from pool.map(_observed, pieces)


def _begin_worker() -> None:
    single_threaded()
    import cv2

    cv2.setNumThreads(1)
    logging.disable(logging.WARNING)


def _observed(piece: Piece) -> Piece:
    """Do one piece and keep its records; after an error, which is told, there are none, and a later run tries again."""
    name, task, output = piece
    place = _place(piece)
    try:
        records = EXPERIMENTS[name].observe(task, output)
    except Exception:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        return piece
    write_text(place, json.dumps(records))
    return piece
