"""Others' checkpoints under our names, by renames that stand as data in the zoo's entry.

``keys`` of an entry says which beginnings of names are taken, and as what, which are left behind,
and of which model the result must be the image tower, weight for weight.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ovdet.structures import InputError, atomic_write
from ovdet.structures.weights import read_weights

_SHOWN = 5
_PREFIX = "visual."
_COUNTED, _COUNT = ".running_var", ".num_batches_tracked"


@dataclass(frozen=True)
class KeyMap:
    """How a checkpoint's names become ours.

    Attributes:
        tower: open_clip's name of the model whose image tower it is.
        take: What names that are kept begin with, and what takes its place.
        leave: What names that are left behind begin with.
    """

    tower: str
    take: Mapping[str, str]
    leave: tuple[str, ...]


def rename(weights: Mapping[str, Tensor], keys: KeyMap, place: str) -> dict[str, Tensor]:
    """Return a checkpoint's weights under our names.

    Norms that were frozen count no batches; that count is added as 0.

    Args:
        weights: By the checkpoint's names.
        keys: What to do with them.
        place: What messages call the checkpoint.

    Raises:
        InputError: If there is a name that the map does not know, or what is kept is not exactly
            the image tower; up to five names are listed.
    """
    kept: dict[str, Tensor] = {}
    strange = []
    for name, value in weights.items():
        begin = next((begin for begin in keys.take if name.startswith(begin)), None)
        if begin is not None:
            kept[keys.take[begin] + name[len(begin) :]] = value
        elif not name.startswith(keys.leave):
            strange.append(name)
    _tell(strange, f"{place}: holds weights that the map does not know")
    for name in [name for name in kept if name.endswith(_COUNTED)]:
        count = name.removesuffix(_COUNTED) + _COUNT
        kept.setdefault(count, torch.zeros((), dtype=torch.int64))
    _check(kept, keys.tower, place)
    return kept


def convert(keys: KeyMap, file: Path, out: Path) -> int:
    """Write a checkpoint under our names, as safetensors; return how many weights it holds.

    Raises:
        InputError: If the file cannot be read, or as for :func:`rename`.
    """
    from safetensors.torch import save

    kept = rename(read_weights(file), keys, str(file))
    atomic_write(out, save({name: value.contiguous() for name, value in kept.items()}))
    return len(kept)


def _check(kept: Mapping[str, Tensor], tower: str, place: str) -> None:
    from ovdet.vision import clip_tower

    with torch.device("meta"):
        own: dict[str, Any] = clip_tower(tower).state_dict()
    expected = {_PREFIX + name: value.shape for name, value in own.items()}
    _tell(expected.keys() - kept.keys(), f"{place}: lacks weights of {tower}")
    _tell(kept.keys() - expected.keys(), f"{place}: holds weights that {tower} does not have")
    other = [name for name in kept if kept[name].shape != expected[name]]
    _tell(other, f"{place}: holds weights of other sizes than {tower}")


def _tell(names: Collection[str], what: str) -> None:
    if names:
        raise InputError(f"{what}, {len(names)}: {', '.join(sorted(names)[:_SHOWN])}")
