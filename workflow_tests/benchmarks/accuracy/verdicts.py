"""Whole simulated nights: the verdict on each frame against what was done to it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.exposures import names, set_up_of
from benchmarks.accuracy.nights import simulated
from benchmarks.accuracy.records import Outcome, Plan, Rate, Record

NAME, TITLE = "verdicts", "Verdicts on whole simulated nights"
NIGHTS_PER_SET_UP, FRAMES = 2, 40
CONTAMINATED = (0.3, 0.15)
"""Share of contaminated frames in the nights, by turns."""
MOST_LISTED = 60


def tasks(plan: Plan) -> list[Record]:
    """Return some nights of each set-up."""
    listed = names(plan.half)[: plan.some(1000)]
    return [
        {
            "half": plan.half,
            "size": plan.size,
            "set_up": name,
            "seed": plan.seed + 60_000 + 100 * number + night,
            "fraction": CONTAMINATED[night % len(CONTAMINATED)],
            "frames": plan.some(FRAMES, 10),
        }
        for number, name in enumerate(listed)
        for night in range(plan.some(NIGHTS_PER_SET_UP, 1))
    ]


def observe(task: Record) -> list[Record]:
    """Grade one planned night."""
    set_up = set_up_of(task["half"], task["set_up"], *task["size"])
    rows = simulated(set_up, task["seed"], None, task["frames"], task["fraction"])
    return [
        {
            **{key: task[key] for key in ("set_up", "seed")},
            "frame": true.frame,
            "verdict": true.verdict,
            "artifacts": true.artifacts,
            "peak_sigma": true.trail_peak_sigma,
            "transparency": true.transparency,
            "label": row["label"],
            "quality": row["quality_score"],
            "reasons": row["reasons"],
        }
        for true, row in rows
    ]


def outcome(records: Sequence[Record], plots: Path) -> Outcome:
    """Compare labels with the truth; the rates on the frames that were decided, and how many were not."""
    result = Outcome(figures=[*agreement(records, targets=True)])
    result.notes.append("Agreement is that of the frames that were decided; what goes to review is counted apart.")
    result.tables.append(("Labels by what is on the frame", *by_artifact(records)))
    wrong = [r for r in records if r["label"] not in (r["verdict"], "review")]
    columns = ("set_up", "seed", "frame", "artifacts", "peak_sigma", "transparency", "label", "reasons")
    rows = [[record[column] for column in columns] for record in wrong[:MOST_LISTED]]
    header = ("set-up", "seed", "frame", "truth", "trail (sigma)", "transparency", "label", "reasons")
    name = (
        f"All {len(wrong)} disagreements"
        if len(wrong) <= MOST_LISTED
        else f"{MOST_LISTED} of {len(wrong)} disagreements"
    )
    if wrong:
        result.tables.append((name, header, rows))
    return result


def agreement(records: Sequence[Record], targets: bool) -> list[Rate]:
    """Return how far labels and true verdicts agree; with their targets or without."""
    decided = [r for r in records if r["label"] != "review"]
    right = sum(r["label"] == r["verdict"] for r in decided)
    rates = [Rate("verdict agrees with the truth", right, len(decided), 0.97 if targets else None)]
    for label in ("clean", "contaminated"):
        called = [r for r in records if r["label"] == label]
        right = sum(r["verdict"] == label for r in called)
        rates.append(Rate(f'of "{label}" is {label}', right, len(called), 0.99 if targets else None))
    review = len(records) - len(decided)
    rates.append(Rate("in review", review, len(records), 0.10 if targets else None, at_most=True))
    for label in ("clean", "contaminated"):
        truly = [r for r in records if r["verdict"] == label]
        rates.append(Rate(f"of {label} frames called so", sum(r["label"] == label for r in truly), len(truly)))
    return rates


def by_artifact(records: Sequence[Record]) -> tuple[Sequence[str], list[list[object]]]:
    """Return the header and rows of a table: what is on the frames, and the labels that they got."""
    labels = ("clean", "review", "contaminated", "unreadable")
    counts = Counter((f"{r['artifacts']} ({r['verdict']})", r["label"]) for r in records)
    kinds = sorted({kind for kind, _ in counts})
    return ("on the frame", *labels), [[kind, *(counts[kind, label] for label in labels)] for kind in kinds]
