import pytest
import torch
from torchvision.ops import batched_nms

from ovdet.ops.scores import best_pairs, fuse_geometric, join_best, suppress, temper, worst_of
from ovdet.structures import Regions

OPTIONS = {"threshold": 0.05, "nms": 0.5, "top": 100, "candidates": 1000}


def regions(boxes):
    return Regions(torch.tensor(boxes), torch.zeros(len(boxes), dtype=torch.int64))


def keep_best(given, scores, *, threshold, nms, top, candidates):
    return suppress(best_pairs(given, scores, threshold, candidates), nms, top)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_geometric_mean_by_hand(dtype):
    first = torch.tensor([[0.8, 0.2]], dtype=dtype)
    second = torch.tensor([[0.1, 0.4]], dtype=dtype)
    fused = fuse_geometric(
        first, second, torch.tensor([False, True]), base_share=1 / 3, novel_share=2 / 3
    )
    # ViLD, Eq. 5: base p1^(2/3) p2^(1/3) = (0.64 * 0.1)^(1/3); novel (0.2 * 0.16)^(1/3)
    expected = torch.tensor([[0.064 ** (1 / 3), 0.032 ** (1 / 3)]], dtype=dtype)
    torch.testing.assert_close(fused, expected)


def test_a_share_of_nought_leaves_the_first_branch():
    first, second = torch.rand(5, 3), torch.zeros(5, 3)
    fused = fuse_geometric(first, second, torch.ones(3).bool(), base_share=0.0, novel_share=0.0)
    torch.testing.assert_close(fused, first)


def test_zero_probability_has_a_finite_gradient():
    first = torch.zeros(1, 2, requires_grad=True)
    novel = torch.tensor([False, True])
    fuse_geometric(first, torch.ones(1, 2), novel, base_share=0.5, novel_share=0.5).sum().backward()
    assert torch.isfinite(first.grad).all()


def test_suppression_is_a_classs_own_affair():
    same = regions([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    best = keep_best(same, torch.tensor([[0.9, 0.6], [0.8, 0.7]]), **OPTIONS)
    assert best.labels.tolist() == [0, 1]
    torch.testing.assert_close(best.scores, torch.tensor([0.9, 0.7]))
    assert best.boxes.tolist() == [[0, 0, 10, 10], [0, 0, 10, 9]]


def test_equals_torchvision_on_many():
    torch.manual_seed(0)
    corner = torch.rand(60, 2) * 50
    given = Regions(torch.cat([corner, corner + 20], dim=1), torch.zeros(60, dtype=torch.int64))
    scores = torch.rand(60, 4)
    best = keep_best(given, scores, **(OPTIONS | {"threshold": 0.3}))
    rows, labels = (scores > 0.3).nonzero(as_tuple=True)
    flat = scores[rows, labels]
    kept = batched_nms(given.boxes[rows], flat, labels, 0.5)[:100]
    torch.testing.assert_close(best.scores, flat[kept])
    assert torch.equal(best.labels, labels[kept])
    assert torch.equal(best.boxes, given.boxes[rows[kept]])


def test_threshold_and_top():
    apart = regions([[0.0, 0, 1, 1], [5, 5, 6, 6], [8, 8, 9, 9]])
    scores = torch.tensor([[0.2], [0.9], [0.04]])
    assert keep_best(apart, scores, **OPTIONS).scores.tolist() == pytest.approx([0.9, 0.2])
    assert len(keep_best(apart, scores, **(OPTIONS | {"top": 1}))) == 1
    assert len(keep_best(apart, scores, **(OPTIONS | {"threshold": 1.0}))) == 0


def test_candidates_bound_what_enters():
    apart = regions([[0.0, 0, 1, 1], [5, 5, 6, 6], [8, 8, 9, 9]])
    best = keep_best(apart, torch.tensor([[0.2], [0.9], [0.4]]), **(OPTIONS | {"candidates": 2}))
    assert best.scores.tolist() == pytest.approx([0.9, 0.4])


def test_nothing_in_nothing_out():
    assert len(keep_best(Regions.empty(), torch.zeros(0, 3), **OPTIONS)) == 0


def test_without_suppression_all_come_back():
    same = regions([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    best = keep_best(same, torch.tensor([[0.9, 0.6], [0.8, 0.7]]), **(OPTIONS | {"nms": None}))
    torch.testing.assert_close(best.scores, torch.tensor([0.9, 0.8, 0.7, 0.6]))
    assert best.labels.tolist() == [0, 0, 1, 1]


def test_only_what_is_scored_can_be_suppressed():
    with pytest.raises(ValueError, match="must have scores and labels"):
        suppress(regions([[0.0, 0, 1, 1]]), 0.5, 10)


def test_parts_are_joined_best_first_and_earlier_ones_win():
    def part(scores, label):
        boxes = torch.rand(len(scores), 4).cumsum(dim=1)
        labels = torch.full((len(scores),), label)
        return Regions(boxes, torch.ones_like(labels), torch.tensor(scores), labels)

    best = join_best([part([0.9, 0.5], 0), part([], 1), part([0.7, 0.5], 2)], 3)
    assert best.scores.tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert best.labels.tolist() == [0, 2, 0]
    assert best.owner.tolist() == [0, 0, 0]
    assert worst_of(best, 3, 0.1) == pytest.approx(0.5)
    assert worst_of(best, 3, 0.6) == pytest.approx(0.6)
    assert worst_of(best, 4, 0.1) == pytest.approx(0.1)


def test_a_temperature_divides_the_logits():
    scores = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    expected = torch.tensor([0.0, 1 / 3, 0.5, 0.75, 1.0])  # odds 1/4 to 1/2, 9 to 3
    torch.testing.assert_close(temper(scores, 2.0), expected)
    torch.testing.assert_close(temper(expected, 0.5), scores)
    assert temper(scores, 1.0) is scores
