import pytest
import torch
from kernels import DEVICE

from ovdet.ops.deform_attn import _backward, _forward, by_levels, deform_attn

SHAPES = [(4, 6), (2, 3), (1, 1)]
CELLS = sum(height * width for height, width in SHAPES)


def inputs(batch=2, queries=5, heads=2, points=3, depth=5, *, dtype=torch.float64, spread=1.4):
    """Random values, places (some outside the maps) and weights that sum to 1."""
    generator = torch.Generator().manual_seed(depth)
    size = (batch, queries, heads, len(SHAPES), points)
    values = torch.randn(batch, CELLS, heads, depth, generator=generator, dtype=torch.float64)
    places = 0.5 + spread * (torch.rand(*size, 2, generator=generator, dtype=torch.float64) - 0.5)
    weights = torch.rand(size, generator=generator, dtype=torch.float64).flatten(3).softmax(-1)
    return [x.to(DEVICE, dtype) for x in (values, places, weights.view(size))]


def results(function, values, places, weights):
    """Return the output and the gradients of a sum that tells all entries apart."""
    leaves = [x.detach().clone().requires_grad_() for x in (values, places, weights)]
    out = function(leaves[0], SHAPES, *leaves[1:])
    tell = torch.arange(1.0, 1 + out.numel(), device=out.device).cos().view_as(out)
    (out * tell.to(out.dtype)).sum().backward()
    return [out, *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("size", [{}, {"depth": 32}, {"queries": 1, "heads": 1, "depth": 1}])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_as_the_reference(size, dtype):
    given = inputs(**size, dtype=dtype)
    expected = results(by_levels, *given)
    for mine, its in zip(results(deform_attn, *given), expected, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_full(dtype):
    values, places, weights = inputs(dtype=torch.float32)
    values = values.to(dtype)
    mine = results(deform_attn, values, places, weights)
    expected = results(by_levels, values.float(), places, weights)
    assert [x.dtype for x in mine] == [dtype, dtype, torch.float32, torch.float32]
    exact = torch.finfo(dtype).eps
    for part, its in zip(mine[:1], expected[:1], strict=True):
        torch.testing.assert_close(part.float(), its, rtol=exact, atol=exact)
    for part, its in zip(mine[1:], expected[1:], strict=True):
        torch.testing.assert_close(part.float(), its, rtol=4 * exact, atol=8 * exact)


def test_how_things_lie_in_memory_does_not_matter():
    given = inputs(dtype=torch.float32)
    turned = [x.transpose(0, 1).contiguous().transpose(0, 1) for x in given]
    for mine, its in zip(results(deform_attn, *turned), results(deform_attn, *given), strict=True):
        torch.testing.assert_close(mine, its)


def test_far_away_is_nothing():
    values, places, weights = inputs(dtype=torch.float32)
    far = torch.tensor([1e30, -1e30, float("inf"), float("nan"), 2.0], device=DEVICE)
    places = places.clone()
    places[:, :, ..., 0] = far.view(1, 5, 1, 1, 1)
    for part in results(deform_attn, values, places, weights)[:2]:
        assert not part.any()


@pytest.mark.parametrize("empty", ["batch", "queries", "points"])
def test_nothing_reads_nothing(empty):
    given = inputs(**{empty: 0})
    out, for_values, *_ = results(deform_attn, *given)
    assert out.shape == (given[0].shape[0], given[1].shape[1], 10)
    assert not out.any()
    assert not for_values.any()


def test_both_ops_are_whole():
    values, places, weights = (x.requires_grad_() for x in inputs(batch=1, queries=2, points=1))
    sizes = [side for shape in SHAPES for side in shape]
    torch.library.opcheck(_forward, (values, sizes, places, weights))
    given = torch.ones(1, 2, 10, dtype=values.dtype, device=DEVICE)
    parts = [x.detach() for x in (values, places, weights)]
    torch.library.opcheck(_backward, (given, parts[0], sizes, *parts[1:]))
