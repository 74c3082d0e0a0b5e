"""Writing a trained network in the format ONNX, and how far its answers are from torch's."""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.files import replacing
from nebulift.model.description import ModelDescription, content_of_no_model
from nebulift.model.inference import Model
from nebulift.model.onnx_file import CONTEXT, INPUT, LOGITS, METADATA_KEY

_OPSET = 20

FrameInput = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How a model.onnx answers against the network it was made from, on `frames` previews."""

    frames: int
    largest_difference_of_logits: float
    other_class: int


def export_onnx(path: Path, network: nn.Module, description: ModelDescription) -> None:
    """Write a trained network, previews (N, 3, height, width) and contexts -> logits (N, 2), atomically.

    The same network gives the same bytes.
    """
    network.eval()
    example = torch.zeros(2, 3, 224, 224), torch.zeros(2, CONTEXT_SIZE)
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    # The exporter tells its progress on the standard output, which belongs to those who call.
    with redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT, CONTEXT],
            output_names=[LOGITS],
            dynamic_shapes=((free, {0: torch.export.Dim.DYNAMIC}),),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError(f"{path}: torch's exporter wrote no model")
    model = program.model_proto
    _forget_where_it_was_made(model)
    _write(path, model, description.content())


def export_no_model(path: Path, reason: str) -> None:
    """Write a file of the same format that says why there is no model."""
    given, answered = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4) for name in (INPUT, LOGITS)
    )
    nothing = onnx.helper.make_node("Identity", [INPUT], [LOGITS])
    graph = onnx.helper.make_graph([nothing], "none", [given], [answered])
    # IR and operators that any reader of the last years knows.
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=10)
    _write(path, model, content_of_no_model(reason))


def check_export(exported: Model, original: Model, inputs: Sequence[FrameInput]) -> ExportCheck:
    """Hold a model.onnx against the network it was made from, on one or more (preview (3, height, width), context)."""
    answered, expected = (
        np.concatenate([model.logits(*(part[np.newaxis] for part in one)) for one in inputs])
        for model in (exported, original)
    )
    return ExportCheck(
        len(inputs),
        float(np.abs(answered - expected).max()),
        int(np.count_nonzero(answered.argmax(axis=1) != expected.argmax(axis=1))),
    )


def _forget_where_it_was_made(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of the source's files: it is no part of the network, and tells of the machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _write(path: Path, model: onnx.ModelProto, content: Mapping[str, Any]) -> None:
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
