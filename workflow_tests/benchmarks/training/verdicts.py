"""The workflow's decisions on nights of cameras that trained nothing: rules and model by the policy, and each alone.

The labels that train are those of the rules, as in every workflow; in a second training a fifth of them is flipped.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.limits import label_settings
from benchmarks.accuracy.real_frames import APART, night_of
from benchmarks.accuracy.records import HEADER, Rate
from benchmarks.reporting.tables import held, markdown_table
from benchmarks.training.nights import FIRST_SEED, SIZE_PX, made
from benchmarks.training.records import Plan, Record
from nebulift.config import complete_config
from nebulift.dataset.splits import SplitRule
from nebulift.frames.listing import ListedFrame
from nebulift.labels.decision import DecisionPolicy, decide
from nebulift.labels.verdict import CLEAN, CONTAMINATED, REVIEW
from nebulift.model.calibration import expected_calibration_error
from nebulift.model.metrics import area_under_curve
from nebulift.model.training import TrainingSettings
from nebulift.scoring.score import ScoringSettings
from nebulift.simulate.catalogue import set_ups
from nebulift.stages.dataset import materialise_dataset
from nebulift.stages.label import label_night
from nebulift.stages.merge import merge_scores
from nebulift.stages.predict import predict_night
from nebulift.stages.score import score_chunk
from nebulift.stages.train import train_model
from nebulift.tables import Row, read_table, write_table

NAME, ALONE = "verdicts", False
FLIPPED = (0.0, 0.2)
CAMERAS, FRAMES, EPOCHS = 5, 80, 12
MOST_LOST, MOST_LISTED = 1.0, 60


def tasks(plan: Plan) -> list[Record]:
    """Return one training for each share of flipped labels; the real frames are asked about by the first."""
    return [
        {
            "half": plan.half,
            "cameras": plan.some(CAMERAS, 2),
            "frames": plan.some(FRAMES, 40),
            "epochs": plan.some(EPOCHS),
            "flipped": flipped,
            "data": str(plan.data) if plan.data and not flipped else "",
        }
        for flipped in FLIPPED
    ]


def observe(task: Record, kept: Path) -> list[Record]:
    """Train on nights of every other camera and decide on those of the rest."""
    folder = kept / f"workflow-{task['half']}-{task['cameras']}-{task['frames']}-{task['flipped']:g}"
    cameras = set_ups(task["half"], *SIZE_PX)
    seed = FIRST_SEED[task["half"]] + 100_000
    nights = {
        side: [
            made(cameras[2 * number + place], seed + 10 * number + place, task["frames"], kept / "nights")
            for number in range(task["cameras"])
        ]
        for place, side in enumerate(("train", "asked"))
    }
    for side, members in nights.items():
        for night in members:
            _label(night, folder / "labels" / f"{night.name}.tsv")
            link = folder / "previews" / night.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((night / "previews").absolute())
        rows = [row for night in members for row in read_table(folder / "labels" / f"{night.name}.tsv", "labels")]
        if side == "train":
            write_table(folder / "labels.tsv", "labels", _flipped(rows, task["flipped"]))
    limits = complete_config({})["label"]
    thresholds = {name: limits[name] for name in ("clean_threshold", "contaminated_threshold")}
    materialise_dataset(folder / "labels.tsv", folder / "previews", folder / "dataset", SplitRule(), thresholds)
    settings = TrainingSettings(epochs=task["epochs"], threads=1)
    train_model(folder / "dataset" / "dataset.tsv", folder / "model", settings)
    about = {"flipped": task["flipped"]}
    records = [record | about for night in nights["asked"] for record in _decided(night, folder)]
    return records + ([record | about for record in _real(Path(task["data"]), folder)] if task["data"] else [])


def _label(night: Path, output: Path) -> None:
    label_night(night / "scores.tsv", None, output, label_settings())


def _flipped(rows: Sequence[Row], share: float) -> list[Row]:
    """Turn a share of the labels clean and contaminated into the other."""
    other = {CLEAN: CONTAMINATED, CONTAMINATED: CLEAN}
    labelled = [index for index, row in enumerate(rows) if row["label"] in other]
    chosen = set(np.random.default_rng(5).permutation(labelled)[: round(share * len(labelled))].tolist())
    return [row | {"label": other[row["label"]]} if index in chosen else row for index, row in enumerate(rows)]


def _predicted(labels: Path, previews: Path, folder: Path) -> list[tuple[Row, Row]]:
    """Decide as the workflow does; return the row of labels and that of predictions of each frame."""
    output = folder / "predictions" / labels.name
    model = folder / "model"
    predict_night(labels, previews, model / "model.onnx", model / "metrics.json", output, DecisionPolicy())
    by_frame = {row["frame"]: row for row in read_table(output, "predictions")}
    return [(row, by_frame[row["frame"]]) for row in read_table(labels, "labels")]


def _decided(night: Path, folder: Path) -> list[Record]:
    with (night / "truth.tsv").open(encoding="utf-8", newline="") as file:
        truth = {row["frame"]: row for row in csv.DictReader(file, delimiter="\t")}
    pairs = _predicted(folder / "labels" / f"{night.name}.tsv", night / "previews", folder)
    return [
        _record("simulated", night.name, label, decided, truth[label["frame"]]["verdict"])
        | {"artifacts": truth[label["frame"]]["artifacts"]}
        for label, decided in pairs
    ]


def _real(data: Path, folder: Path) -> list[Record]:
    """Grade each folder of real frames as a night."""
    with (data / "TRUTH.tsv").open(encoding="utf-8", newline="") as file:
        truth = [row for row in csv.DictReader(file, delimiter="\t") if (data / row["path"]).is_file()]
    nights: dict[str, dict[str, dict[str, str]]] = {}
    for row in truth:
        nights.setdefault(night_of(row["path"]), {})[row["path"]] = row
    records = []
    for name, rows in sorted(nights.items()):
        if name in APART:
            continue
        own = folder / "real" / name
        frames = [ListedFrame(path, data / path) for path in rows]
        score_chunk(name, frames, own / "chunk.tsv", own / "previews", ScoringSettings(), (own / "chunk.tsv",))
        merge_scores([own / "chunk.tsv"], own / "scores.tsv", own / "previews")
        labels = folder / "labels" / f"real {name}.tsv"
        _label(own, labels)
        for label, decided in _predicted(labels, own / "previews", folder):
            true = rows[label["frame"]]
            if true["verdict"] in (CLEAN, CONTAMINATED) and label["label"] != "unreadable":
                told = {"artifacts": true["artifacts"], "note": true["note"]}
                records.append(_record("real", name, label, decided, true["verdict"]) | told)
    return records


def _record(kind: str, night: str, label: Row, decided: Row, truth: str) -> Record:
    return {
        "kind": kind,
        "night": night,
        "frame": label["frame"],
        "truth": truth,
        "rules": label["label"],
        "p_clean": decided["p_clean"],
        "decision": decided["decision"],
        "decided_by": decided["decided_by"],
        "reasons": decided["reasons"],
        "by_probability": decide(label, decided["p_clean"], DecisionPolicy(risk=1)).decision,
    }


def text(records: Sequence[Record]) -> tuple[str, list[bool | None]]:
    """Return the tables on simulated and real frames, and which targets were reached."""
    kinds = {kind: [r for r in records if r["kind"] == kind and not r["flipped"]] for kind in ("simulated", "real")}
    flipped = [r for r in records if r["flipped"]]
    page, judged = _on(kinds["simulated"], flipped)
    parts = ["### Verdicts on nights of other cameras", page]
    parts.append(
        f"Trained by the labels of the rules on {len({r['night'] for r in kinds['simulated']})} simulated nights, one"
        " of each of the other cameras. What is left in review is no decision; the model alone is cut at one half."
    )
    if kinds["real"]:
        real, _ = _on(kinds["real"], (), targets=False)
        parts += ["### Real frames, by the same model", real, *_errors(kinds["real"])]
    else:
        parts.append("The folder of real frames was not there.")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n", judged


def _on(records: Sequence[Record], flipped: Sequence[Record], targets: bool = True) -> tuple[str, list[bool | None]]:
    labels, p_clean = _asked(records)
    decided = [r for r in records if r["decision"] != REVIEW]
    by_rules = [r for r in records if r["rules"] != REVIEW]
    left = [r for r in records if r["rules"] == REVIEW]
    settled = [r for r in left if r["decision"] != REVIEW]
    freely = [r for r in left if r["by_probability"] != REVIEW]
    model_right = int(np.sum((p_clean >= 0.5) == labels))
    rates = [
        Rate("decisions right", sum(r["decision"] == r["truth"] for r in decided), len(decided), _if(targets, 0.97)),
        Rate("frames left in review", len(records) - len(decided), len(records)),
        Rate("rules alone: right", sum(r["rules"] == r["truth"] for r in by_rules), len(by_rules)),
        Rate("rules alone: left in review", len(left), len(records)),
        Rate("model alone: right", model_right, len(labels)),
        Rate("of what the rules left open, settled", len(settled), len(left), _if(targets, 0.85)),
        Rate("of these, right", sum(r["decision"] == r["truth"] for r in settled), len(settled), _if(targets, 0.97)),
        Rate("the same without a promise (predict: risk: 1), settled", len(freely), len(left)),
        Rate("of these, right, without a promise", sum(r["by_probability"] == r["truth"] for r in freely), len(freely)),
        Rate(
            "model alone, of what the rules left open: right",
            sum((r["p_clean"] >= 0.5) == (r["truth"] == CLEAN) for r in left if r["p_clean"] is not None),
            len(left),
        ),
    ]
    rows: list[Sequence[object]] = [rate.row() for rate in rates]
    judged = [rate.holds for rate in rates]
    auc = area_under_curve(labels, p_clean)
    error = expected_calibration_error(p_clean, labels)
    measured: list[tuple[str, float | None, float, bool]] = [
        ("model alone: area under the ROC curve", auc, 0.99, False),
        ("expected calibration error of the model", error, 0.02, True),
    ]
    if flipped:
        other, other_p = _asked(flipped)
        lost = 100 * (model_right / len(labels) - float(np.mean((other_p >= 0.5) == other)))
        measured.append(("points that the model loses with 20 % of the training labels flipped", lost, MOST_LOST, True))
    for name, value, target, at_most in measured:
        holds = None if value is None or not targets else (value <= target if at_most else value >= target)
        sign = f"{'at most' if at_most else 'at least'} {target:g}" if targets else ""
        word = "" if holds is None else held(holds)
        rows.append([name, "" if value is None else f"{value:.4f}", len(labels), "", sign, word])
        judged.append(holds)
    return markdown_table(HEADER, rows), judged


def _if(targets: bool, target: float) -> float | None:
    return target if targets else None


def _asked(records: Sequence[Record]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the true labels (1 clean) and the model's probabilities of the frames that it was asked about."""
    asked = [r for r in records if r["p_clean"] is not None]
    return np.array([int(r["truth"] == CLEAN) for r in asked]), np.array([r["p_clean"] for r in asked])


def _errors(records: Sequence[Record]) -> list[str]:
    wrong = [
        r
        for r in records
        if r["decision"] not in (r["truth"], REVIEW) or (r["p_clean"] >= 0.5) != (r["truth"] == CLEAN)
    ]
    if not wrong:
        return ["No frame was decided otherwise than by eye."]
    columns = ("frame", "truth", "artifacts", "rules", "p_clean", "decision", "decided_by", "note")
    rows = [[r[column] for column in columns] for r in wrong[:MOST_LISTED]]
    header = ("frame", "by eye", "artifacts", "rules", "p_clean", "decision", "decided by", "note")
    name = "All" if len(wrong) <= MOST_LISTED else f"{MOST_LISTED} of"
    return [
        f"{name} {len(wrong)} frames that the workflow or the model alone calls otherwise:",
        markdown_table(header, rows),
    ]
