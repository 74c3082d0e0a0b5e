"""model.onnx: it answers as the network it was made from, tells what it is, and is refused whenever it is not one."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from nebulift.dataset.context import CONTEXT_SIZE, alone
from nebulift.labels.risk import count_calls
from nebulift.model import export
from nebulift.model.checkpoint import TorchModel
from nebulift.model.description import ModelDescription, ModelFileError, NoModel
from nebulift.model.export import check_export, export_no_model, export_onnx
from nebulift.model.inference import load_any_model
from nebulift.model.network import new_network
from nebulift.model.onnx_file import METADATA_KEY, load_onnx_model

DESCRIPTION = ModelDescription(1.7, "imagenet", count_calls([0.99, 0.2], [1, 0]))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    network = new_network()
    nn.init.normal_(network.fc.weight, std=0.05)
    # Statistics of batch normalisation that are not those of a new network.
    network.train()
    with torch.no_grad():
        network((torch.randn(8, 3, 64, 64), torch.zeros(8, CONTEXT_SIZE)))
    return network.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, network: nn.Module) -> Path:
    path = tmp_path_factory.mktemp("exported") / "new" / "model.onnx"
    export_onnx(path, network, DESCRIPTION)
    return path


def named(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])


def rewrite(path: Path, source: Path, change: Callable[[onnx.ModelProto, dict[str, Any]], object]) -> Path:
    model = onnx.load(source)
    content = json.loads(model.metadata_props[0].value)
    change(model, content)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    onnx.save(model, path)
    return path


def test_it_answers_as_the_network_it_was_made_from(exported: Path, network: nn.Module) -> None:
    random = np.random.default_rng(0)
    inputs = [
        (random.normal(0, 1, (3, 224, 224)).astype(np.float32), random.normal(0, 1, CONTEXT_SIZE).astype(np.float32))
        for _ in range(4)
    ]
    check = check_export(load_onnx_model(exported), TorchModel(network, DESCRIPTION), inputs)
    assert (check.frames, check.other_class) == (4, 0)
    assert check.largest_difference_of_logits < 1e-4
    other = check_export(load_onnx_model(exported), TorchModel(new_network().eval(), DESCRIPTION), inputs)
    assert other.largest_difference_of_logits > 0.01


def test_it_tells_what_it_is(exported: Path) -> None:
    model = load_any_model(exported)
    assert model.description == DESCRIPTION
    assert model.logits(np.zeros((3, 3, 96, 64), np.float32), alone(3)).shape == (3, 2)
    assert [file.name for file in exported.parent.iterdir()] == ["model.onnx"]


def test_the_same_network_gives_the_same_bytes_and_nothing_of_the_machine(
    tmp_path: Path, exported: Path, network: nn.Module
) -> None:
    export_onnx(tmp_path / "again.onnx", network, DESCRIPTION)
    content = exported.read_bytes()
    assert hashlib.sha256((tmp_path / "again.onnx").read_bytes()).digest() == hashlib.sha256(content).digest()
    for trace in (str(Path(torch.__file__).parents[1]), str(Path(export.__file__).parents[2]), str(tmp_path)):
        assert trace.encode() not in content


def test_no_model_says_why(tmp_path: Path) -> None:
    export_no_model(tmp_path / "model.onnx", "3 contaminated frames, 8 are needed")
    with pytest.raises(NoModel, match=r"model\.onnx.*3 contaminated frames") as caught:
        load_any_model(tmp_path / "model.onnx")
    assert caught.value.reason == "3 contaminated frames, 8 are needed"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" + b"\0" * 50])
def test_another_file_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.onnx: not a model"):
        load_onnx_model(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.onnx", tmp_path):
        with pytest.raises(ModelFileError, match=f"{path.name}: there is no such model file"):
            load_onnx_model(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_model_is_refused(tmp_path: Path, exported: Path, share: float) -> None:
    path = tmp_path / "model.onnx"
    content = exported.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match=r"model\.onnx: not a model in the format ONNX, or damaged"):
        load_onnx_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, content: content.update(preview_version=999), "previews of version 999.*train again"),
        (lambda _, content: content.update(version=2), "model file of version 2"),
        (
            lambda _, content: content.update(architecture="resnet18"),
            r"network of another form \(resnet18\).*train again",
        ),
        (lambda _, content: content.pop("format"), "not a model written by Nebulift"),
        (lambda _, content: content.update(temperature=0), "incomplete or damaged"),
        (lambda _, content: content.pop("temperature"), "incomplete or damaged"),
        (lambda _, content: content.update(classes=["clean", "contaminated"]), "incomplete or damaged"),
        (lambda model, _: model.graph.output.append(model.graph.input[0]), "incomplete or damaged"),
        (lambda model, _: model.graph.input.append(named("third")), "incomplete or damaged"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, exported: Path, change: Callable[[onnx.ModelProto, dict[str, Any]], object], message: str
) -> None:
    path = rewrite(tmp_path / "model.onnx", exported, change)
    with pytest.raises(ModelFileError, match=rf"model\.onnx: .*{message}"):
        load_onnx_model(path)


def test_weights_in_another_file_are_not_looked_for(tmp_path: Path, exported: Path) -> None:
    outside = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(onnx.load(exported), tmp_path / "model.onnx", **outside)
    assert onnx.load(tmp_path / "model.onnx").graph.initializer  # there they are
    with pytest.raises(ModelFileError, match=r"model\.onnx: not a model in the format ONNX, or damaged"):
        load_onnx_model(tmp_path / "model.onnx")


def test_an_onnx_file_of_another_program_is_told_from_a_model(tmp_path: Path, exported: Path) -> None:
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelFileError, match=r"other\.onnx: not a model written by Nebulift"):
        load_onnx_model(tmp_path / "other.onnx")


def test_a_full_disk_keeps_the_old_model(
    tmp_path: Path, exported: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported.read_bytes())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        export_onnx(path, network, ModelDescription(9.9, "none"))
    assert load_onnx_model(path).description == DESCRIPTION
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
