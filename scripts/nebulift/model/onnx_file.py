"""model.onnx, the file that prediction reads: by ONNX Runtime, without torch, without running code."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nebulift.model.description import ModelDescription, ModelFileError, damaged, read_description, require_file

METADATA_KEY = "nebulift"
INPUT, CONTEXT, LOGITS = "input", "context", "logits"
_FLOATS = "tensor(float)"
_ENDS = [(INPUT, _FLOATS, 4), (CONTEXT, _FLOATS, 2), (LOGITS, _FLOATS, 2)]


class OnnxModel:
    """A trained network that ONNX Runtime runs on the CPU."""

    def __init__(self, session: onnxruntime.InferenceSession, description: ModelDescription) -> None:
        self.description = description
        self._session = session

    def logits(self, inputs: NDArray[np.float32], contexts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (N, 2) of inputs (N, 3, height, width) with contexts (N, CONTEXT_SIZE)."""
        (answered,) = self._session.run(None, {INPUT: inputs, CONTEXT: contexts})
        return np.asarray(answered, dtype=np.float32)


def load_onnx_model(path: Path) -> OnnxModel:
    """Read a model.onnx, to be run on one thread: Snakemake runs nights side by side.

    Raises NoModel when the file says that none could be trained, ModelFileError when it cannot be used.
    """
    require_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: the model file cannot be read: {error}") from error
    try:
        # From its bytes: what it might name as lying beside it is not looked for there.
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        kept = session.get_modelmeta().custom_metadata_map
    # A damaged file can make the reader fail in every way there is.
    except Exception as error:
        first_line = str(error).partition("\n")[0][:200]
        raise ModelFileError(
            f"{path}: not a model in the format ONNX, or damaged ({type(error).__name__}: {first_line}); train again, "
            "or give a file written by Nebulift"
        ) from error
    try:
        described = json.loads(kept.get(METADATA_KEY, "{}"))
        description = read_description(path, described if isinstance(described, dict) else {})
        _check_ends(session)
    except (json.JSONDecodeError, TypeError) as error:
        raise damaged(path, error) from error
    return OnnxModel(session, description)


def _check_ends(session: onnxruntime.InferenceSession) -> None:
    """Raise TypeError unless previews and contexts fit in and logits come out."""
    ends = [(end.name, end.type, len(end.shape)) for end in (*session.get_inputs(), *session.get_outputs())]
    if ends != _ENDS:
        raise TypeError(f"its ends are {ends}")
