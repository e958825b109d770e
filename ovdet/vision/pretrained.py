"""A part that starts from weights on disk."""

from collections.abc import Sequence

from torch import nn

from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.structures.weights import find_weights, read_weights


@MODELS.register_module(name="Pretrained")
def load_pretrained(
    module: nn.Module, file: str, prefix: str = "", parts: Sequence[str] = ()
) -> nn.Module:
    """Fill a module with weights and return it.

    Args:
        module: Whose parameters and buffers the file holds, in any float type.
        file: Safetensors, a pickle of plain tensors or a TorchScript archive: a path, or the name
            of a file in the model zoo.
        prefix: The weights' names in the file are those of the module behind this.
        parts: Names behind the prefix begin with one of these, the others are left in the file;
            all are the module's where nothing is given.

    Raises:
        InputError: If the file is missing or broken, or does not hold this module's weights.
    """
    path = find_weights(file)
    starts = tuple(prefix + part for part in parts or ("",))
    own = {k.removeprefix(prefix): v for k, v in read_weights(path).items() if k.startswith(starts)}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(
            f"{path}: is not a {type(module).__name__} at '{prefix}': {first}"
        ) from error
    return module
