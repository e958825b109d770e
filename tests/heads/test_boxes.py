import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection._utils import BoxCoder

from ovdet.heads import Assignment, BoxHead, RegionSampler
from ovdet.structures import Regions


def regions(boxes, **fields):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Regions(boxes, torch.zeros(len(boxes), dtype=torch.int64), **fields)


def batch():
    """Two images: a cat (class 2) in the first, a dog (class 0) and a cow (class 1) in the second.

    Each is proposed almost rightly, with one proposal of nothing an image.
    """
    truth = [
        regions([[0, 0, 10, 10]], labels=torch.tensor([2])),
        regions([[20, 20, 40, 40], [0, 30, 10, 50]], labels=torch.tensor([0, 1])),
    ]
    proposals = Regions.gather(
        [
            regions([[0, 0, 10, 9], [50, 50, 60, 60]]),
            regions([[50, 50, 60, 60], [0, 30, 10, 49], [20, 20, 40, 39]]),
        ]
    )
    return proposals, truth


def test_each_region_gets_its_own_images_truth():
    torch.manual_seed(0)
    proposals, truth = batch()
    assignment = RegionSampler(count=8, positive=1.0)(proposals, truth, classes=3)
    found = {
        (owner, tuple(box), label, match)
        for owner, box, label, match in zip(
            assignment.regions.owner.tolist(),
            assignment.regions.boxes.tolist(),
            assignment.regions.labels.tolist(),
            assignment.matches.tolist(),
            strict=True,
        )
    }
    assert found == {
        (0, (0, 0, 10, 9), 2, 0),
        (0, (0, 0, 10, 10), 2, 0),  # the truth itself is a region to learn from
        (0, (50, 50, 60, 60), 3, -1),
        (1, (50, 50, 60, 60), 3, -1),
        (1, (0, 30, 10, 49), 1, 2),
        (1, (0, 30, 10, 50), 1, 2),
        (1, (20, 20, 40, 39), 0, 1),
        (1, (20, 20, 40, 40), 0, 1),
    }
    assert set(assignment.regions.labels[assignment.positive].tolist()) == {0, 1, 2}


def test_an_image_without_objects_gives_background():
    proposals = regions([[0, 0, 10, 9], [5, 5, 9, 9]])
    assignment = RegionSampler(count=4)(proposals, [Regions.empty()], classes=3)
    assert assignment.regions.labels.tolist() == [3, 3]
    assert len(assignment.positive) == 0


def test_the_share_of_objects_is_bounded():
    many = regions([[0, 0, 10, 10]] * 30 + [[50, 50, 60, 60]] * 30)
    truth = [regions([[0, 0, 10, 10]], labels=torch.tensor([0]))]
    assignment = RegionSampler(count=16, positive=0.25)(many, truth, classes=1)
    assert len(assignment.regions) == 16
    assert len(assignment.positive) == 4


def test_loss_equals_torchvisions_targets():
    torch.manual_seed(0)
    proposals, truth = batch()
    assignment = RegionSampler(count=8, positive=1.0)(proposals, truth, classes=3)
    head, hidden = BoxHead(6), torch.randn(len(assignment.regions), 6)
    rows = assignment.positive
    boxes = torch.cat([one.boxes for one in truth])[assignment.matches[rows]]
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    wanted = coder.encode_single(boxes, assignment.regions.boxes[rows])
    expected = F.smooth_l1_loss(head.deltas(hidden[rows]), wanted, reduction="sum") / len(hidden)
    torch.testing.assert_close(head.loss(hidden, assignment), expected)
    assert BoxHead(6, weight=0.0).loss(hidden, assignment).item() == 0


def test_no_object_is_no_loss_but_a_graph():
    assignment = Assignment(
        regions([[0, 0, 5, 5]], labels=torch.tensor([3])), torch.tensor([-1]), Regions.empty()
    )
    head = BoxHead(6)
    loss = head.loss(torch.randn(1, 6), assignment)
    loss.backward()
    assert loss.item() == 0
    assert head.deltas.weight.grad is not None


def test_a_fresh_head_leaves_regions_about_where_they_are():
    given = regions([[4, 4, 20, 12], [-3, 5, 70, 30]])
    head = BoxHead(6)
    torch.nn.init.zeros_(head.deltas.weight)
    moved = head(torch.randn(2, 6), given, torch.zeros(1, 3, 32, 64))
    torch.testing.assert_close(moved.boxes, torch.tensor([[4.0, 4, 20, 12], [0, 5, 64, 30]]))


@pytest.mark.parametrize("count", [0, 1])
def test_few_regions(count):
    head = BoxHead(6)
    moved = head(torch.randn(count, 6), regions([[0, 0, 4, 4]] * count), torch.zeros(1, 3, 8, 8))
    assert moved.boxes.shape == (count, 4)
