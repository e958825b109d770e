"""Weights of others: named tensors out of a file, without running what the file says."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.structures.errors import InputError
from ovdet.structures.files import read_json, zoo_folder


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

_PROJECTION = re.compile(r"(.*)\.([qkv])_proj\.(weight|bias)$")
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
    state = read_record(path)
    while _is_dict(state) and (nests := [n for n in _NESTS if _is_dict(state.get(n))]):
        state = state[nests[0]]
    tensors = {k: v for k, v in state.items() if isinstance(v, Tensor)} if _is_dict(state) else {}
    return {str(key).removeprefix("module."): value for key, value in tensors.items()}


def read_record(path: Path) -> Any:
    """Read all that a file of weights holds, as :func:`read_weights` does.

    Raises:
        InputError: If the file is missing, damaged, or would have to run code to be read.
    """
    try:
        return _read(path)
    except Exception as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        first = said.strip().split("\n")[0]
        raise InputError(f"{path}: cannot be read as weights: {first}") from error


def pack_attention(weights: Mapping[str, Tensor], parts: tuple[str, ...]) -> dict[str, Tensor]:
    """Return weights whose queries, keys and values stand in one tensor, as torch has them.

    ``<name>.q_proj.weight``, ``k_proj`` and ``v_proj`` become ``<name>.in_proj_weight``, and their
    biases likewise.

    Args:
        weights: By name; all that is no such projection stays as it is.
        parts: How the names begin below which this is done.

    Raises:
        InputError: If one of the three is missing.
    """
    packed: dict[str, Tensor] = {}
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        match = _PROJECTION.match(name) if name.startswith(parts) else None
        if match is None:
            packed[name] = value
        else:
            found.setdefault(f"{match[1]}.in_proj_{match[3]}", {})[match[2]] = value
    for name, three in found.items():
        if set(three) != set("qkv"):
            raise InputError(f"{name} needs weights for q, k and v, got {sorted(three)}")
        packed[name] = torch.cat([three[part] for part in "qkv"])
    return packed


def read_folder_weights(folder: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Read the weights that a folder holds, in one file or in several listed by an index.

    Args:
        folder: With the files.
        names: What the file may be called; the first one there is read. Its index, where there are
            several files, is called the same with ``.index.json`` behind.

    Raises:
        InputError: If there is none of them, or one cannot be read.
    """
    for name in names:
        if (folder / name).is_file():
            return read_weights(folder / name)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _read_parts(index)
    raise InputError(f"{folder}: must hold weights, one of {', '.join(names)}")


def _read_parts(index: Path) -> dict[str, Tensor]:
    record = read_json(index)
    places = record.get("weight_map") if _is_dict(record) else None
    if not isinstance(places, dict):
        raise InputError(f"{index}: must name its files under 'weight_map'")
    weights: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        weights |= read_weights(index.with_name(Path(name).name))
    return weights


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
