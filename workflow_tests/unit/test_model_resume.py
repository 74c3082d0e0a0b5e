"""A training that was ended from outside goes on, and ends with the very bytes of one that was not."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nebulift.model import phase_run, training, unfinished
from nebulift.model.dataset import FrameFacts
from nebulift.model.network import new_network
from nebulift.model.training import TrainingResult, train, train_or_explain
from nebulift.model.unfinished import FILE, UnfinishedTraining
from unit.labelled_pictures import ALL_FILES, previews, settings
from unit.test_model_file import Payload

CHILD = """
import sys
from pathlib import Path
from nebulift.model.training import train
from unit.labelled_pictures import previews, settings
frames = previews(0, 16, augment=True), previews(1000, 8)
train(*frames, settings(epochs=4, weights=sys.argv[2]), Path(sys.argv[1]), print)
"""


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out model.onnx, which is made when training is over."""
    monkeypatch.setattr(training, "_exported", lambda *_: {})


class Killed(BaseException):
    """Ends a training as from outside."""


def trained(folder: Path, measured: bool = False, **changes: Any) -> TrainingResult:
    frames = previews(0, 16, augment=True), previews(1000, 8)
    if measured:
        for side in frames:
            side.facts = [FrameFacts(measured=(0.1 * number, 1.0)) for number in range(len(side))]
    return train(*frames, settings(**({"epochs": 4} | changes)), folder, lines.append)


lines: list[str] = []


@pytest.fixture(autouse=True)
def no_lines() -> None:
    lines.clear()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("start") / "start.pth"
    torch.save(new_network().state_dict(), path)
    return str(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def end_behind(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the training after so many epochs end."""
    original, done = phase_run.train_epoch, []

    def counted(*given: Any) -> tuple[float, float]:
        if len(done) == epoch:
            raise Killed
        done.append(1)
        return original(*given)

    monkeypatch.setattr(phase_run, "train_epoch", counted)


def kill_child_behind(epoch: int, folder: Path, weights: str) -> None:
    """Train in a process of its own and kill that one when it has told of an epoch."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), weights], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    told = next((line for line in process.stdout if line.startswith(f"epoch {epoch}/")), None)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.stdout.close()
    assert told is not None


@pytest.mark.parametrize(("pretrained", "epochs"), [(False, (2, 3)), (True, (2,))])
def test_killed_training_ends_with_the_bytes_of_an_unbroken_one(
    tmp_path: Path, start: str, pretrained: bool, epochs: tuple[int, ...]
) -> None:
    weights = start if pretrained else "none"
    trained(tmp_path / "unbroken", weights=weights)
    for epoch in epochs:
        kill_child_behind(epoch, tmp_path / "killed", weights)
    assert (tmp_path / "killed" / FILE).is_file()
    lines.clear()
    trained(tmp_path / "killed", weights=weights)
    (behind,) = [int(line.split()[-1]) for line in lines if line.startswith("training goes on behind epoch")]
    assert behind >= epochs[-1]
    assert len([line for line in lines if line.startswith("epoch ")]) == 4 - behind
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")


@pytest.mark.parametrize("way", ["kept features", "frozen layers", "random weights", "measured numbers"])
@pytest.mark.usefixtures("no_export")
def test_wherever_it_ended_it_goes_on(tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Behind its first epoch, at the end of the first phase, and within the second one."""
    how: dict[str, Any] = {"weights": "none" if way.startswith(("random", "measured")) else start, "epochs": 6}
    how["measured"] = way == "measured numbers"
    monkeypatch.setattr(phase_run.KeptFeatures, "fit_for", lambda _: way == "kept features")
    unbroken = trained(tmp_path / "unbroken", **how)
    lines.clear()
    for epochs in (1, 3, 1):
        with monkeypatch.context() as patch:
            end_behind(epochs, patch)
            with pytest.raises(Killed):
                trained(tmp_path / "ended", **how)
    resumed = trained(tmp_path / "ended", **how)
    assert [line for line in lines if "goes on" in line] == [
        f"training goes on behind epoch {epoch}" for epoch in (1, 4, 5)
    ]
    assert contents(tmp_path / "ended") == contents(tmp_path / "unbroken")
    assert resumed.metrics == unbroken.metrics


@pytest.mark.usefixtures("no_export")
def test_patience_goes_on_being_counted(tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    how: dict[str, Any] = {"weights": start, "freeze": "layer3", "epochs": 30, "patience": 2, "learning_rate": 1e-6}
    trained(tmp_path / "unbroken", **how)
    epochs = len([line for line in lines if line.startswith("epoch ")])
    assert 2 < epochs < 30
    with monkeypatch.context() as patch:
        end_behind(epochs - 1, patch)
        with pytest.raises(Killed):
            trained(tmp_path / "ended", **how)
    trained(tmp_path / "ended", **how)
    assert contents(tmp_path / "ended") == contents(tmp_path / "unbroken")


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_export: None) -> Path:
    """Return a folder in which a training ended behind its first epoch."""
    with monkeypatch.context() as patch:
        end_behind(1, patch)
        with pytest.raises(Killed):
            trained(tmp_path / "ended", epochs=2)
    lines.clear()
    return tmp_path / "ended"


def goes_on() -> bool:
    return any(line.startswith("training goes on") for line in lines)


def test_what_was_ended_is_gone_on_from(ended: Path) -> None:
    trained(ended, epochs=2)
    assert goes_on()
    assert not (ended / FILE).exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch_size": 4}, {"learning_rate": 2e-3}, {"epochs": 3}])
def test_other_settings_begin_anew(ended: Path, change: dict[str, Any]) -> None:
    trained(ended, **({"epochs": 2} | change))
    assert not goes_on()


def test_other_frames_begin_anew(ended: Path) -> None:
    train(previews(2, 16, augment=True), previews(1000, 8), settings(epochs=2), ended, lines.append)
    assert not goes_on()


def test_another_torch_begins_anew(ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "version", lambda name: "9.9")
    trained(ended, epochs=2)
    assert not goes_on()


def test_a_damaged_file_begins_anew_and_a_malicious_one_is_not_run(
    ended: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (ended / FILE).read_bytes()
    trace = tmp_path / "trace"
    torch.save({"key": "", "state": Payload(trace)}, ended / "malicious.pth")
    for content in (whole[: len(whole) // 2], (ended / "malicious.pth").read_bytes()):
        caplog.clear()
        (ended / FILE).write_bytes(content)
        with caplog.at_level(logging.WARNING):
            trained(ended, epochs=2)
        assert not goes_on()
        assert "training begins anew" in caplog.text
    assert not trace.exists()


@pytest.mark.usefixtures("no_export")
def test_a_full_disk_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: UnfinishedTraining, *_: object) -> None:
        raise OSError(28, "No space left on device")

    trained(tmp_path / "unbroken", epochs=2)
    monkeypatch.setattr(unfinished, "replacing", full)
    with caplog.at_level(logging.WARNING):
        trained(tmp_path / "full", epochs=2)
    assert caplog.text.count("No space left on device") == 2
    assert contents(tmp_path / "full") == contents(tmp_path / "unbroken")


def test_where_there_is_no_model_nothing_is_left_to_go_on_from(ended: Path) -> None:
    (ended / ".writing-abc.pth").write_bytes(b"half of it")
    train_or_explain(previews(0, 4), previews(1000, 8), settings(), ended)
    assert set(contents(ended)) == ALL_FILES
