"""Back ends: who computes the operations here, found by asking them the way the library does."""

from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from ovdet.checkup import fixes
from ovdet.checkup.findings import GOOD, NOTE, WRONG, Finding, guarded, one_line
from ovdet.checkup.packages import as_asked

_OPS, _NMS, _MMDET = "kernels", "nms", "mmdet's operators"


def look() -> Iterator[Finding]:
    """Yield who serves the kernels on each device, torchvision's, mmdet's, average precision."""
    yield from guarded(look_at_kernels, _OPS)
    yield from guarded(look_at_torchvision, _NMS)
    yield from guarded(look_at_mmdet, _MMDET)
    yield from guarded(look_at_evaluation, "AP")


def look_at_kernels() -> Iterator[Finding]:
    """Yield for each device whether Triton or torch runs what ``ovdet.ops`` has kernels for."""
    import torch

    from ovdet.ops.kernels import interprets

    if interprets():
        said = "Triton's interpreter, one operation at a time: for tests alone"
        yield Finding(f"{_OPS} on cpu", said, WRONG, "unset TRITON_INTERPRET")
    else:
        yield Finding(f"{_OPS} on cpu", "torch")
    for index in range(torch.cuda.device_count()):
        yield kernels_on(torch.device("cuda", index))


def kernels_on(device: Any) -> Finding:
    """Tell who runs the kernels on a GPU, after one has run and agreed with torch.

    Args:
        device: The GPU, a ``torch.device``.
    """
    import torch

    from ovdet.ops.kernels import runs_triton

    name = f"{_OPS} on {device}"
    if not runs_triton(torch.empty(1, device=device)):
        if find_spec("triton") is None:
            return Finding(name, "torch: Triton is missing", NOTE, fixes.pip("triton"))
        return Finding(name, "torch: Triton compiles for newer GPUs only")
    try:
        agree = _try_kernel(device)
    except Exception as error:  # noqa: BLE001 - compilers fail in many ways
        return Finding(name, f"Triton fails: {one_line(error)}", WRONG, _for_triton(error))
    if not agree:
        said = "Triton and torch differ in deformable attention"
        return Finding(name, said, WRONG, fixes.again("triton"))
    return Finding(name, f"Triton {metadata.version('triton')}, tried")


def _try_kernel(device: Any) -> bool:
    import torch

    from ovdet.ops.deform_attn import by_levels, deform_attn

    generator = torch.Generator().manual_seed(0)
    sizes = ((1, 16, 2, 8), (1, 5, 2, 1, 3, 2), (1, 5, 2, 1, 3))
    parts = [torch.rand(size, generator=generator).to(device) for size in sizes]
    values, locations, weights = parts
    shapes = [(4, 4)]
    found = deform_attn(values, shapes, locations, weights)
    return torch.allclose(found, by_levels(values, shapes, locations, weights), atol=1e-4)


def _for_triton(error: BaseException) -> str:
    text = str(error)
    if "compiler" in text:
        return fixes.system("gcc libc6-dev")
    if "Python.h" in text:
        return fixes.system("python3-dev")
    return fixes.again("triton")


def look_at_torchvision() -> Iterator[Finding]:
    """Yield whether torchvision's compiled operators answer: of two boxes that agree one stays."""
    import torch
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9]])
    kept = nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist()
    version = metadata.version("torchvision")
    if kept == [1]:
        yield Finding(_NMS, f"torchvision {version}, tried")
    else:
        fix = fixes.again(f"torchvision=={version}")
        yield Finding(_NMS, f"torchvision {version} answers {kept} instead of [1]", WRONG, fix)


def look_at_mmdet() -> Iterator[Finding]:
    """Yield who serves the operators that mmdet asks of mmcv."""
    found = find_spec("mmcv._ext")  # before our bridge stands in for it; it has no file
    from ovdet.adapters.mmdet.packages import require
    from ovdet.structures import InputError

    try:
        require(_MMDET)
    except InputError as error:
        fix = fixes.pip(as_asked("mmdet"), as_asked("mmcv-lite"))
        yield Finding(_MMDET, str(error), WRONG, fix)
        return
    if found is not None and found.has_location:
        import mmcv

        yield Finding(_MMDET, f"compiled mmcv {mmcv.__version__}")
    else:
        yield Finding(_MMDET, "ovdet's bridge to torch, in place of a compiled mmcv")


def look_at_evaluation() -> Iterator[Finding]:
    """Yield who computes average precision by COCO's rules and by LVIS's."""
    from ovdet.evaluation.tables import find_backend

    for rules, federated in (("COCO", False), ("LVIS", True)):
        name = find_backend("hotcoco", federated=federated)
        slow = name != "hotcoco"
        said = f"{name}: the same figures as hotcoco, slower" if slow else name
        fix = fixes.pip(as_asked("hotcoco")) if slow else ""
        yield Finding(f"{rules} AP", said, NOTE if slow else GOOD, fix)
