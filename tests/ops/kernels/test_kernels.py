import torch
from kernels import DEVICE

from ovdet.ops.kernels import runs_triton


def test_kernels_run_here():
    assert runs_triton(torch.zeros(1, device=DEVICE))


def test_not_where_there_is_no_memory():
    assert not runs_triton(torch.zeros(1, device="meta"))


def test_a_kernel_counts():
    import triton
    import triton.language as tl

    @triton.jit
    def double(source, target, count, width: tl.constexpr):
        place = tl.program_id(0) * width + tl.arange(0, width)
        tl.store(target + place, 2 * tl.load(source + place, place < count), place < count)

    source = torch.arange(11, dtype=torch.float32, device=DEVICE)
    target = torch.empty_like(source)
    double[(3,)](source, target, 11, width=4)
    assert torch.equal(target, 2 * source)
