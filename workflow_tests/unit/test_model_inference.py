"""Inference: calibrated probabilities, each frame's its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nebulift.dataset.context import alone
from nebulift.dataset.preview import write_preview
from nebulift.model.checkpoint import NoModel, save_model, save_no_model
from nebulift.model.description import ModelDescription
from nebulift.model.inference import Predictor
from nebulift.model.network import new_network


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network = new_network()
    torch.nn.init.normal_(network.fc.weight, std=0.05)
    return network


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("previews")
    random = np.random.default_rng(0)
    made = [folder / f"{number}.png" for number in range(5)]
    for number, path in enumerate(made):
        write_preview(path, random.integers(0, 40 * (number + 1), (224, 224, 3)).astype(np.uint8))
    return made


def predictor(folder: Path, network: nn.Module, temperature: float = 1.0) -> Predictor:
    save_model(folder / "model.pth", network, ModelDescription(temperature, "none"))
    return Predictor.load(folder / "model.pth")


def test_a_frame_is_judged_alike_in_any_company(tmp_path: Path, network: nn.Module, paths: list[Path]) -> None:
    judge = predictor(tmp_path, network)
    together = judge.predict(paths)
    assert together.dtype == np.float64
    assert ((together > 0) & (together < 1)).all()
    assert len(set(together.round(6))) == 5
    np.testing.assert_allclose(judge.predict(paths[::-1], batch_size=2)[::-1], together, atol=1e-5)
    np.testing.assert_allclose(judge.predict(paths[3:4]), together[3:4], atol=1e-5)


def test_what_the_night_tells_of_a_frame_counts(tmp_path: Path, network: nn.Module, paths: list[Path]) -> None:
    judge = predictor(tmp_path, network)
    told = alone(5)
    told[1] = 1.0
    changed = judge.predict(paths, told, batch_size=2) != judge.predict(paths, batch_size=2)
    assert changed.tolist() == [False, True, False, False, False]


def test_the_temperature_divides_the_logits(tmp_path: Path, network: nn.Module, paths: list[Path]) -> None:
    plain, cooled = (predictor(tmp_path, network, t).predict(paths[:2]) for t in (1.0, 2.5))
    np.testing.assert_allclose(np.log(plain / (1 - plain)), 2.5 * np.log(cooled / (1 - cooled)), atol=1e-5)


def test_nothing_to_predict_is_no_error(tmp_path: Path, network: nn.Module) -> None:
    assert predictor(tmp_path, network).predict([]).shape == (0,)


def test_what_cannot_be_predicted_is_named(tmp_path: Path, network: nn.Module, paths: list[Path]) -> None:
    judge = predictor(tmp_path, network)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for path in (tmp_path / "gone.png", broken):
        with pytest.raises(OSError, match=path.name):
            judge.predict([*paths[:1], path])
    with pytest.raises(ValueError, match="batch_size"):
        judge.predict(paths, batch_size=0)


def test_a_file_without_a_model_says_so(tmp_path: Path) -> None:
    save_no_model(tmp_path / "model.pth", "too few frames")
    with pytest.raises(NoModel, match="too few frames"):
        Predictor.load(tmp_path / "model.pth")
