"""Training: it learns, again to the same bytes, keeps the best epoch, and says why when it cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.labels.risk import count_calls
from nebulift.model import phase_run, training
from nebulift.model.checkpoint import load_model
from nebulift.model.dataset import AstroImageDataset, FrameFacts
from nebulift.model.examples import KeptFeatures, Previews
from nebulift.model.inference import Predictor
from nebulift.model.network import new_network
from nebulift.model.phases import plan_phases
from nebulift.model.reproducible import reproducible
from nebulift.model.training import TrainingResult, TrainingSettings, train
from nebulift.tables import read_table
from unit.labelled_pictures import ALL_FILES, Script, picture, previews, random_weights, run, settings, told


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> TrainingResult:
    folder = tmp_path_factory.mktemp("model")
    return train(previews(0, 64, augment=True), previews(1000, 40), settings(), folder, lines.append)


def contexts(dataset: AstroImageDataset) -> NDArray[np.float32]:
    return np.stack([told(int(path.stem)) for path in dataset.image_paths])


def test_it_learns_what_frames_it_never_saw_show(trained: TrainingResult) -> None:
    unseen = previews(5000, 60)
    p_clean = Predictor(load_model(trained.model), load=picture).predict(unseen.image_paths, contexts(unseen))
    assert np.mean((p_clean >= 0.5) == np.array(unseen.labels)) > 0.95


def test_the_metrics_are_those_of_the_model_in_the_file(trained: TrainingResult) -> None:
    written = json.loads((trained.model.parent / "metrics.json").read_text())
    validation = previews(1000, 40)
    model = load_model(trained.model)
    p_clean = Predictor(model, load=picture).predict(validation.image_paths, contexts(validation))
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


@pytest.mark.parametrize("kept", [True, False])
def test_frozen_layers_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    monkeypatch.setattr(KeptFeatures, "fit_for", lambda _: kept)
    start = random_weights(tmp_path)
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
    network = new_network()
    stem, tail = network.stem(), network.tail()
    plain, several = previews(0, 4), previews(0, 4, augment=True)
    kept = KeptFeatures(stem, plain)
    previews_of, contexts = Previews(plain).batch([2, 0])
    with torch.no_grad():
        features, told = kept.batch([2, 0])
        torch.testing.assert_close(features, stem(previews_of), rtol=1e-3, atol=1e-4)
        assert torch.equal(told, contexts)
        assert told.tolist() == [plain.facts[index].context.tolist() for index in (2, 0)]  # type: ignore[union-attr]
        whole = network.eval()((previews_of, contexts))
        torch.testing.assert_close(tail.eval()((features, told)), whole, rtol=1e-3, atol=1e-4)
    turning = KeptFeatures(stem, several)
    variants = [turning.batch([3])[0] for _ in range(5)]
    assert not torch.equal(variants[0], variants[1])
    assert torch.equal(variants[0], variants[4])


def test_what_is_measured_is_learned_and_leaves_a_network_of_two_outputs(tmp_path: Path) -> None:
    plain = previews(0, 16)
    sides: dict[str, AstroImageDataset] = {}
    for name, factor in (("none", None), ("measured", 1.0)):
        facts = [FrameFacts(measured=() if factor is None else (factor * label, 0.5)) for label in plain.labels]
        sides[name] = AstroImageDataset(plain.image_paths, plain.labels, load=picture, facts=facts)
    result = {name: train(side, side, settings(epochs=1), tmp_path / name) for name, side in sides.items()}
    states = {name: load_model(one.model).network.state_dict() for name, one in result.items()}
    assert states["measured"]["fc.weight"].shape == (2, 512 + CONTEXT_SIZE)
    assert not torch.equal(states["measured"]["conv1.weight"], states["none"]["conv1.weight"])
    fitted = result["measured"].fit
    assert fitted is not None and fitted.logits.shape == (16, 2)
    assert result["measured"].metrics["onnx"]["largest_difference_of_logits"] < 1e-4


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
