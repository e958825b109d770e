"""Low-rank changes of linear maps and convolutions, through peft (Hu 2022, "LoRA")."""

import re
from collections.abc import Callable

from torch import nn

from ovdet.structures import InputError

RANK = 8


def need_peft() -> None:
    """Check that peft is there.

    Raises:
        ImportError: If it is not; the message says what to install.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError('LoRA needs peft: pip install "ovdet[finetune]"') from error


def add_adapters(model: nn.Module, wanted: Callable[[str], bool], rank: int = RANK) -> list[str]:
    """Put an adapter on each layer that may learn; nothing but the adapters asks for gradients.

    Layers are linear maps and plain convolutions; a convolution that pads in a way of its own is
    one only where its kernel is 1 x 1, and one in groups is none.

    Args:
        model: Changed in place; it computes what it did before until the adapters learn.
        wanted: Tells by its name whether a layer may get one.
        rank: Of the change.

    Returns:
        The names of the layers.

    Raises:
        ImportError: If peft is missing.
        InputError: If there is no such layer.
    """
    need_peft()
    from peft import LoraConfig, inject_adapter_in_model

    names = [name for name, layer in model.named_modules() if _fits(layer) and wanted(name)]
    if not names:
        raise InputError("LoRA finds no linear map and no convolution that learns in this model")
    exactly = "|".join(re.escape(name) for name in names)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=f"({exactly})")
    inject_adapter_in_model(config, model)
    return names


def merge_adapters(model: nn.Module) -> None:
    """Add what the adapters have learnt to their layers, and take them off."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())


def _fits(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        plain = type(layer) is nn.Conv2d or layer.kernel_size == (1, 1)
        return plain and layer.groups == 1 and layer.weight.requires_grad
    return isinstance(layer, nn.Linear) and layer.weight.requires_grad
