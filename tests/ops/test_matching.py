import itertools

import pytest
import torch

from ovdet.ops import best_overlap, match_hungarian, match_regions, sample_balanced


def test_match_by_hand():
    truth = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    boxes = torch.tensor(
        [[0.0, 0, 10, 5], [0, 0, 10, 4.9], [19, 20, 30, 30], [50, 50, 60, 60], [20, 20, 30, 30]]
    )
    assert match_regions(boxes, truth, 0.5).tolist() == [0, -1, 1, -1, 1]


def test_the_best_overlap_by_hand():
    truth = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    overlap, index = best_overlap(torch.tensor([[0.0, 0, 10, 4], [20, 20, 30, 30]]), truth)
    torch.testing.assert_close(overlap, torch.tensor([0.8, 0]))
    assert index[0] == 1
    overlap, index = best_overlap(torch.zeros(2, 4), torch.zeros(0, 4))
    assert (overlap.tolist(), index.tolist()) == ([0, 0], [-1, -1])


def test_match_without_truth_or_boxes():
    boxes = torch.tensor([[0.0, 0, 1, 1]])
    assert match_regions(boxes, torch.zeros(0, 4), 0.5).tolist() == [-1]
    assert match_regions(torch.zeros(0, 4), boxes, 0.5).tolist() == []


def test_sample_takes_its_share_of_positives():
    matches = torch.cat([torch.zeros(50, dtype=torch.int64), torch.full((50,), -1)])
    drawn = sample_balanced(matches, 20, 0.25)
    assert len(drawn) == len(set(drawn.tolist())) == 20
    assert (matches[drawn] >= 0).tolist() == [True] * 5 + [False] * 15


def test_sample_fills_up_with_background():
    matches = torch.tensor([3, -1, -1, -1])
    drawn = sample_balanced(matches, 4, 0.5)
    assert sorted(drawn.tolist()) == [0, 1, 2, 3]
    assert drawn[0] == 0


def test_sample_is_drawn_at_random_from_the_global_generator():
    matches = torch.full((1000,), -1)
    torch.manual_seed(0)
    first = sample_balanced(matches, 10, 0.25)
    second = sample_balanced(matches, 10, 0.25)
    torch.manual_seed(0)
    assert torch.equal(first, sample_balanced(matches, 10, 0.25))
    assert not torch.equal(first, second)


def test_sample_of_nothing():
    assert sample_balanced(torch.zeros(0, dtype=torch.int64), 10, 0.5).tolist() == []


def test_hungarian_by_hand():
    # Taking the cheapest pair first, (0, 0), would cost 1 + 100.
    cost = torch.tensor([[1.0, 2], [3, 100]])
    assert match_hungarian(cost).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_hungarian_is_the_cheapest_of_all_pairings(shape):
    cost = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    pairs = match_hungarian(cost)
    few, many = sorted(shape)
    table = cost if shape[0] <= shape[1] else cost.T
    totals = [table[range(few), list(p)].sum() for p in itertools.permutations(range(many), few)]
    torch.testing.assert_close(cost[pairs[:, 0], pairs[:, 1]].sum(), min(totals))
    assert pairs[:, 0].tolist() == sorted(set(pairs[:, 0].tolist()))
    assert len(set(pairs[:, 1].tolist())) == few


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_hungarian_of_nothing(shape):
    pairs = match_hungarian(torch.zeros(shape))
    assert pairs.shape == (0, 2)
    assert pairs.dtype is torch.int64


def test_hungarian_refuses_what_cannot_be_compared():
    cost = torch.zeros(2, 3)
    cost[1, 2] = float("nan")
    with pytest.raises(ValueError, match=r"finite, got nan for pair \(1, 2\)"):
        match_hungarian(cost)


def test_hungarian_takes_halves_with_a_graph():
    cost = torch.tensor([[1.0, 2], [3, 100]], dtype=torch.bfloat16, requires_grad=True)
    assert match_hungarian(cost).tolist() == [[0, 1], [1, 0]]
