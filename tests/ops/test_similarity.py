import pytest
import torch

from ovdet.ops import compare, cosine_logits, token_max_sim, unit_norm
from ovdet.structures import Tokens


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_three_four_five(dtype):
    given = torch.tensor([[3.0, 4.0], [0.0, -2.0]], dtype=dtype)
    expected = torch.tensor([[0.6, 0.8], [0.0, -1.0]], dtype=dtype)
    torch.testing.assert_close(unit_norm(given), expected)


def test_zero_stays_zero_and_differentiable():
    zero = torch.zeros(1, 4, requires_grad=True)
    unit_norm(zero).sum().backward()
    assert unit_norm(zero).abs().sum() == 0
    assert torch.isfinite(zero.grad).all()


def test_any_leading_shape():
    assert unit_norm(torch.randn(2, 3, 5, 7)).norm(dim=-1).allclose(torch.ones(2, 3, 5))
    assert unit_norm(torch.zeros(0, 8)).shape == (0, 8)


def test_cosine_by_hand():
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    classes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    expected = 50 * torch.tensor([[0.0, 1.0, -1.0], [0.8, 0.6, -0.6]])
    torch.testing.assert_close(cosine_logits(rows, classes, 50.0), expected)
    torch.testing.assert_close(cosine_logits(rows, classes, torch.tensor(50.0)), expected)


def test_no_region_and_one_class():
    assert cosine_logits(torch.zeros(0, 4), torch.zeros(1, 4), 1.0).shape == (0, 1)


def test_vectors_and_sets_are_compared_by_one_function():
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(*n, 6, generator=generator) for n in ((3, 5), (4, 7)))
    real = torch.arange(5) < torch.tensor([[5], [1], [3]])
    torch.testing.assert_close(compare(rows[:, 0], columns[:, 0]), rows[:, 0] @ columns[:, 0].T)
    first, second = Tokens(rows, real), Tokens(columns)
    s_image, s_text = token_max_sim(rows, columns, real)
    torch.testing.assert_close(compare(first, second), s_image)
    torch.testing.assert_close(compare(second, first), s_text.T)
    with pytest.raises(TypeError, match=r"one kind, got \['Tensor', 'Tokens'\]"):
        compare(rows[:, 0], second)
