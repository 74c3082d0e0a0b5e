"""Weights to start from: read back as written but for half precision, and refused wherever they are none."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nebulift.model import weights_file
from nebulift.model.description import ModelFileError
from nebulift.model.network import build_network, new_network
from nebulift.model.weights_file import read_weights, write_weights


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    return new_network()


@pytest.fixture
def path(tmp_path: Path, network: nn.Module) -> Path:
    write_weights(tmp_path / "w.safetensors", network)
    return tmp_path / "w.safetensors"


def test_weights_are_read_back_in_single_precision(path: Path, network: nn.Module) -> None:
    read = read_weights(path)
    for name, tensor in network.state_dict().items():
        assert read[name].dtype == tensor.dtype
        torch.testing.assert_close(read[name], tensor, rtol=1e-3, atol=1e-6)
    assert path.stat().st_size < 25e6


def test_training_starts_from_a_file_of_weights(path: Path) -> None:
    built, used = build_network(str(path))
    assert used == str(path)
    assert all(torch.equal(tensor, built.state_dict()[name]) for name, tensor in read_weights(path).items())


def test_the_same_network_gives_the_same_bytes(path: Path, network: nn.Module) -> None:
    write_weights(path.with_name("again.safetensors"), network)
    assert path.read_bytes() == path.with_name("again.safetensors").read_bytes()


def test_what_half_precision_cannot_hold_is_refused_and_the_old_file_kept(path: Path) -> None:
    before, huge = path.read_bytes(), new_network()
    with torch.no_grad():
        huge.get_parameter("fc.weight")[0, 0] = 1e6
    with pytest.raises(ValueError, match=r"fc\.weight has values that half precision cannot hold"):
        write_weights(path, huge)
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_damaged_file_is_named(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match=r"w\.safetensors: not a file of weights, or damaged"):
        read_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.safetensors: there is no such model file"):
        build_network(str(tmp_path / "gone.safetensors"))


def test_weights_of_another_program_are_told_from_ours(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}, {"nebulift": json.dumps({"format": "other"})}):
        save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors", metadata)
        with pytest.raises(ModelFileError, match="not weights written by `nebulift pretrain`"):
            read_weights(tmp_path / "other.safetensors")


def test_weights_of_another_form_are_refused(path: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_file, "ARCHITECTURE", "resnet18")
    write_weights(path, network)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"w\.safetensors: weights of another form of network \(resnet18\)"):
        build_network(str(path))


def test_weights_for_other_previews_are_refused(
    path: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_file, "PREVIEW_VERSION", 999)
    write_weights(path, network)
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"previews of version 999.*nebulift pretrain"):
        build_network(str(path))
