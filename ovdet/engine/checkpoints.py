"""Checkpoints: written whole or not at all, read without running anything that is in them."""

import io
import pickle
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import is_model_wrapper
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ovdet.structures import InputError, atomic_write
from ovdet.structures.weights import PUBLISHED

POINTER = "last_checkpoint"
_SHOWN = 5


def save_checkpoint(record: dict[str, Any], folder: Path, name: str, keep: int) -> Path:
    """Write a checkpoint, point to it, and remove all but the newest.

    A kill at any moment leaves the pointer at a whole file.

    Args:
        record: Tensors, numbers, texts and plain containers of them.
        folder: Where checkpoints live.
        name: File name, ``iter_<steps>.pth``.
        keep: How many checkpoints stay.

    Returns:
        The file.

    Raises:
        OSError: If the folder cannot be written to.
    """
    buffer = io.BytesIO()
    torch.save(record, buffer)
    path = folder / name
    atomic_write(path, buffer.getvalue())
    atomic_write(folder / POINTER, f"{name}\n".encode())
    for old in _by_age(folder)[:-keep]:
        if old != path:
            old.unlink(missing_ok=True)
    for prefix in (".iter_", f".{POINTER}"):
        for left in folder.glob(f"{prefix}*"):  # what a kill in the middle of a write leaves
            left.unlink(missing_ok=True)
    return path


def find_last(folder: Path) -> Path | None:
    """Return the checkpoint a run in ``folder`` continues from; None where there is none."""
    pointer = folder / POINTER
    if pointer.is_file():
        named = folder / pointer.read_text(encoding="utf-8").strip()
        if named.is_file():
            return named
    found = _by_age(folder)
    return found[-1] if found else None


def _by_age(folder: Path) -> list[Path]:
    numbered = [
        (int(match[1]), path)
        for path in folder.glob("iter_*.pth")
        if (match := re.fullmatch(r"iter_(\d+)\.pth", path.name))
    ]
    return [path for _, path in sorted(numbered)]


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU without running anything in it.

    Args:
        path: ``.safetensors``, or a file of ``torch.save``.

    Returns:
        A dict; the weights are under ``model``.

    Raises:
        InputError: If the file is missing, damaged, would run code, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    if path.suffix == ".safetensors":
        try:
            return {"model": load_file(path)}
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: is damaged or no safetensors file: {error}") from error
    return _as_record(_unpickle(path), path)


def _unpickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(PUBLISHED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        if named:
            raise InputError(
                f"{path}: refused: it would call {named[1]}, and a checkpoint holds weights only"
            ) from error
        raise InputError(f"{path}: is damaged or no checkpoint") from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        raise InputError(f"{path}: is damaged or no checkpoint") from error


def _as_record(loaded: Any, path: Path) -> dict[str, Any]:
    record = loaded if isinstance(loaded, dict) else {}
    if "model" not in record and isinstance(record.get("state_dict"), dict):
        record = record | {"model": record["state_dict"]}
    if "model" not in record and record and all(isinstance(v, Tensor) for v in record.values()):
        record = {"model": record}
    weights = record.get("model")
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise InputError(f"{path}: holds no weights under 'model' or 'state_dict'")
    return record


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill a model with a checkpoint's weights.

    Raises:
        InputError: If the file cannot be read, or holds the weights of another model; up to five
            of the names that differ are listed.
    """
    fill_weights(model, load_checkpoint(path)["model"], str(path))


def fill_weights(model: nn.Module, weights: dict[str, Tensor], place: str) -> None:
    """Fill a model with weights of exactly its names and shapes.

    Raises:
        InputError: If a name is missing, unknown, or of another shape.
    """
    model = bare(model)
    own = model.state_dict()
    shapes = [
        f"{name} {list(weights[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    differences = {
        "missing": [name for name in own if name not in weights],
        "unknown": [name for name in weights if name not in own],
        "of another shape": shapes,
    }
    told = [f"{_list(names)} {what}" for what, names in differences.items() if names]
    if told:
        kind = type(model).__name__
        raise InputError(
            f"{place}: holds the weights of another model than {kind}: " + "; ".join(told)
        )
    model.load_state_dict(weights)


def bare(model: nn.Module) -> nn.Module:
    """Return the model inside a wrapper for several processes, or the model itself."""
    inner: nn.Module = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]
    return inner


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def random_state() -> dict[str, Any]:
    """Return the state of all global random generators, as tensors and plain values."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what we keep
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put all global random generators into a state of :func:`random_state`."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])
