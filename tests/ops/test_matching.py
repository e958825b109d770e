import torch

from ovdet.ops import best_overlap, match_regions, sample_balanced


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
