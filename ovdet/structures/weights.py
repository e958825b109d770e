"""Weights of others: named tensors out of a file, without running what the file says."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.structures.errors import InputError
from ovdet.structures.files import zoo_folder


class Unread:
    """Stands for an object of someone's training log in a checkpoint: made, and never filled."""

    def __init__(self, *_made: Any) -> None:
        """Take whatever the object was made of."""

    def __setstate__(self, state: Any) -> None:
        """Let go of what the object held."""


# What published checkpoints hold besides tensors and plain containers: figures of numpy, which go
# by another module name since numpy 2, and what mmengine remembers of its losses.
_ARRAY, _SCALAR = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
PUBLISHED: list[Any] = [
    np.ndarray,
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    (Unread, "mmengine.logging.history_buffer.HistoryBuffer"),
    (Unread, "builtins.getattr"),  # by which it names its own methods
]
"""What a reader of weights may be told to make; none of it runs code of the file's choosing."""

_NESTS = ("state_dict", "model", "state")  # where checkpoints of other libraries keep them


def find_weights(file: str) -> Path:
    """Return where a file of weights lies: the path itself, else that name in the model zoo.

    Raises:
        InputError: If there is no such path and no model zoo either.
    """
    path = Path(file)
    return path if path.exists() else zoo_folder() / path


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read safetensors, a pickle of plain tensors, or a TorchScript archive (OpenAI's CLIP).

    Args:
        path: A file. What its names carry from a parallel wrapper (``module.``) is left out.

    Raises:
        InputError: If the file is missing, damaged, or would have to run code to be read.
    """
    try:
        state = _read(path)
    except Exception as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        first = said.strip().split("\n")[0]
        raise InputError(f"{path}: cannot be read as weights: {first}") from error
    while _is_dict(state) and (nests := [n for n in _NESTS if _is_dict(state.get(n))]):
        state = state[nests[0]]
    tensors = {k: v for k, v in state.items() if isinstance(v, Tensor)} if _is_dict(state) else {}
    return {str(key).removeprefix("module."): value for key, value in tensors.items()}


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _read(path: Path) -> Any:
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    if _is_script(path):
        return torch.jit.load(str(path), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    with torch.serialization.safe_globals(PUBLISHED):
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_script(path: Path) -> bool:
    """Tell a TorchScript archive by the folder of constants that only these have."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
