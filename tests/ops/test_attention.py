import itertools
import math

import pytest
import torch

from ovdet.ops.attention import deformable_attention, grid_encoding, sine_encoding

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
    seen = deformable_attention(values, SHAPES, places, weights)
    torch.testing.assert_close(seen, by_hand(values, places, weights))


def test_as_transformers():
    from transformers.models.deformable_detr.modeling_deformable_detr import (
        MultiScaleDeformableAttention,
    )

    values, places, weights = inputs(5, dtype=torch.float32)
    theirs = MultiScaleDeformableAttention()(
        values, torch.tensor(SHAPES), SHAPES, None, places, weights, 64
    )
    torch.testing.assert_close(deformable_attention(values, SHAPES, places, weights), theirs)


def test_the_gradients_are_those_of_the_sum():
    values, places, weights = (part.requires_grad_() for part in inputs(1, spread=0.5))
    assert torch.autograd.gradcheck(
        lambda *parts: deformable_attention(parts[0], SHAPES, *parts[1:]),
        (values, places, weights),
    )


def test_half_precision_reads_the_same_places():
    values, places, weights = inputs(dtype=torch.float32)
    coarse = deformable_attention(values.bfloat16(), SHAPES, places, weights)
    assert coarse.dtype is torch.bfloat16
    exact = deformable_attention(values.bfloat16().float(), SHAPES, places, weights)
    torch.testing.assert_close(coarse.float(), exact, rtol=0.01, atol=0.01)


def test_no_query_reads_nothing():
    values, places, weights = inputs()
    assert deformable_attention(values, SHAPES, places[:, :0], weights[:, :0]).shape == (
        B,
        0,
        M * D,
    )


def test_levels_must_hold_all_cells():
    values, places, weights = inputs()
    with pytest.raises(ValueError, match=r"levels \[\(4, 6\)\] have 24 cells, got 30"):
        deformable_attention(values, SHAPES[:1], places, weights)


def test_waves_by_hand():
    # width 4, temperature 100: wave lengths 1 and 100 ** 0.5 = 10
    encoded = sine_encoding(torch.tensor([[0.25, 0.5]], dtype=torch.float64), 4, temperature=100.0)
    angles = [math.pi / 2, math.pi / 20, math.pi, math.pi / 10]
    expected = [wave(angle) for angle in angles for wave in (math.sin, math.cos)]
    torch.testing.assert_close(encoded, torch.tensor([expected], dtype=torch.float64))


def test_an_odd_width_has_no_pairs():
    with pytest.raises(ValueError, match="width must be even, got 5"):
        sine_encoding(torch.zeros(1), 5)


@pytest.mark.parametrize("size", [(3, 5), (1, 1)])
def test_cells_are_addressed_as_transformers_does(size):
    from transformers.models.mask2former.modeling_mask2former import (
        Mask2FormerSinePositionEmbedding,
    )

    theirs = Mask2FormerSinePositionEmbedding(num_position_features=8, normalize=True)
    waves = theirs((1, 16, *size), "cpu", torch.float32)[0].flatten(1).T
    torch.testing.assert_close(grid_encoding(*size, 16), waves, atol=1e-4, rtol=0)


def test_a_cells_address_needs_four_numbers():
    with pytest.raises(ValueError, match="size must be a multiple of 4, got 6"):
        grid_encoding(2, 2, 6)
