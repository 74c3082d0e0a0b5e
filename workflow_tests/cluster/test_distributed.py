"""Training by several processes on this machine: what one process learns, whoever goes on with it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster import trained_together
from cluster.trained_together import exact_steps, frames, trained, with_frozen_layers
from nebulift.model import fitting
from nebulift.model.epochs import _read, batches
from nebulift.model.examples import KeptFeatures, Previews
from nebulift.model.model_file import read_weights_file
from nebulift.model.processes import Processes, ProcessLost, free_port, interface_of, joined_processes
from nebulift.model.training import train
from nebulift.model.unfinished import FILE
from nebulift.stages import train_on_nodes
from nebulift.tables import read_table
from unit.labelled_pictures import previews, settings

EPOCHS = 6


class Cut(BaseException):
    """Ends a training as from outside."""


LOSSES = ("train_loss", "val_loss")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train in one process, four epochs with frozen layers, two of all."""
    folder = tmp_path_factory.mktemp("alone")
    trained(folder, epochs=EPOCHS)
    return folder


def together(number: int, folder: Path, how: Mapping[str, Any] | None = None) -> tuple[int, str]:
    """Let so many processes do what trained_together does; return the exit code and what they printed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", str(number)),
            *("--master-addr", "127.0.0.1", "--master-port", str(free_port())),
            *(trained_together.__file__, str(folder), json.dumps(how)),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_same_curve(folder: Path, expected: Path) -> None:
    """Check that the losses of all epochs are those of another training within 1e-4."""
    curves = [read_table(one / "history.tsv", "history") for one in (folder, expected)]
    assert len(curves[0]) == len(curves[1])
    for row, other in zip(*curves, strict=True):
        assert row["phase"] == other["phase"]
        assert [row[name] for name in LOSSES] == pytest.approx([other[name] for name in LOSSES], abs=1e-4)


def test_it_goes_on_with_any_number_of_processes_and_learns_what_one_learns(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two epochs by three processes, of which one is killed; one epoch by one; the rest, over two phases, by two."""
    folder = tmp_path / "model"
    code, output = together(3, folder, {"epochs": EPOCHS, "killed": [1, 3]})
    assert code != 0
    assert output.count("epoch 2/6") == 1, output  # only the first one tells
    assert "rank      : 1 (local_rank: 1)" in output and "Signal 9" in output
    assert names(folder) == {FILE}

    done: list[int] = []
    epoch = fitting.PhaseRun.epoch

    def one_more(*given: Any) -> Any:
        if done:
            raise Cut
        done.append(1)
        return epoch(*given)

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(fitting.PhaseRun, "epoch", one_more)
        trained(folder, epochs=EPOCHS)
    assert "training goes on behind epoch 2" in capsys.readouterr().out
    # What is augmented next does not follow from who read what.
    assert set(read_weights_file(folder / FILE)["state"]["run"]["reads"]["train"]) == {3}

    code, output = together(2, folder, {"epochs": EPOCHS})
    assert code == 0, output
    assert "training goes on behind epoch 3" in output
    assert_same_curve(folder, alone)
    assert names(folder) == names(alone)


def test_a_step_of_several_processes_is_the_step_of_one(tmp_path: Path) -> None:
    """Also without kept features; to 12 digits where numbers have 16."""
    expected = exact_steps()
    with_frozen_layers(tmp_path / "alone")
    code, output = together(2, tmp_path / "together")
    assert code == 0, output
    for rank in range(2):
        assert json.loads((tmp_path / "together" / f"exact-{rank}.json").read_text()) == pytest.approx(
            expected, rel=1e-10, abs=1e-12
        )
    assert_same_curve(tmp_path / "together", tmp_path / "alone")


@pytest.mark.parametrize("number", [2, 3, 5])
def test_every_frame_of_a_batch_is_read_by_one_process_alone(number: int) -> None:
    sides = [Previews(previews(0, 18, augment=True)) for _ in range(number)]
    for batch in batches(18, 7, torch.Generator().manual_seed(1)):
        shares = [Processes(rank, number).share(batch) for rank in range(number)]
        assert torch.equal(torch.cat(shares), batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        for share, examples in zip(shares, sides, strict=True):
            assert len(_read(examples, batch, share)[0]) == len(share)
    assert [examples.reads for examples in sides] == [[1] * 18] * number


def test_each_process_computes_the_features_of_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    class Stem(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            computed.append(len(inputs))
            return inputs.mean((2, 3))

    monkeypatch.setattr(Processes, "joined", lambda _, part, number: part.repeat(2, 1)[:number])
    dataset = previews(0, 18, augment=True)
    KeptFeatures(Stem(), dataset, Processes(1, 2))
    assert len(computed) == 9 * 4  # of four variants
    assert dataset.reads == [4] * 18


def test_more_processes_than_frames_of_a_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nodes: 6 cannot share the 4 frames of a step; raise train: batch_size"):
        train(*frames(), settings(batch_size=5), tmp_path, processes=Processes(0, 6))


def test_a_process_that_nobody_started_with_others_says_so() -> None:
    for environment in ({}, {"RANK": "0", "WORLD_SIZE": "2"}, {"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}):
        with pytest.raises(ValueError, match="processes that torchrun or srun starts"), joined_processes(environment):
            pass


def test_threads_of_a_node_are_shared_by_its_processes() -> None:
    assert [Processes(0, 4, here).threads(4) for here in (1, 2, 4, 8)] == [4, 2, 1, 1]
    assert Processes(0, 4, 4).threads(None) is None


def test_an_error_of_sending_tells_that_another_process_is_gone() -> None:
    environment = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    for error, expected in (
        ("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:2001", ProcessLost),
        ("sizes do not match", RuntimeError),
    ):
        with (
            pytest.raises(expected) as caught,
            joined_processes(environment | {"MASTER_PORT": str(free_port())}) as processes,
        ):
            assert processes == Processes()
            raise RuntimeError(error)
        assert ("training goes on behind its last whole epoch" in str(caught.value)) is (expected is ProcessLost)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="interfaces have other names")
def test_the_interface_is_found_by_its_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("203.0.113.1") is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "1"}, True),
        ({"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "2"}, True),
        ({"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "1"}, False),
    ],
)
def test_srun_is_used_in_a_job_of_enough_nodes(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_on_nodes.shutil, "which", lambda _: "/usr/bin/srun")
    assert train_on_nodes.in_slurm_job_of(2, environment) is expected
