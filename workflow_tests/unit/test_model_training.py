"""Training: it learns, again to the same bytes, keeps the best epoch, and says why when it cannot."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR

from nebulift.labels.risk import count_calls
from nebulift.model import phase_run, training
from nebulift.model.checkpoint import NoModel, load_model
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.description import ModelDescription
from nebulift.model.epochs import LossNotFinite, WeightedLoss, class_weights, train_epoch, validate
from nebulift.model.examples import KeptFeatures, Previews, split_after_layer3
from nebulift.model.export import export_onnx
from nebulift.model.inference import Predictor, load_any_model
from nebulift.model.network import new_network
from nebulift.model.phases import plan_phases
from nebulift.model.reproducible import reproducible
from nebulift.model.training import TrainingResult, TrainingSettings, train, train_or_explain, untrainable
from nebulift.stages import train as stage
from nebulift.tables import columns, read_table, write_table

SIDE_PX = 64
ALL_FILES = {"model.pth", "model.onnx", "metrics.json", "history.tsv", "history.png", "metrics.png", "args.yaml"}


def picture(path: Path) -> NDArray[np.uint8]:
    """Return a small preview made from the number in its name: blobs, and across an odd one's a bright line."""
    number = int(path.stem)
    random = np.random.default_rng(number)
    pixels = random.normal(60, 6, (SIDE_PX, SIDE_PX, 3))
    for row, column in random.integers(2, SIDE_PX - 2, (12, 2)):
        pixels[row - 1 : row + 2, column - 1 : column + 2] += random.uniform(40, 150)
    preview = np.clip(pixels, 0, 255).astype(np.uint8)
    if number % 2:
        angle, middle = random.uniform(0, math.pi), random.uniform(0.3, 0.7, 2) * SIDE_PX
        reach = SIDE_PX * np.array([math.cos(angle), math.sin(angle)])
        ends = [tuple(map(int, middle + sign * reach)) for sign in (-1, 1)]
        cv2.line(preview, *ends, (255, 255, 255), 3)
    return preview


def previews(first: int, number: int, *, augment: bool = False) -> AstroImageDataset:
    """Return as many clean previews as contaminated ones."""
    paths = [Path(f"{index}.png") for index in range(first, first + number)]
    labels = [1 - index % 2 for index in range(first, first + number)]
    return AstroImageDataset(paths, labels, augment=augment, load=picture)


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(**({"weights": "none", "epochs": 4, "batch_size": 8, "threads": 1} | changes))


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> TrainingResult:
    folder = tmp_path_factory.mktemp("model")
    return train(previews(0, 64, augment=True), previews(1000, 40), settings(), folder, lines.append)


def test_it_learns_what_frames_it_never_saw_show(trained: TrainingResult) -> None:
    unseen = previews(5000, 60)
    p_clean = Predictor(load_model(trained.model), load=picture).predict(unseen.image_paths)
    assert np.mean((p_clean >= 0.5) == np.array(unseen.labels)) > 0.95


def test_the_metrics_are_those_of_the_model_in_the_file(trained: TrainingResult) -> None:
    written = json.loads((trained.model.parent / "metrics.json").read_text())
    validation = previews(1000, 40)
    model = load_model(trained.model)
    p_clean = Predictor(model, load=picture).predict(validation.image_paths)
    right = np.mean((p_clean >= 0.5) == np.array(validation.labels))
    assert written["trained"] is True
    assert written["accuracy"] == pytest.approx(right)
    assert written["best_val_accuracy"] == pytest.approx(100 * right)
    assert written["temperature"] == pytest.approx(model.description.temperature, rel=1e-4)
    assert written["weights_used"] == model.description.weights == "none"
    # What it may promise follows the model wherever it is copied.
    assert model.description.calls == written["calls"] == count_calls(p_clean, validation.labels)
    assert written["counts"] == {
        "train": {"contaminated": 32, "clean": 32},
        "validation": {"contaminated": 20, "clean": 20},
    }
    assert set(written["versions"]) == {"torch", "torchvision"}
    assert (written["onnx"]["frames"], written["onnx"]["other_class"]) == (40, 0)
    assert written["onnx"]["largest_difference_of_logits"] < 1e-4


def test_the_metrics_tell_each_night_and_each_reason_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoch by epoch nothing is learned here: every frame is called clean."""
    monkeypatch.setattr(training, "_exported", lambda *_: {})
    monkeypatch.setattr(phase_run, "train_epoch", lambda *_: (0.5, 0.5))
    monkeypatch.setattr(
        phase_run,
        "validate",
        lambda _, examples, *__: (torch.tensor([[0.0, 1.0]] * len(examples.labels)), 0.5, 0.5, 0.5),
    )
    facts = [
        FrameFacts("a", ("none",)), FrameFacts("a", ("streak", "cloud")), FrameFacts("b", ("none",)),
        FrameFacts("b", ("streak",)), FrameFacts("b", ("human",)), FrameFacts("", ("human",)),
    ]  # fmt: skip
    held_out = AstroImageDataset([Path("0.png")] * 6, [1, 0, 1, 0, 1, 0], load=picture, facts=facts)
    metrics = train(previews(0, 16), held_out, settings(epochs=1), tmp_path).metrics
    assert metrics["nights"] == {"a": {"frames": 2, "accuracy": 0.5}, "b": {"frames": 3, "accuracy": 2 / 3}}
    assert metrics["reasons"] == {
        "cloud": {"frames": 1, "accuracy": 0.0},
        "human": {"frames": 2, "accuracy": 0.5},
        "none": {"frames": 2, "accuracy": 1.0},
        "streak": {"frames": 2, "accuracy": 0.0},
    }
    assert [(one["frames"], one["share_clean"]) for one in metrics["reliability"]] == [(6, 0.5)]


def test_a_model_onnx_that_answers_otherwise_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def another(path: Path, network: nn.Module, description: ModelDescription) -> None:
        export_onnx(path, new_network(), description)

    monkeypatch.setattr(training, "export_onnx", another)
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(epochs=1), tmp_path)
    assert not result.trained
    for file in ("model.pth", "model.onnx"):
        with pytest.raises(NoModel, match="the exported network answers otherwise"):
            load_any_model(tmp_path / file)


def test_history_and_arguments_are_written(trained: TrainingResult, lines: list[str]) -> None:
    rows = read_table(trained.model.parent / "history.tsv", "history")
    assert [(row["epoch"], row["phase"]) for row in rows] == [(1, "half"), (2, "half"), (3, "half"), (4, "full")]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    arguments = yaml.safe_load((trained.model.parent / "args.yaml").read_text())
    assert TrainingSettings(**arguments) == settings()
    progress = [line for line in lines if line.startswith("epoch ")]
    assert len(progress) == 4
    assert progress[2].startswith("epoch 3/4: train loss 0.")
    assert progress[2].endswith(" left")
    assert "validation accuracy" in progress[2]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def files(name: str, seed: int) -> dict[str, bytes]:
        train(previews(0, 16, augment=True), previews(1000, 8), settings(epochs=2, seed=seed), tmp_path / name)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    first = files("first", 0)
    assert set(first) == ALL_FILES
    assert files("again", 0) == first
    assert files("other", 1)["history.tsv"] != first["history.tsv"]


def test_the_state_of_torch_is_left_as_it_was() -> None:
    threads, random_state = torch.get_num_threads(), torch.get_rng_state()
    with reproducible(5, threads + 1):
        torch.rand(3)
        assert torch.get_num_threads() == threads + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), random_state)


Script = Callable[[list[tuple[float, float] | None]], None]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Replace the work of epochs by a list of (balanced accuracy, loss); epoch n leaves n in the last layer's bias."""

    def follow(script: list[tuple[float, float] | None]) -> None:
        epochs = iter(enumerate(script, 1))
        now: list[tuple[float, float]] = []

        def step(network: nn.Module, *_: object) -> tuple[float, float]:
            number, values = next(epochs)
            if values is None:
                raise LossNotFinite
            now[:] = [values]
            last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
            nn.init.constant_(last.bias, number)
            return 0.5, 0.5

        def look(_: nn.Module, examples: Previews, *__: object) -> tuple[Tensor, float, float, float]:
            balanced, loss = now[0]
            return torch.zeros(len(examples.labels), 2), loss, balanced, balanced

        monkeypatch.setattr(phase_run, "train_epoch", step)
        monkeypatch.setattr(phase_run, "validate", look)

    yield follow


def run(folder: Path, **changes: Any) -> tuple[TrainingResult, float]:
    """Return what training made and the number of the epoch whose weights are in the file."""
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(**changes), folder)
    return result, float(load_model(result.model).network.state_dict()["fc.bias"][0])


def test_training_ends_when_patience_does_and_keeps_the_best_epoch(tmp_path: Path, scripted: Script) -> None:
    # Epoch 2 is the best: as accurate as 1 and 4, with a lower loss.
    scripted([(0.8, 0.5), (0.8, 0.4), (0.7, 0.1), (0.8, 0.45), (0.75, 0.2), (0.9, 0.1)])
    start = tmp_path / "start.pth"
    torch.save(new_network().state_dict(), start)
    result, kept = run(tmp_path, weights=str(start), freeze="none", epochs=20, patience=3)
    assert kept == 2
    assert result.metrics["best_epoch"] == 2
    assert result.metrics["epochs_run"] == 5


def test_epochs_on_halved_previews_are_never_kept(tmp_path: Path, scripted: Script) -> None:
    scripted([(1.0, 0.1), (0.9, 0.1), (0.9, 0.1), (0.6, 0.7)])
    result, kept = run(tmp_path, epochs=4)
    assert [row.phase for row in result.fit.history] == ["half", "half", "half", "full"]  # type: ignore[union-attr]
    assert kept == 4


def test_a_loss_that_is_no_number_keeps_the_best_so_far(
    tmp_path: Path, scripted: Script, caplog: pytest.LogCaptureFixture
) -> None:
    scripted([(0.5, 1.0), (0.9, 0.2), (0.8, 0.2), None])
    with caplog.at_level(logging.WARNING):
        _, kept = run(tmp_path, epochs=12, weights=str(_random_weights(tmp_path)), freeze="none")
    assert kept == 2
    assert "stopped in epoch 4" in caplog.text
    assert "best epoch so far is kept" in caplog.text


def test_a_loss_that_is_no_number_from_the_start_makes_no_model(tmp_path: Path, scripted: Script) -> None:
    scripted([None])
    result = train_or_explain(previews(0, 16), previews(1000, 8), settings(), tmp_path)
    assert not result.trained
    with pytest.raises(NoModel, match="lower train: learning_rate"):
        load_model(result.model)


def _random_weights(folder: Path) -> Path:
    torch.save(new_network().state_dict(), folder / "start.pth")
    return folder / "start.pth"


@pytest.mark.parametrize("kept", [True, False])
def test_frozen_layers_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    monkeypatch.setattr(KeptFeatures, "fit_for", lambda _: kept)
    start = _random_weights(tmp_path)
    result = train(
        previews(0, 16, augment=True),
        previews(1000, 8),
        settings(weights=str(start), freeze="layer3", epochs=1),
        tmp_path / "out",
    )
    before, after = torch.load(start, weights_only=True), load_model(result.model).network.state_dict()
    changed = {name.partition(".")[0] for name in after if not torch.equal(before.get(name), after[name])} - {"fc"}
    assert changed == {"layer4"}
    assert result.metrics["weights_used"] == str(start)


def test_kept_features_are_those_of_the_frozen_layers() -> None:
    stem, tail = split_after_layer3(new_network())
    plain, several = previews(0, 4), previews(0, 4, augment=True)
    kept = KeptFeatures(stem, plain)
    inputs = Previews(plain).batch([2, 0])
    with torch.no_grad():
        torch.testing.assert_close(kept.batch([2, 0]), stem(inputs), rtol=1e-3, atol=1e-4)
        assert tail.eval()(kept.batch([1])).shape == (1, 2)
    turning = KeptFeatures(stem, several)
    variants = [turning.batch([3]) for _ in range(5)]
    assert not torch.equal(variants[0], variants[1])
    assert torch.equal(variants[0], variants[4])


class Constant(nn.Module):
    """A network that can only learn how frequent the classes are."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.bias.expand(len(inputs), 2)


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


def test_what_is_measured_is_learned_and_leaves_a_network_of_two_outputs(tmp_path: Path) -> None:
    plain = previews(0, 16)
    sides: dict[str, AstroImageDataset] = {}
    for name, factor in (("none", None), ("measured", 1.0)):
        facts = [FrameFacts(measured=() if factor is None else (factor * label, 0.5)) for label in plain.labels]
        sides[name] = AstroImageDataset(plain.image_paths, plain.labels, load=picture, facts=facts)
    result = {name: train(side, side, settings(epochs=1), tmp_path / name) for name, side in sides.items()}
    states = {name: load_model(one.model).network.state_dict() for name, one in result.items()}
    assert states["measured"]["fc.weight"].shape == (2, 512)
    assert not torch.equal(states["measured"]["conv1.weight"], states["none"]["conv1.weight"])
    fitted = result["measured"].fit
    assert fitted is not None and fitted.logits.shape == (16, 2)
    assert result["measured"].metrics["onnx"]["largest_difference_of_logits"] < 1e-4


def test_the_classes_are_balanced_by_what_their_labels_count() -> None:
    weights = class_weights(torch.tensor([0, 1, 1]), torch.tensor([3.0, 1.0, 2.0]))
    assert weights.tolist() == pytest.approx([1.0, 1.0])


def test_reviews_count_more_in_the_dataset_that_trains_and_no_more_in_the_one_that_validates(tmp_path: Path) -> None:
    rows = [dataset_row(f"{side}{source}", side, source) for side in ("train", "val") for source in ("cv", "human")]
    write_table(tmp_path / "dataset.tsv", "dataset", rows)
    seen: dict[str, list[float]] = {}

    def fake(train: AstroImageDataset, validation: AstroImageDataset, *_: object) -> None:
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


def dataset_row(name: str, side: str, source: str) -> dict[str, Any]:
    return dict.fromkeys(columns("dataset"), "") | {
        "night": "a",
        "frame": name,
        "split": side,
        "label": "clean",
        "label_source": source,
        "preview_path": f"{name}.png",
    }


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


def test_half_precision_learns_about_the_same_and_leaves_single_precision_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_exported", lambda *_: {})
    rows = {}
    for precision in ("float32", "bfloat16"):
        how = settings(epochs=2, precision=precision, learning_rate=1e-4)
        result = train(previews(0, 16), previews(1000, 8), how, tmp_path / precision)
        state = load_model(result.model).network.state_dict()
        assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}
        rows[precision] = read_table(tmp_path / precision / "history.tsv", "history")[0]
    losses = [rows[precision]["train_loss"] for precision in rows]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_phases_share_the_epochs() -> None:
    for epochs in (1, 2, 3, 20):
        for pretrained, freeze in ((True, "auto"), (False, "auto"), (True, "none"), (True, "layer3")):
            phases = plan_phases(epochs, 1e-3, pretrained, freeze)
            assert sum(phase.epochs for phase in phases) == epochs
            assert all(phase.epochs > 0 for phase in phases)
    assert [phase.kind for phase in plan_phases(20, 1e-3, True, "auto")] == ["frozen", "full"]
    assert [phase.kind for phase in plan_phases(20, 1e-3, False, "auto")] == ["half", "full"]


def test_too_few_frames_make_no_model_but_all_files_with_the_reason(tmp_path: Path) -> None:
    few = previews(0, 10)
    result = train_or_explain(few, previews(1000, 8), settings(), tmp_path)
    reason = json.loads((tmp_path / "metrics.json").read_text())["reason"]
    assert "5 contaminated and 5 clean, and 8 of each class are needed" in reason
    assert not result.trained
    assert (tmp_path / "history.tsv").read_text() == "\t".join(columns("history")) + "\n"
    assert yaml.safe_load((tmp_path / "args.yaml").read_text())["minimum_per_class"] == 8
    with pytest.raises(NoModel) as caught:
        load_model(tmp_path / "model.pth")
    assert caught.value.reason == reason


def test_the_reason_names_the_class_that_is_missing() -> None:
    clean_only = AstroImageDataset([Path("2.png")] * 3, [1] * 3, load=picture)
    assert untrainable(previews(0, 16), previews(1000, 2), settings()) is None
    reason = untrainable(previews(0, 16), clean_only, settings())
    assert reason is not None
    assert reason.startswith("no contaminated frame to validate on: 0 contaminated and 3 clean")
    assert "validation_fraction" in reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"freeze": "all"},
        {"precision": "float16"},
        {"review_weight": 0.0},
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        TrainingSettings(**wrong)
