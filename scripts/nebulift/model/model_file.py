"""Reading a file of weights without running anything that is in it."""

from pathlib import Path
from typing import Any

import torch

from nebulift.model.description import ModelFileError, require_file


def read_weights_file(path: Path) -> dict[str, Any]:
    """Return the dictionary that `torch.save` wrote into `path`.

    Only tensors and plain values are read (`weights_only`): a pickle that would run code is refused, nothing of it is
    executed. Raises ModelFileError.
    """
    require_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFileError(f"{path}: the model file cannot be read: {error}") from error
    # A damaged file can make the reader fail in every way there is.
    except Exception as error:
        first_line = str(error).partition("\n")[0][:200]
        raise ModelFileError(
            f"{path}: not a model file, damaged, or one that would run code ({type(error).__name__}: {first_line}); "
            "train again, or give a file written by Nebulift or a state_dict of torchvision's resnet18"
        ) from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: not a model file: it holds a {type(content).__name__}, not a dictionary")
    return content
