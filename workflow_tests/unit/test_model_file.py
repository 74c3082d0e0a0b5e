"""The file that a model is kept in: read back as written, and refused, naming it, whenever it is not one."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nebulift.model import checkpoint
from nebulift.model.checkpoint import ModelFileError, NoModel, load_model, save_model, save_no_model
from nebulift.model.description import ModelDescription
from nebulift.model.network import new_network


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    return new_network()


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


def test_a_model_is_read_back_as_written(tmp_path: Path, network: nn.Module) -> None:
    path = tmp_path / "new" / "model.pth"
    save_model(path, network, ModelDescription(1.7, "imagenet"))
    loaded = load_model(path)
    assert loaded.description == ModelDescription(1.7, "imagenet")
    assert not loaded.network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    assert [file.name for file in path.parent.iterdir()] == ["model.pth"]


def test_the_same_network_gives_the_same_bytes(tmp_path: Path, network: nn.Module) -> None:
    save_model(tmp_path / "a.pth", network, ModelDescription(1.0, "none"))
    save_model(tmp_path / "b.pth", network, ModelDescription(1.0, "none"))
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_no_model_says_why(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    save_no_model(path, "3 contaminated frames, 8 are needed")
    with pytest.raises(NoModel, match=r"model\.pth.*3 contaminated frames") as caught:
        load_model(path)
    assert caught.value.reason == "3 contaminated frames, 8 are needed"


class Payload:
    """What a malicious pickle holds: code that leaves a trace when it runs."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def pickled(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize(
    ("write", "run"),
    [
        (torch.save, lambda path: torch.load(path, weights_only=False)),
        (pickled, lambda path: pickle.loads(path.read_bytes())),
    ],
)
def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, write: Callable[[object, Path], object], run: Callable[[Path], object]
) -> None:
    path, trace = tmp_path / "model.pth", tmp_path / "trace"
    write({"format": "nebulift-model", "version": 1, "trained": True, "state_dict": Payload(trace)}, path)
    with pytest.raises(ModelFileError, match=r"model\.pth.*would run code"):
        load_model(path)
    assert not trace.exists()
    run(path)  # the payload was a live one
    assert trace.exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" + b"\0" * 50, b"\x80\x02}q\x00"])
def test_another_file_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.pth: not a model file"):
        load_model(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.pth", tmp_path):
        with pytest.raises(ModelFileError, match=f"{path.name}: there is no such model file"):
            load_model(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_model_is_refused(tmp_path: Path, network: nn.Module, share: float) -> None:
    path = tmp_path / "model.pth"
    save_model(path, network, ModelDescription(1.0, "none"))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match=r"model\.pth: not a model file, damaged"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(preview_version=999), "previews of version 999.*train again"),
        (lambda content: content.update(version=2), "model file of version 2"),
        (lambda content: content.update(architecture="resnet18"), r"network of another form \(resnet18\).*train again"),
        (lambda content: content.pop("format"), "not a model written by Nebulift"),
        (lambda content: content["state_dict"].pop("fc.bias"), "incomplete or damaged"),
        (lambda content: content.update(temperature=float("nan")), "incomplete or damaged"),
        (lambda content: content.pop("temperature"), "incomplete or damaged"),
        (lambda content: content.update(classes=["clean", "contaminated"]), "incomplete or damaged"),
        (lambda content: content.update(state_dict=[1, 2]), "incomplete or damaged"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, network: nn.Module, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = tmp_path / "model.pth"
    save_model(path, network, ModelDescription(1.0, "none"))
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=rf"model\.pth: .*{message}"):
        load_model(path)


def test_a_full_disk_keeps_the_old_model(tmp_path: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pth"
    save_model(path, network, ModelDescription(1.5, "none"))

    def half_written(content: object, file: Any) -> None:
        file.write(b"PK half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", half_written)
    with pytest.raises(OSError, match="No space left"):
        save_model(path, network, ModelDescription(9.9, "none"))
    assert load_model(path).description.temperature == 1.5
    assert [file.name for file in tmp_path.iterdir()] == ["model.pth"]
