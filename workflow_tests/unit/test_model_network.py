"""What a network's weights start from."""

import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torchvision.models import ResNet18_Weights, resnet18

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model import network as network_module
from nebulift.model.checkpoint import ModelFileError, NoModel, save_model, save_no_model
from nebulift.model.description import ModelDescription
from nebulift.model.network import build_network, new_network
from nebulift.model.training import TrainingSettings
from nebulift.model.weights_file import SHIPPED_WEIGHTS, read_weights
from unit.test_model_file import Payload

IMAGENET_FILE = Path(ResNet18_Weights.IMAGENET1K_V1.url).name


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return torch hub's folder of cached weights, which does not exist yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Count what is asked of the internet, which is not there."""
    asked: list[str] = []

    def urlopen(request: urllib.request.Request, **_: object) -> None:
        asked.append(request.full_url)
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    yield asked


def test_random_weights_follow_the_seed() -> None:
    torch.manual_seed(1)
    first, used = build_network("none")
    torch.manual_seed(1)
    again, _ = build_network("none")
    assert used == "none"
    assert torch.equal(first.state_dict()["conv1.weight"], again.state_dict()["conv1.weight"])
    assert first.eval()((torch.zeros(1, 3, 224, 224), torch.zeros(1, CONTEXT_SIZE))).shape == (1, 2)


def test_imagenet_weights_come_from_the_cache_of_torch_hub(hub: Path, fetches: list[str]) -> None:
    hub.mkdir(parents=True)
    cached = resnet18().state_dict()
    torch.save(cached, hub / IMAGENET_FILE)
    built, used = build_network("imagenet")
    state = built.state_dict()
    assert used == "imagenet"
    assert all(torch.equal(state[name], cached[name]) for name in cached if not name.startswith("fc."))
    assert state["fc.weight"].shape == (2, 512 + CONTEXT_SIZE)
    assert fetches == []


def test_without_internet_training_starts_from_random_weights_and_says_so(
    hub: Path, fetches: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, used = build_network("imagenet")
    assert used == "none"
    assert len(fetches) == 1
    assert "ImageNet weights could not be downloaded" in caplog.text
    assert "no network in tests" in caplog.text
    assert "random weights" in caplog.text
    assert str(hub / IMAGENET_FILE) in caplog.text


def test_a_download_that_breaks_off_falls_back_too(
    hub: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(*_: object, **__: object) -> None:
        assert socket.getdefaulttimeout() is not None
        raise urllib.error.URLError("reset by peer")

    monkeypatch.setattr(network_module, "_reach", lambda _: None)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", load)
    assert build_network("imagenet")[1] == "none"
    assert "reset by peer" in caplog.text
    assert socket.getdefaulttimeout() is None


def test_a_name_server_that_never_answers_is_not_waited_for(
    hub: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered = threading.Event()

    def urlopen(*_: object, **__: object) -> None:
        answered.wait()
        raise urllib.error.URLError("too late")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(network_module, "_PATIENCE_S", 0.2)
    start = time.monotonic()
    try:
        assert build_network("imagenet")[1] == "none"
    finally:
        answered.set()
    assert time.monotonic() - start < 60
    assert "within 0.2 s" in caplog.text


def test_a_damaged_cache_is_named(hub: Path, fetches: list[str]) -> None:
    hub.mkdir(parents=True)
    (hub / IMAGENET_FILE).write_bytes(b"half a download")
    with pytest.raises(ModelFileError, match=rf"{IMAGENET_FILE}.*delete this file"):
        build_network("imagenet")


def test_a_model_of_nebulift_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    trained = new_network()
    save_model(path, trained, ModelDescription(1.0, "none"))
    built, used = build_network(str(path))
    assert used == str(path)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(built.state_dict()[name], tensor), name


def test_a_bare_state_dict_of_other_classes_keeps_all_but_its_last_layer(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    given = resnet18(num_classes=7).state_dict()
    torch.save(given, path)
    state = build_network(str(path))[0].state_dict()
    assert torch.equal(state["layer4.1.conv2.weight"], given["layer4.1.conv2.weight"])
    assert state["fc.weight"].shape == (2, 512 + CONTEXT_SIZE)


def test_our_own_weights_come_with_the_package_and_are_small() -> None:
    assert SHIPPED_WEIGHTS.stat().st_size < 25e6
    assert "made by: nebulift pretrain" in SHIPPED_WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    built, used = build_network("nebulift")
    assert used == "nebulift"
    shipped = read_weights(SHIPPED_WEIGHTS)
    state = built.state_dict()
    assert set(state) == set(shipped)
    assert all(torch.equal(state[name], shipped[name]) for name in state)
    assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}
    assert TrainingSettings().weights == "nebulift"


def test_what_is_pickled_with_code_is_no_weights_to_start_from(tmp_path: Path) -> None:
    for name in ("start.pth", "start.safetensors"):
        torch.save({"state_dict": Payload(tmp_path / "trace")}, tmp_path / name)
        with pytest.raises(ModelFileError, match=name.replace(".", r"\.")):
            build_network(str(tmp_path / name))
    assert not (tmp_path / "trace").exists()


def test_files_that_hold_no_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.pth: there is no such model file"):
        build_network(str(tmp_path / "gone.pth"))
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, other)
    with pytest.raises(ModelFileError, match=r"other\.pth: these are not the weights"):
        build_network(str(other))
    nothing = tmp_path / "nothing.pth"
    save_no_model(nothing, "too few frames")
    with pytest.raises(NoModel, match="too few frames"):
        build_network(str(nothing))
