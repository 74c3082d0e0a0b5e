"""Training on two nodes of a real Slurm, one of which loses its process."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import cv2
import pytest

from cluster.slurm import SlurmCluster
from cluster.test_distributed import assert_same_curve
from cluster.test_slurm import ON_SLURM
from cluster.trained_together import LEARNING_RATE
from nebulift.dataset.preview import PREVIEW_SIZE_PX, write_preview
from nebulift.model.unfinished import FILE
from nebulift.tables import write_table
from unit.labelled_pictures import dataset_row, picture
from workflow.runs import Run, finish

TRAINING = {"epochs": 6, "batch_size": 6, "patience": 6, "threads": 1, "learning_rate": LEARNING_RATE}
# The dataset is there already; nothing has to be known of where it came from.
ONLY_TRAINING = ("--allowed-rules", "model")


@pytest.fixture
def graded(tmp_path: Path) -> Run:
    """Lay out the dataset of a night that was graded."""
    run = Run(tmp_path / "run").configure({"train": TRAINING})
    rows = []
    for side, numbers in (("train", range(16)), ("val", range(1000, 1008))):
        for number in numbers:
            path = tmp_path / f"{number}.png"
            write_preview(path, cv2.resize(picture(path), (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX)))
            label = "contaminated" if number % 2 else "clean"
            rows.append(dataset_row(path.stem, side, "cv") | {"label": label, "preview_path": str(path)})
    write_table(run.results / "dataset" / "dataset.tsv", "dataset", rows)
    return run


def test_two_nodes_learn_what_one_does_and_go_on_when_one_is_lost(
    slurm: SlurmCluster, graded: Run, tmp_path: Path
) -> None:
    graded.succeed("model", options=ONLY_TRAINING)
    shutil.move(graded.results / "model", tmp_path / "alone")

    graded.change(train={"nodes": 2})
    before = set(slurm.jobs("all"))
    process = graded.start("model", cores=4, options=(*ON_SLURM, *ONLY_TRAINING))
    slurm.wait(lambda: (graded.results / "model" / FILE).exists() or process.poll() is not None, "an epoch", 240)
    training = trainers(slurm)
    assert sorted(training) == ["0", "1"]
    assert len({node for node, _ in training.values()}) == 2
    os.kill(training["1"][1], signal.SIGKILL)
    code, output = finish(process, 600)
    assert code == 0, output
    assert "Trying to restart job" in output
    log = (graded.results / "logs" / "model.log").read_text()
    assert "training goes on behind epoch" in log
    assert len(set(slurm.jobs("all")) - before) == 2
    assert_same_curve(graded.results / "model", tmp_path / "alone")

    # Without Slurm as many processes on one machine make the very same bytes.
    on_slurm = {name: (graded.results / "model" / name).read_bytes() for name in ("model.pth", "history.tsv")}
    shutil.rmtree(graded.results / "model")
    outcome = graded.succeed("model", options=ONLY_TRAINING)
    assert "as many processes share this machine" in outcome.output
    assert {name: (graded.results / "model" / name).read_bytes() for name in on_slurm} == on_slurm


def trainers(slurm: SlurmCluster) -> dict[str, tuple[str, int]]:
    """Give of each process that trains on this cluster, by its rank, the name of its node and its number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            program, *arguments = (path / "cmdline").read_bytes().split(b"\0")
            entries = (path / "environ").read_bytes().split(b"\0")
            environment = dict(entry.decode().partition("=")[::2] for entry in entries)
            node = environment.get("SLURMD_NODENAME", "")
            if b"nebulift.stages.train_process" in arguments and not program.endswith(b"srun") and node in slurm.nodes:
                found[environment["SLURM_PROCID"]] = (node, int(path.name))
    return found
