"""Weights to start from, in a file that holds numbers and nothing that could run: those that ship with Nebulift."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.files import replacing
from nebulift.model.description import ARCHITECTURE, CLASSES, ModelFileError, require_file

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "nebulift.safetensors"
_FORMAT = "nebulift-weights"
# One entry alone: the order of several would differ from one writing to the next.
_METADATA = "nebulift"


def write_weights(path: Path, network: nn.Module) -> None:
    """Write a network's weights in half precision, atomically; the same network gives the same bytes.

    Raises ValueError where half precision cannot hold a weight.
    """
    tensors = {}
    for name, tensor in network.state_dict().items():
        kept = tensor.half() if tensor.is_floating_point() else tensor
        if not bool(torch.isfinite(kept).all()):
            raise ValueError(f"{path}: {name} has values that half precision cannot hold")
        tensors[name] = kept.contiguous()
    told = {
        "format": _FORMAT,
        "architecture": ARCHITECTURE,
        "classes": list(CLASSES),
        "preview_version": PREVIEW_VERSION,
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {_METADATA: json.dumps(told)}))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file by `write_weights`, in single precision.

    Raises ModelFileError naming the file where it is missing, damaged, another file, or made for other previews.
    """
    require_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            told: dict[str, Any] = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path}: not a file of weights, or damaged ({error}); give another") from error
    if told.get("format") != _FORMAT:
        raise ModelFileError(f"{path}: not weights written by `nebulift pretrain`; give others")
    if told.get("architecture") != ARCHITECTURE:
        raise ModelFileError(
            f"{path}: weights of another form of network ({told.get('architecture')}), this Nebulift trains "
            f"{ARCHITECTURE}; make others: nebulift pretrain"
        )
    if told.get("preview_version") != PREVIEW_VERSION:
        raise ModelFileError(
            f"{path}: trained on previews of version {told.get('preview_version')}, this Nebulift makes version "
            f"{PREVIEW_VERSION}; make others: nebulift pretrain"
        )
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
