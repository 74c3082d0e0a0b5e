"""What each part of what the network is given is worth: the same training without it, with true labels."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reporting.tables import markdown_table
from benchmarks.training.nights import FIRST_SEED, SIZE_PX, night
from benchmarks.training.records import Plan, Record
from nebulift.dataset.preview import read_preview
from nebulift.model.checkpoint import load_model
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.inference import Predictor
from nebulift.model.metrics import area_under_curve
from nebulift.model.training import TrainingSettings, train
from nebulift.simulate.catalogue import set_ups
from nebulift.stages.made_up_previews import LabelledPreview

NAME, ALONE = "channels", False
CAMERAS, FRAMES, EPOCHS = 5, 80, 12
SHOWN = {"thumbnail": (0,), "thumbnail and peaks": (0, 1), "thumbnail and stars": (0, 2), "all three": (0, 1, 2)}


def tasks(plan: Plan) -> list[Record]:
    """Return a training for each choice of channels without the context, and one with everything."""
    return [
        {
            "half": plan.half,
            "cameras": plan.some(CAMERAS, 2),
            "frames": plan.some(FRAMES, 40),
            "epochs": plan.some(EPOCHS),
            "shown": shown,
            "context": context,
        }
        for shown, context in [*((shown, False) for shown in SHOWN), ("all three", True)]
    ]


def observe(task: Record, kept: Path) -> list[Record]:
    """Train on nights of every other camera, ask about those of the rest; the nights are those of the verdicts."""
    cameras, seed = set_ups(task["half"], *SIZE_PX), FIRST_SEED[task["half"]] + 100_000
    train_on, asked = (
        [
            one
            for number in range(task["cameras"])
            for one in night(cameras[2 * number + place], seed + 10 * number + place, task["frames"], kept / "nights")
        ]
        for place in (0, 1)
    )
    load = _with_channels(SHOWN[task["shown"]])

    def data(previews: Sequence[LabelledPreview], augment: bool = False) -> AstroImageDataset:
        facts = [FrameFacts(context=one.context if task["context"] else None) for one in previews]
        paths, labels = [one.preview for one in previews], [one.label for one in previews]
        return AstroImageDataset(paths, labels, augment=augment, load=load, facts=facts)

    # Whole blocks of ten frames validate.
    learned, validated = ([one for i, one in enumerate(train_on) if (i // 10 % 5 == 4) == is_val] for is_val in (0, 1))
    settings = TrainingSettings(epochs=task["epochs"], threads=1)
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        result = train(data(learned, augment=True), data(validated), settings, Path(folder), lambda _: None)
        told = np.stack([one.context for one in asked]) if task["context"] else None
        p_clean = Predictor(load_model(result.model), load).predict([one.preview for one in asked], told)
    labels = np.array([one.label for one in asked])
    return [
        {
            "shown": task["shown"],
            "context": task["context"],
            "frames": len(asked),
            "accuracy": float(np.mean((p_clean >= 0.5) == labels)),
            "auc": area_under_curve(labels, p_clean),
        }
    ]


def _with_channels(shown: Sequence[int]) -> Callable[[Path], NDArray[np.uint8]]:
    """Return a reader of previews that leaves the other channels dark."""

    def load(path: Path) -> NDArray[np.uint8]:
        preview = read_preview(path).copy()
        preview[..., [channel for channel in range(3) if channel not in shown]] = 0
        return preview

    return load


def text(records: Sequence[Record]) -> tuple[str, list[bool | None]]:
    """Return the table."""
    rows = [
        [r["shown"], "yes" if r["context"] else "no", f"{100 * r['accuracy']:.1f} %", f"{r['auc']:.3f}", r["frames"]]
        for r in records
    ]
    page = (
        "### What each part of the input is worth\n\n"
        + markdown_table(["channels", "context", "share right", "area under the ROC curve", "frames"], rows)
        + "\nTrained from our weights with true labels, asked about nights of other cameras. Context: how the frame"
        " stands among its group, and the qualities of the checks.\n"
    )
    return page, []
