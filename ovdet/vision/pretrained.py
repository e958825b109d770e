"""A part that starts from weights on disk."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.structures.files import zoo_folder


@MODELS.register_module(name="Pretrained")
def load_pretrained(
    module: nn.Module, file: str, prefix: str = "", parts: Sequence[str] = ()
) -> nn.Module:
    """Fill a module with weights and return it.

    Args:
        module: Whose parameters and buffers the file holds, in any float type.
        file: A safetensors file: a path, or the name of one in the model zoo.
        prefix: The weights' names in the file are those of the module behind this.
        parts: Names behind the prefix begin with one of these, the others are left in the file;
            all are the module's where nothing is given.

    Raises:
        InputError: If the file is missing or broken, or does not hold this module's weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(file) if Path(file).exists() else zoo_folder() / file
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors: {error}") from error
    starts = tuple(prefix + part for part in parts or ("",))
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(starts)}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(
            f"{path}: is not a {type(module).__name__} at '{prefix}': {first}"
        ) from error
    return module
