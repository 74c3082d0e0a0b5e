"""What training minimises: classes and labels by their weights, and what is measured along."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR

from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.epochs import LossNotFinite, WeightedLoss, class_weights, train_epoch, validate
from nebulift.model.examples import Previews
from nebulift.model.network import Inputs
from nebulift.stages import train as stage
from nebulift.tables import write_table
from unit.labelled_pictures import dataset_row, picture, previews, settings


class Constant(nn.Module):
    """A network that can only learn how frequent the classes are."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, inputs: Inputs) -> Tensor:
        return self.bias.expand(len(inputs[0]), 2)


def test_class_weights_keep_a_rare_class_from_being_drowned() -> None:
    dataset = AstroImageDataset([Path(f"{index}.png") for index in range(24)], [1] * 20 + [0] * 4, load=picture)
    examples = Previews(dataset)
    weights = class_weights(examples.labels)
    assert weights.tolist() == pytest.approx([3.0, 0.6])

    def learnt(weight: Tensor) -> float:
        network = Constant()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
        for _ in range(40):
            train_epoch(
                network, examples, 24, optimizer, ConstantLR(optimizer, 1.0),
                WeightedLoss(weight), torch.Generator().manual_seed(0),
            )  # fmt: skip
        return float(torch.softmax(network.bias.detach(), dim=0)[1])

    assert learnt(torch.ones(2)) == pytest.approx(20 / 24, abs=0.02)
    assert learnt(weights) == pytest.approx(0.5, abs=0.02)


def learnt_share_of_clean(weights: list[float]) -> float:
    """Return the probability of clean learned from one contaminated and three clean frames that look alike."""
    paths, labels = [Path("0.png")] * 4, [0, 1, 1, 1]
    facts = [FrameFacts(weight=weight) for weight in weights]
    examples = Previews(AstroImageDataset(paths, labels, load=picture, facts=facts))
    network = Constant()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for _ in range(60):
        criterion, order = WeightedLoss(torch.ones(2)), torch.Generator()
        train_epoch(network, examples, 4, optimizer, ConstantLR(optimizer, 1.0), criterion, order)
    return float(torch.softmax(network.bias.detach(), dim=0)[1])


def test_a_persons_label_counts_as_many_of_the_rules() -> None:
    assert learnt_share_of_clean([1.0, 1.0, 1.0, 1.0]) == pytest.approx(3 / 4, abs=0.02)
    assert learnt_share_of_clean([3.0, 1.0, 1.0, 1.0]) == pytest.approx(3 / 6, abs=0.02)
    assert learnt_share_of_clean([9.0, 1.0, 1.0, 1.0]) == pytest.approx(3 / 12, abs=0.02)


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    loss = WeightedLoss(torch.tensor([2.0, 0.5]))(
        logits, torch.tensor([0, 1]), torch.tensor([1.0, 3.0]), torch.zeros(2, 0)
    )
    # The contaminated frame has a loss of ln 2 and a weight of 2, the clean one ln 4/3 and 1.5.
    assert float(loss) == pytest.approx((2 * math.log(2) + 1.5 * math.log(4 / 3)) / 3.5)


def test_what_is_measured_adds_its_squared_error_to_the_loss() -> None:
    outputs = torch.tensor([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0, 0.0]])
    measured = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    loss = WeightedLoss(torch.ones(2))(outputs, torch.tensor([0, 1]), torch.ones(2), measured)
    # Of four numbers one is off by 2.
    assert float(loss) == pytest.approx(math.log(2) + 4 * (2**2 / 4))


def test_the_classes_are_balanced_by_what_their_labels_count() -> None:
    weights = class_weights(torch.tensor([0, 1, 1]), torch.tensor([3.0, 1.0, 2.0]))
    assert weights.tolist() == pytest.approx([1.0, 1.0])


def test_reviews_count_more_in_the_dataset_that_trains_and_no_more_in_the_one_that_validates(tmp_path: Path) -> None:
    rows = [dataset_row(f"{side}{source}", side, source) for side in ("train", "val") for source in ("cv", "human")]
    write_table(tmp_path / "dataset.tsv", "dataset", rows)
    seen: dict[str, list[float]] = {}

    def fake(train: AstroImageDataset, validation: AstroImageDataset, *_: object, **__: object) -> None:
        seen["train"] = [facts.weight for facts in train.facts]
        seen["validation"] = [facts.weight for facts in validation.facts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "train_or_explain", fake)
        stage.train_model(tmp_path / "dataset.tsv", tmp_path / "model", settings(review_weight=5.0))
    assert seen == {"train": [1.0, 5.0], "validation": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("source", "reasons", "words"),
    [
        ("cv", "", ("none",)),
        (
            "cv",
            "streak: significance 40 > 9.5; cloud: transparency 0.5 < 0.9; cloud: hidden 0.3 > 0.1",
            ("streak", "cloud"),
        ),
        ("human", "human: I say; streak: no; focus: FWHM ratio 2 > 1.5", ("human",)),
    ],
)
def test_a_frame_of_the_dataset_comes_with_its_night_and_reasons(
    tmp_path: Path, source: str, reasons: str, words: tuple[str, ...]
) -> None:
    write_table(tmp_path / "dataset.tsv", "dataset", [dataset_row("x", "val", source) | {"reasons": reasons}])
    (facts,) = stage.load_split(tmp_path / "dataset.tsv", "val").facts
    assert (facts.night, facts.reasons) == ("a", words)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of a label is a number above 0"):
        AstroImageDataset([Path("a.png")], [1], facts=[FrameFacts(weight=weight)])
    with pytest.raises(ValueError, match="1 images but 2 facts"):
        AstroImageDataset([Path("a.png")], [1], facts=[FrameFacts(), FrameFacts()])
    with pytest.raises(ValueError, match="the same numbers are to be measured of every frame"):
        AstroImageDataset([Path("a.png")] * 2, [1, 0], facts=[FrameFacts(), FrameFacts(measured=(1.0,))])


def test_a_step_that_would_spoil_the_weights_is_not_taken() -> None:
    network = Constant()
    nn.init.constant_(network.bias, float("nan"))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    examples, criterion = Previews(previews(0, 4)), WeightedLoss(torch.ones(2))
    with pytest.raises(LossNotFinite):
        train_epoch(network, examples, 4, optimizer, ConstantLR(optimizer), criterion, torch.Generator())
    with pytest.raises(LossNotFinite):
        validate(network, examples, criterion)
    assert network.bias.grad is None
