"""Devices: the processor and the GPUs, each of which has to add two numbers."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ovdet.checkup import fixes
from ovdet.checkup.findings import NOTE, WRONG, Finding, one_line
from ovdet.checkup.packages import as_asked

_GB = 1e9
_DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder a GPU, where the driver is loaded
_HIDDEN = {"", "-1"}


def look() -> Iterator[Finding]:
    """Yield the processor and each GPU that torch sees, or why it sees none."""
    import torch

    yield Finding("cpu", _processor(torch.get_num_threads()))
    if not torch.cuda.is_available():
        yield no_gpu(torch)
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield gpu(torch, index)
    if torch.backends.mps.is_available():
        yield Finding("mps", "there; auto does not take it, --device mps does")


def no_gpu(torch: Any) -> Finding:
    """Tell why torch has no GPU: there is none, it is hidden, or torch or the driver does not fit.

    Args:
        torch: The package.
    """
    if not (_DRIVER.is_dir() and any(_DRIVER.iterdir())):
        return Finding("cuda", "no NVIDIA GPU is here")
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in _HIDDEN:
        said = "hidden by CUDA_VISIBLE_DEVICES"
        return Finding("cuda", said, NOTE, "unset CUDA_VISIBLE_DEVICES")
    if torch.version.cuda is None:
        said = f"there is a GPU, but torch {torch.__version__} was built without CUDA"
        return Finding("cuda", said, WRONG, _other_build())
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        said = f"there is a GPU, but {one_line(error)}"
        fix = f"update NVIDIA's driver to one for CUDA {torch.version.cuda}, and restart"
        return Finding("cuda", said, WRONG, fix)
    return Finding("cuda", "there is a GPU, but torch sees none", WRONG, "nvidia-smi  # says why")


def gpu(torch: Any, index: int) -> Finding:
    """Tell of a GPU after it has added two numbers.

    Args:
        torch: The package.
        index: Which GPU.
    """
    facts = torch.cuda.get_device_properties(index)
    said = (
        f"{facts.name}, {facts.total_memory / _GB:.0f} GB, compute capability "
        f"{facts.major}.{facts.minor}, CUDA {torch.version.cuda or torch.version.hip}"
    )
    try:
        torch.ones(2, device=f"cuda:{index}").sum().item()
    except RuntimeError as error:
        full = "out of memory" in str(error)
        fix = "nvidia-smi  # shows who holds its memory" if full else _other_build()
        return Finding(f"cuda:{index}", f"{said}, but {one_line(error)}", WRONG, fix)
    return Finding(f"cuda:{index}", said)


def _other_build() -> str:
    return fixes.replace(as_asked("torch"), as_asked("torchvision"))


def _processor(threads: int) -> str:
    free = getattr(os, "sched_getaffinity", None)
    cores = len(free(0)) if free else os.cpu_count() or 1
    parts = [platform.processor() or platform.machine(), f"{cores} cores", f"{threads} threads"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / _GB:.0f} GB")
    return ", ".join(parts)
