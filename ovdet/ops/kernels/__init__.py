"""Triton kernels, one module an op beside its reference, imported only where one runs.

Triton comes with torch's CUDA wheels on Linux and may be missing; an op then takes its reference.
With ``TRITON_INTERPRET=1`` in the environment, set before Triton is first imported, the kernels
run on CPU tensors, one operation at a time: that is how they are tested without a GPU.
"""

import functools
import importlib.util
import logging
import os
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

LOGGER = logging.getLogger(__name__)
OLDEST = (7, 0)  # compute capability of the first NVIDIA GPUs that Triton compiles for


def runs_triton(tensor: Tensor) -> bool:
    """Tell whether a Triton kernel can take this tensor; the first refusal leaves a debug line.

    True for a tensor on a GPU that Triton compiles for, and on the CPU under Triton's interpreter.
    """
    device = tensor.device
    if device.type == "cpu":
        return interprets() and _has_triton()
    return device.type == "cuda" and _compiles_for(device) and _has_triton()


def interprets() -> bool:
    """Tell whether kernels run in Triton's interpreter, on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _has_triton() -> bool:
    found = importlib.util.find_spec("triton") is not None
    if not found:
        LOGGER.debug("Triton is not installed: the ops take their references")
    return found


@functools.cache
def _compiles_for(device: torch.device) -> bool:
    if torch.version.hip is not None:
        return True
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST:
        LOGGER.debug("Triton needs compute capability %s, %s has %s", OLDEST, device, capability)
    return capability >= OLDEST


def on_device(tensor: Tensor) -> AbstractContextManager[object]:
    """Make the tensor's GPU the current one, which is where Triton launches."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
