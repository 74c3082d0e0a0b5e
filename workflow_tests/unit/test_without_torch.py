"""Prediction where no torch is installed: in an environment of its own that holds only what scoring needs."""

import importlib.metadata
import subprocess
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

import nebulift
from nebulift.dataset.preview import write_preview
from nebulift.labels.verdict import REVIEW
from nebulift.model.checkpoint import TorchModel, save_model
from nebulift.model.description import ModelDescription
from nebulift.model.export import export_onnx
from nebulift.model.inference import Predictor
from nebulift.model.network import new_network
from nebulift.tables import read_table, write_table
from unit.builders import label_row

TORCHES = ("torch", "torchvision", "torchgen", "functorch", "triton", "onnx", "onnxscript", "onnx_ir")
CODE = """
import sys
from pathlib import Path
from nebulift.labels.decision import DecisionPolicy
from nebulift.stages.predict import predict_night
here, model = Path(sys.argv[1]), sys.argv[2]
predict_night(here / "labels.tsv", here, here / model, None, here / "predictions.tsv", DecisionPolicy(risk=1))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that lends all but torch and its kin from this one."""
    folder = tmp_path_factory.mktemp("without") / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    lenders = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    for entry in (entry for lender in lenders for entry in lender.iterdir()):
        top = entry.name.partition("-")[0].partition(".")[0]
        if top not in TORCHES and not entry.name.startswith("__editable__") and entry.suffix != ".pth":
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    random = np.random.default_rng(0)
    write_preview(folder / "a.png", random.integers(0, 255, (224, 224, 3)).astype(np.uint8))
    write_table(folder / "labels.tsv", "labels", [label_row("a.fits", REVIEW) | {"preview": "a.png"}])
    torch.manual_seed(0)
    network = new_network().eval()
    export_onnx(folder / "model.onnx", network, ModelDescription(1.0, "none"))
    save_model(folder / "model.pth", network, ModelDescription(1.0, "none"))
    return folder


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    library = str(Path(nebulift.__file__).parents[1])
    return subprocess.run(
        [python, "-c", *arguments],
        env={"PYTHONPATH": library, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_is_no_torch(python: Path) -> None:
    assert importlib.metadata.version("torch")
    assert "No module named 'torch'" in run(python, "import torch").stderr
    assert not run(python, "import numpy, onnxruntime").stderr


def test_a_night_is_decided_on_as_with_torch(python: Path, here: Path) -> None:
    finished = run(python, CODE, str(here), "model.onnx")
    assert finished.returncode == 0, finished.stderr
    (row,) = read_table(here / "predictions.tsv", "predictions")
    network = new_network().eval()
    network.load_state_dict(torch.load(here / "model.pth", weights_only=True)["state_dict"])
    (expected,) = Predictor(TorchModel(network, ModelDescription(1.0, "none"))).predict([here / "a.png"])
    assert row["p_clean"] == pytest.approx(expected, abs=1e-5)


def test_a_model_that_needs_torch_says_what_to_give_instead(python: Path, here: Path) -> None:
    finished = run(python, CODE, str(here), "model.pth")
    assert finished.returncode != 0
    last = finished.stderr.strip().splitlines()[-1]
    assert "model.pth: reading it needs torch, which is not installed here; give the model.onnx" in last
