"""Training: the dataset becomes a model, or a sentence saying why it cannot."""

from pathlib import Path

from nebulift.model.dataset import AstroImageDataset
from nebulift.model.training import TrainingSettings, train_or_explain
from nebulift.tables import read_table

_CLASS = {"contaminated": 0, "clean": 1}


def train_model(dataset: Path, output: Path, settings: TrainingSettings) -> None:
    """Train on the table dataset.tsv; write model.pth, metrics.json, history.tsv and args.yaml into `output`."""
    rows = read_table(dataset, "dataset")
    parts = {}
    for side in ("train", "val"):
        chosen = [row for row in rows if row["split"] == side]
        parts[side] = AstroImageDataset(
            [Path(row["preview_path"]) for row in chosen],
            [_CLASS[row["label"]] for row in chosen],
            augment=side == "train",
            seed=settings.seed,
        )
    train_or_explain(parts["train"], parts["val"], settings, output)
