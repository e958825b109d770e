import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ovdet.ops.deform_attn import deform_attn

SHAPES = [(4, 6), (2, 3)]
CELLS = 4 * 6 + 2 * 3
B, Q, M, P, D = 2, 3, 2, 2, 5


def inputs(seed=0, spread=1.0, dtype=torch.float64):
    """Random values, places (some outside the maps) and weights that sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(B, CELLS, M, D, generator=generator, dtype=dtype)
    places = torch.rand(B, Q, M, len(SHAPES), P, 2, generator=generator, dtype=dtype)
    places = 0.5 + spread * 1.4 * (places - 0.5)
    weights = torch.rand(B, Q, M, len(SHAPES) * P, generator=generator, dtype=dtype).softmax(-1)
    return values, places, weights.view(B, Q, M, len(SHAPES), P)


def by_hand(values, places, weights):
    """Visit every query, head, level, point and neighbouring cell."""
    out = torch.zeros(B, Q, M, D, dtype=values.dtype)
    start = 0
    for level, (height, width) in enumerate(SHAPES):
        cells = values[:, start : start + height * width].view(B, height, width, M, D)
        start += height * width
        for b, q, m, p in itertools.product(range(B), range(Q), range(M), range(P)):
            x, y = places[b, q, m, level, p].tolist()
            x, y = x * width - 0.5, y * height - 0.5  # the centre of cell 0 lies at half a cell
            for row, column in itertools.product(range(height), range(width)):
                near = max(0.0, 1 - abs(x - column)) * max(0.0, 1 - abs(y - row))
                out[b, q, m] += weights[b, q, m, level, p] * near * cells[b, row, column, m]
    return out.flatten(2)


@pytest.mark.parametrize("seed", range(3))
def test_as_visiting_every_cell(seed):
    values, places, weights = inputs(seed)
    seen = deform_attn(values, SHAPES, places, weights)
    torch.testing.assert_close(seen, by_hand(values, places, weights))


def test_as_transformers():
    from transformers.models.deformable_detr.modeling_deformable_detr import (
        MultiScaleDeformableAttention,
    )

    values, places, weights = inputs(5, dtype=torch.float32)
    theirs = MultiScaleDeformableAttention()(
        values, torch.tensor(SHAPES), SHAPES, None, places, weights, 64
    )
    torch.testing.assert_close(deform_attn(values, SHAPES, places, weights), theirs)


def test_the_gradients_are_those_of_the_sum():
    values, places, weights = (part.requires_grad_() for part in inputs(1, spread=0.5))
    assert torch.autograd.gradcheck(
        lambda *parts: deform_attn(parts[0], SHAPES, *parts[1:]),
        (values, places, weights),
    )


def test_half_precision_reads_the_same_places():
    values, places, weights = inputs(dtype=torch.float32)
    coarse = deform_attn(values.bfloat16(), SHAPES, places, weights)
    assert coarse.dtype is torch.bfloat16
    exact = deform_attn(values.bfloat16().float(), SHAPES, places, weights)
    torch.testing.assert_close(coarse.float(), exact, rtol=0.01, atol=0.01)


def test_no_query_reads_nothing():
    values, places, weights = inputs()
    assert deform_attn(values, SHAPES, places[:, :0], weights[:, :0]).shape == (
        B,
        0,
        M * D,
    )


def test_levels_must_hold_all_cells():
    values, places, weights = inputs()
    with pytest.raises(ValueError, match=r"levels \[\(4, 6\)\] have 24 cells, got 30"):
        deform_attn(values, SHAPES[:1], places, weights)


@pytest.mark.parametrize(
    ("locations", "weights"),
    [
        ((B, Q, M, 1, P, 2), (B, Q, M, 1, P)),
        ((B, Q, M, 2, P, 3), (B, Q, M, 2, P)),
        ((B, Q, M + 1, 2, P, 2), (B, Q, M + 1, 2, P)),
        ((1, Q, M, 2, P, 2), (1, Q, M, 2, P)),
        ((B, Q, M, 2, P, 2), (B, Q, M, 2, P + 1)),
        ((B, Q, M, 2, 2), (B, Q, M, 2)),
    ],
)
def test_places_must_fit_the_values(locations, weights):
    values, _, _ = inputs()
    with pytest.raises(ValueError, match=r"locations must be \[2, Q, 2, 2, P, 2\] .* got"):
        deform_attn(values, SHAPES, torch.zeros(locations), torch.zeros(weights))


def test_it_can_be_traced():
    values, places, weights = inputs(dtype=torch.float32)
    compiled = torch.compile(deform_attn, backend="aot_eager", fullgraph=True)
    leaf, other = (values.clone().requires_grad_() for _ in range(2))
    compiled(leaf, SHAPES, places, weights).cos().sum().backward()
    deform_attn(other, SHAPES, places, weights).cos().sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


def test_on_a_gpu_the_graph_holds_one_op():
    class Attention(torch.nn.Module):
        def forward(self, values, places, weights):
            return deform_attn(values, SHAPES, places, weights)

    queries = 2**31  # no memory is touched
    with FakeTensorMode():
        values = torch.empty(1, CELLS, M, D, device="cuda")
        places = torch.empty(1, queries, M, 2, P, 2, device="cuda")
        traced = torch.export.export(Attention(), (values, places, places[..., 0]))
    calls = [node for node in traced.graph.nodes if node.op == "call_function"]
    last = calls[-1]
    assert str(last.target) == "ovdet.deform_attn.default"
    assert last.meta["val"].shape == (1, queries, M * D)
