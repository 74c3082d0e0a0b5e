"""One frame at a time, one thread: the exported network on ONNX Runtime, also in int8, against torch."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.reporting.tables import held, markdown_table
from benchmarks.training.nights import FIRST_SEED, SIZE_PX, night
from benchmarks.training.records import Plan, Record
from nebulift.dataset.preview import read_preview
from nebulift.model.checkpoint import TorchModel
from nebulift.model.description import ModelDescription
from nebulift.model.export import export_onnx
from nebulift.model.inference import Model
from nebulift.model.network import build_network
from nebulift.model.network_input import network_input
from nebulift.model.onnx_file import load_onnx_model
from nebulift.model.quantized import export_quantized
from nebulift.simulate.catalogue import set_ups

NAME, ALONE = "inference", True
FRAMES, CALIBRATED, PASSES = 150, 40, 3
TARGET, UNCHANGED = 2.0, 0.999
NAMES = {"torch": "torch, single precision", "onnx": "ONNX Runtime", "int8": "ONNX Runtime, int8"}


def tasks(plan: Plan) -> list[Record]:
    """Return the one comparison."""
    return [{"half": plan.half, "frames": plan.some(FRAMES, 60)}]


def observe(task: Record, kept: Path) -> list[Record]:
    """Return seconds per frame, the best of repeated passes, and how often the decision is another than torch's."""
    torch.set_num_threads(1)
    set_up, seed = set_ups(task["half"], *SIZE_PX)[0], FIRST_SEED[task["half"]] + 300_000
    frames = night(set_up, seed, task["frames"], kept / "nights")
    inputs = [(network_input(read_preview(one.preview)), one.context) for one in frames]
    network, _ = build_network("nebulift")
    network.eval()
    description = ModelDescription(1.0, "nebulift")
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        export_onnx(Path(folder) / "model.onnx", network, description)
        export_quantized(Path(folder) / "int8.onnx", Path(folder) / "model.onnx", inputs[:CALIBRATED])
        models: dict[str, Model] = {
            "torch": TorchModel(network, description),
            "onnx": load_onnx_model(Path(folder) / "model.onnx"),
            "int8": load_onnx_model(Path(folder) / "int8.onnx"),
        }
        return [{"frames": len(inputs), **{name: _asked(model, inputs) for name, model in models.items()}}]


def _asked(model: Model, inputs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Record:
    passes = []
    for _ in range(PASSES):
        begun = time.process_time()
        answers = [model.logits(preview[np.newaxis], context[np.newaxis]) for preview, context in inputs]
        passes.append((time.process_time() - begun) / len(inputs))
    return {"seconds": min(passes), "clean": [int(answer.argmax()) for answer in answers]}


def text(records: Sequence[Record]) -> tuple[str, list[bool | None]]:
    """Return the table, and which targets were reached."""
    (record,) = records
    plain = record["torch"]
    rows, judged = [], []
    for name, words in NAMES.items():
        faster = plain["seconds"] / record[name]["seconds"]
        same = np.mean(np.array(record[name]["clean"]) == plain["clean"])
        times = "" if name == "torch" else f"{faster:.2f}"
        unchanged = "" if name == "torch" else f"{100 * same:.1f} %"
        if name == "onnx":
            judged = [faster >= TARGET, bool(same >= UNCHANGED)]
        rows.append([words, f"{1000 * record[name]['seconds']:.1f} ms", times, unchanged])
    rows.append(["target of ONNX Runtime", "", f"at least {TARGET:g}", f"at least {100 * UNCHANGED:g} %"])
    rows.append(["", "", *(held(bool(one)) for one in judged)])
    page = (
        "### Inference\n\n"
        + markdown_table(["what", "per frame", "times faster than torch", "decision unchanged"], rows)
        + f"\nProcessor time, one thread each, {record['frames']} frames of a simulated night asked about one by one,"
        f" the best of {PASSES} passes.\n"
    )
    return page, judged
