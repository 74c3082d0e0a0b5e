"""Training: the dataset becomes a model, or a sentence saying why it cannot."""

from pathlib import Path

from nebulift.dataset.context import read_context
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.processes import ALONE, Processes
from nebulift.model.training import TrainingResult, TrainingSettings, train_or_explain
from nebulift.stages.train_on_nodes import train_on_nodes
from nebulift.tables import Row, read_table

_CLASS = {"contaminated": 0, "clean": 1}


def train_model(dataset: Path, output: Path, settings: TrainingSettings) -> None:
    """Train on the table dataset.tsv; write the model in both forms and what is known of it into `output`.

    With more than one node in `settings`, by a process on each (see `train_on_nodes`).
    """
    if settings.nodes > 1:
        train_on_nodes(dataset, output, settings)
    else:
        train_in_process(dataset, output, settings)


def train_in_process(
    dataset: Path, output: Path, settings: TrainingSettings, processes: Processes = ALONE
) -> TrainingResult:
    """Do so in this process, alone or as one of several that all call this."""
    train = load_split(dataset, "train", augment=True, seed=settings.seed, review_weight=settings.review_weight)
    return train_or_explain(train, load_split(dataset, "val"), settings, output, processes=processes)


def load_split(
    dataset: Path, side: str, augment: bool = False, seed: int = 0, review_weight: float = 1.0
) -> AstroImageDataset:
    """Return one side, train or val, of the table dataset.tsv; a person's label counts `review_weight` times."""
    rows = [row for row in read_table(dataset, "dataset") if row["split"] == side]
    return AstroImageDataset(
        [Path(row["preview_path"]) for row in rows],
        [_CLASS[row["label"]] for row in rows],
        augment=augment,
        seed=seed,
        facts=[_facts(row, review_weight) for row in rows],
    )


def _facts(row: Row, review_weight: float) -> FrameFacts:
    # A person's note may hold anything, also what looks like a reason.
    context = read_context(row["context"]) if row["context"] else None
    if row["label_source"] == "human":
        return FrameFacts(row["night"], ("human",), review_weight, context=context)
    words = dict.fromkeys(reason.partition(":")[0] for reason in row["reasons"].split("; "))
    return FrameFacts(row["night"], tuple(filter(None, words)) or ("none",), context=context)
