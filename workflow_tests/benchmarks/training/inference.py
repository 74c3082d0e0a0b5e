"""One frame at a time, one thread: the exported network on ONNX Runtime against torch."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.reporting.tables import held, markdown_table
from nebulift.model.checkpoint import TorchModel
from nebulift.model.description import ModelDescription
from nebulift.model.export import export_onnx
from nebulift.model.inference import Model
from nebulift.model.network import build_network
from nebulift.model.onnx_file import load_onnx_model

TARGET = 2.0


def observe(frames: int, seed: int = 0) -> dict[str, Any]:
    """Return seconds per frame of both, the best of repeated passes, and how often the decision is another."""
    torch.set_num_threads(1)
    network, _ = build_network("nebulift")
    network.eval()
    description = ModelDescription(1.0, "nebulift")
    inputs = np.random.default_rng(seed).normal(0, 1, (frames, 1, 3, 224, 224)).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="nebulift-benchmark-") as folder:
        export_onnx(Path(folder) / "model.onnx", network, description)
        exported = load_onnx_model(Path(folder) / "model.onnx")
        plain = TorchModel(network, description)
        seconds: dict[str, float] = {}
        answers: dict[str, Any] = {}
        models: tuple[tuple[str, Model], ...] = (("torch", plain), ("onnx", exported))
        for name, model in models:
            passes = []
            for _ in range(3):
                begun = time.process_time()
                answers[name] = np.concatenate([model.logits(one) for one in inputs])
                passes.append((time.process_time() - begun) / frames)
            seconds[name] = min(passes)
    other = int(np.count_nonzero(answers["torch"].argmax(axis=1) != answers["onnx"].argmax(axis=1)))
    return {"frames": frames, "torch_s": seconds["torch"], "onnx_s": seconds["onnx"], "other": other}


def text(record: dict[str, Any]) -> str:
    """Return the table."""
    faster = record["torch_s"] / record["onnx_s"]
    rows = [
        ["torch, single precision", f"{1000 * record['torch_s']:.1f} ms", "", ""],
        ["ONNX Runtime", f"{1000 * record['onnx_s']:.1f} ms", "", ""],
        ["times faster", f"{faster:.2f}", f"at least {TARGET:g}", held(faster >= TARGET)],
        ["other decisions", f"{record['other']} of {record['frames']}", "at most 0.1 %", held(record["other"] == 0)],
    ]
    return (
        "### Inference\n\n"
        + markdown_table(["what", "measured", "target", ""], rows)
        + "\nProcessor time per frame, one thread each, inputs of noise, the best of three passes.\n"
    )
