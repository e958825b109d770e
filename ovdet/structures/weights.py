"""Weights of others: named tensors out of a file, without running what the file says."""

import glob
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.structures.errors import InputError
from ovdet.structures.files import cache_folder, read_json, zoo_folder


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

FETCHED = "models"
"""The cache's folder of what was fetched: one folder a model."""

_PROJECTION = re.compile(r"(.*)\.([qkv])_proj\.(weight|bias)$")
_SHOWN = 5  # names in a message
_COUNT = ".num_batches_tracked"
_NESTS = ("state_dict", "model", "state")  # where checkpoints of other libraries keep them


def find_weights(file: str) -> Path:
    """Return where a file of weights lies.

    Args:
        file: A path, else the name of a file in the model zoo or among those fetched from it.

    Returns:
        The path; in the zoo's folder where there is no such file.

    Raises:
        InputError: If there is no such path and no model zoo either.
    """
    path = Path(file)
    if path.exists():
        return path
    places = [zoo_folder() / path]
    if path.name == file and (cache := cache_folder()) is not None:
        places += sorted((cache / FETCHED).glob(f"*/{glob.escape(file)}"))
    return next((place for place in places if place.exists()), places[0])


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


def pack_attention(
    weights: Mapping[str, Tensor],
    parts: tuple[str, ...],
    *,
    whole: str = "in_proj_",
    place: Path | None = None,
) -> dict[str, Tensor]:
    """Return weights whose queries, keys and values stand in one tensor, as torch has them.

    ``<name>.q_proj.weight``, ``k_proj`` and ``v_proj`` become ``<name>.in_proj_weight``, and their
    biases likewise.

    Args:
        weights: By name; all that is no such projection stays as it is.
        parts: How the names begin below which this is done.
        whole: What stands before ``weight`` and ``bias`` then; ``qkv.`` where timm has them.
        place: Where they were read, for the message.

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
            found.setdefault(f"{match[1]}.{whole}{match[3]}", {})[match[2]] = value
    for name, three in found.items():
        if set(three) != set("qkv"):
            where = "" if place is None else f"{place}: "
            raise InputError(f"{where}{name} needs weights for q, k and v, got {sorted(three)}")
        packed[name] = torch.cat([three[part] for part in "qkv"])
    return packed


def misfit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """Say in one line why weights are not those of a module; nothing where they are.

    Args:
        own: The module's state dict.
        weights: By the module's names, or not.
    """
    shared = own.keys() & weights.keys()
    other = [name for name in own if name in shared and own[name].shape != weights[name].shape]
    faults = {
        # The count of a batch norm's steps is read by nobody, and torch does without it.
        "lacking": [n for n in own if n not in shared and not n.endswith(_COUNT)],
        "unexpected": [name for name in weights if name not in shared],
        "of another shape": other,
    }
    said = (
        f"{len(names)} {fault}: {', '.join(names[:_SHOWN])}"
        for fault, names in faults.items()
        if names
    )
    return "; ".join(said)


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
