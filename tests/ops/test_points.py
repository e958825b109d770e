import pytest
import torch

from ovdet.ops.points import sample_points, uncertain_points


def test_a_map_that_is_linear_is_read_exactly():
    height, width = 6, 9
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    plane = 3 * x[None] - 2 * y[:, None] + 1
    points = 0.2 + 0.6 * torch.rand(2, 7, 2)
    maps = torch.stack([plane, -plane])
    found = sample_points(maps, points)
    expected = 3 * points[..., 0] - 2 * points[..., 1] + 1
    torch.testing.assert_close(found, expected * torch.tensor([[1.0], [-1.0]]))


def test_outside_is_zero():
    points = torch.tensor([[[-0.5, 0.5], [0.5, 1.5], [0.5, 0.5]]])
    assert sample_points(torch.ones(1, 4, 4), points).tolist() == [[0, 0, 1]]


def test_as_transformers():
    from transformers.models.mask2former.modeling_mask2former import sample_point

    maps, points = torch.randn(3, 5, 7), torch.rand(3, 11, 2)
    theirs = sample_point(maps[:, None], points, align_corners=False)[:, 0]
    torch.testing.assert_close(sample_points(maps, points), theirs)


def test_halves_are_read_in_full_precision():
    assert sample_points(torch.ones(1, 4, 4).bfloat16(), torch.rand(1, 3, 2)).dtype is torch.float32


def test_most_points_lie_where_a_mask_is_unsure():
    logits = torch.full((1, 8, 8), 9.0)
    logits[:, :, 4:] = -9  # unsure along x = 1 / 2 alone
    torch.manual_seed(0)
    points = uncertain_points(logits, 40, oversample=20.0, share=0.5)
    assert points.shape == (1, 40, 2)
    near = (points[0, :, 0] - 0.5).abs() < 0.1
    assert near[:20].all()
    assert not near[20:].all()


@pytest.mark.parametrize("count", [1, 4])
def test_no_mask_no_point(count):
    assert uncertain_points(torch.zeros(0, 4, 4), count).shape == (0, count, 2)
