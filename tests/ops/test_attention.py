import math

import pytest
import torch

from ovdet.ops.attention import grid_encoding, sine_encoding


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
