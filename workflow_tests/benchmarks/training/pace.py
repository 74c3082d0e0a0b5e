"""Epochs per hour against a plain loop, on the same frames: FITS read anew each epoch, contiguous, every layer."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from astropy.io import fits
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks.reporting.tables import held, markdown_table
from benchmarks.training.nights import FIRST_SEED, SIZE_PX, dataset
from benchmarks.training.records import Plan, Record
from nebulift.files import write_text
from nebulift.frames.listing import list_frames
from nebulift.model.checkpoint import load_model
from nebulift.model.inference import Predictor
from nebulift.model.training import TrainingSettings, train
from nebulift.scoring.score import ScoringSettings
from nebulift.simulate.catalogue import set_ups
from nebulift.simulate.night import simulate_night, truth_table
from nebulift.stages.made_up_previews import LabelledPreview, read_night
from nebulift.stages.score import score_chunk

NAME, ALONE = "pace", True
TRAINING, MARGIN, VALIDATION, ASKED, EPOCHS, BATCH = 100, 10, 40, 100, 12, 16
TIMES, POINTS = 10.0, 0.5


def tasks(plan: Plan) -> list[Record]:
    """Return the one comparison."""
    return [{"half": plan.half, "training": plan.some(TRAINING, 24), "epochs": plan.some(EPOCHS)}]


def observe(task: Record, kept: Path) -> list[Record]:
    """Train both ways on the same frames; give epochs per hour and the share right on another night."""
    set_up = set_ups(task["half"], *SIZE_PX)[0]
    seed = FIRST_SEED[task["half"]] + 200_000
    nights = []
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as raw:
        for number, frames in enumerate((task["training"] + MARGIN + VALIDATION, ASKED)):
            night, made = Path(raw) / str(number), Path(raw) / f"made {number}"
            truth = simulate_night(
                night, frames=frames, seed=seed + number, camera=set_up.camera, telescope=set_up.telescope,
                sky=set_up.sky, exposure_s=set_up.exposure_s, contaminated_fraction=0.4, varied=True,
            )  # fmt: skip
            score_chunk(night.name, list_frames(night), made / "scores.tsv", made / "previews", ScoringSettings())
            write_text(made / "truth.tsv", truth_table(truth))
            nights.append((sorted(night.glob("*.fits")), list(read_night(made))))
        (files, first), (asked_files, asked) = nights
        number = task["training"]
        ours = _ours(first[:number], first[number + MARGIN :], asked, task["epochs"])
        labels = [one.label for one in first[:number]]
        plain = _plain(files[:number], labels, asked_files, [one.label for one in asked], task["epochs"])
    return [{"frames": number, "asked": len(asked), "ours": ours, "plain": plain}]


def _ours(
    first: Sequence[LabelledPreview], held_out: Sequence[LabelledPreview], asked: Sequence[LabelledPreview], epochs: int
) -> Record:
    settings = TrainingSettings(epochs=epochs, batch_size=BATCH, patience=epochs, threads=1)
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        begun = time.process_time()
        learned = dataset(first, augment=True)
        result = train(learned, dataset(held_out), settings, Path(folder), lambda _: None)
        seconds = time.process_time() - begun
        told = np.stack([one.context for one in asked])
        p_clean = Predictor(load_model(result.model)).predict([one.preview for one in asked], told)
    right = float(np.mean((p_clean >= 0.5) == np.array([one.label for one in asked])))
    return {"epochs_per_hour": 3600 * epochs / seconds, "right": right}


def _plain(
    files: Sequence[Path], labels: Sequence[int], asked: Sequence[Path], asked_labels: Sequence[int], epochs: int
) -> Record:
    """Train as a first attempt does: read, stretch and shrink each file whenever it is its turn."""
    torch.manual_seed(0)
    network = resnet18(num_classes=2)
    optimizer, criterion = torch.optim.Adam(network.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    targets = torch.tensor(list(labels))
    begun = time.process_time()
    for _ in range(epochs):
        network.train()
        for chosen in torch.randperm(len(files)).split(BATCH):
            inputs = torch.stack([_picture(files[index]) for index in chosen.tolist()])
            loss = criterion(network(inputs), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.process_time() - begun
    network.eval()
    with torch.no_grad():
        said = [int(network(_picture(file)[None]).argmax()) for file in asked]
    return {"epochs_per_hour": 3600 * epochs / seconds, "right": float(np.mean(np.array(said) == asked_labels))}


def _picture(file: Path) -> Tensor:
    pixels = np.asarray(fits.getdata(file), dtype=np.float32)
    low, high = (float(limit) for limit in np.percentile(pixels, (1, 99.5)))
    small = cv2.resize(np.clip((pixels - low) / max(high - low, 1e-6), 0, 1), (224, 224), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.repeat(small[None], 3, axis=0))


def text(records: Sequence[Record]) -> tuple[str, list[bool | None]]:
    """Return the table, and which targets were reached."""
    (record,) = records
    ours, plain = record["ours"], record["plain"]
    times = ours["epochs_per_hour"] / plain["epochs_per_hour"]
    lost = 100 * (plain["right"] - ours["right"])
    judged: list[bool | None] = [times >= TIMES, lost <= POINTS]
    rows = [
        ["plain loop", f"{plain['epochs_per_hour']:.0f} epochs per hour, {100 * plain['right']:.1f} % right", "", ""],
        ["Nebulift", f"{ours['epochs_per_hour']:.0f} epochs per hour, {100 * ours['right']:.1f} % right", "", ""],
        ["times faster", f"{times:.1f}", f"at least {TIMES:g}", held(times >= TIMES)],
        ["points lost", f"{lost:.1f}", f"at most {POINTS:g}", held(lost <= POINTS)],
    ]
    page = (
        "### Epochs per hour\n\n"
        + markdown_table(["what", "measured", "target", ""], rows)
        + f"\n{record['frames']} frames with true labels, asked about {record['asked']} of another night. Processor"
        " time on one thread, calibration, export and figures included in Nebulift's; scoring, which makes the previews"
        " once, in neither.\n"
    )
    return page, judged
