import math

import pytest
import torch
from mmdet_costs import match_costs

from ovdet.heads.queries import to_parts
from ovdet.heads.sets import SetCriterion, SetTerms, mean_count, prior_bias
from ovdet.structures import Regions

SIZE = (40, 60)  # H, W, px


def objects(boxes, labels=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = None if labels is None else torch.tensor(labels, dtype=torch.int64)
    return Regions(boxes, torch.zeros(len(boxes), dtype=torch.int64), labels=labels)


def random_case(seed, count=9, columns=4, truths=3):
    generator = torch.Generator().manual_seed(seed)

    def draw(n):
        corner = torch.rand(n, 2, generator=generator) * torch.tensor([40.0, 20])
        side = 2 + torch.rand(n, 2, generator=generator) * 18
        return torch.cat([corner, corner + side], dim=1)

    logits = torch.randn(count, columns, generator=generator) * 2
    labels = torch.randint(columns, (truths,), generator=generator)
    truth = Regions(draw(truths), torch.zeros(truths, dtype=torch.int64), labels=labels)
    return logits, draw(count), truth


@pytest.mark.parametrize("seed", range(5))
def test_pairs_as_transformers(seed):
    from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher

    logits, boxes, truth = random_case(seed)
    criterion = SetCriterion(SetTerms(3, 5, 2))
    theirs = DeformableDetrHungarianMatcher(class_cost=3, bbox_cost=5, giou_cost=2)
    outputs = {"logits": logits[None], "pred_boxes": to_parts(boxes, *SIZE)[None]}
    target = {"class_labels": truth.labels, "boxes": to_parts(truth.boxes, *SIZE)}
    query, index = theirs(outputs, [target])[0]
    pairs = criterion.match(logits, boxes, truth, SIZE)
    assert pairs.tolist() == torch.stack([query, index], dim=1).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_costs_as_mmdet(seed):
    mmdet_costs = match_costs()
    from mmengine.structures import InstanceData

    logits, boxes, truth = random_case(seed)
    found = InstanceData(scores=logits, bboxes=boxes)
    wanted = InstanceData(labels=truth.labels, bboxes=truth.boxes)
    parts = [
        mmdet_costs.FocalLossCost(weight=3.0),
        mmdet_costs.BBoxL1Cost(weight=5.0, box_format="xywh"),
        mmdet_costs.IoUCost(iou_mode="giou", weight=2.0),
    ]
    expected = sum(part(found, wanted, {"img_shape": SIZE}) for part in parts)
    cost = SetCriterion(SetTerms(3, 5, 2)).cost(logits, boxes, truth, SIZE)
    torch.testing.assert_close(cost, expected, rtol=1e-4, atol=1e-4)


def test_losses_by_hand():
    """One object, found exactly by the second of two queries, half as sure as could be."""
    truth = objects([[10, 10, 30, 20]], [1])
    logits = torch.tensor([[[-2.0, -2.0], [-2.0, 0.0]]])
    boxes = torch.tensor([[[0.0, 0, 60, 40], [10, 10, 30, 20]]])
    losses, matches = SetCriterion(SetTerms(3, 5, 2))(logits, boxes, [truth], SIZE)
    assert matches.tolist() == [[-1, 0]]
    p = 1 / (1 + math.exp(2))
    positive = 0.25 * 0.5**2 * -math.log(0.5)
    negative = 3 * 0.75 * p**2 * -math.log(1 - p)
    assert losses["class"].item() == pytest.approx(3 * (positive + negative), rel=1e-4)
    assert losses["distance"].item() == pytest.approx(0, abs=1e-5)
    assert losses["overlap"].item() == pytest.approx(0, abs=1e-5)


def test_box_losses_by_hand():
    truth = objects([[0, 0, 30, 20]])
    boxes = torch.tensor([[[0.0, 0, 60, 40]]])
    losses, _ = SetCriterion(SetTerms(1, 1, 1))(torch.zeros(1, 1, 1), boxes, [truth], SIZE)
    # parts: (0.5, 0.5, 1, 1) against (0.25, 0.25, 0.5, 0.5); a quarter of the union is shared
    assert losses["distance"].item() == pytest.approx(1.5)
    assert losses["overlap"].item() == pytest.approx(0.75, rel=1e-5)


def test_sums_are_divided_by_the_objects_of_all_groups():
    logits, boxes, truth = random_case(0)
    criterion = SetCriterion()
    alone, _ = criterion(logits[None], boxes[None], [truth], SIZE)
    twice, matches = criterion(logits.repeat(2, 1, 1), boxes.repeat(2, 1, 1), [truth, truth], SIZE)
    assert matches[0].tolist() == matches[1].tolist()
    assert (matches >= 0).sum() == 6
    for name, value in alone.items():
        torch.testing.assert_close(twice[name], value)


def test_a_group_without_objects_learns_to_say_none():
    logits = torch.zeros(2, 5, 1, requires_grad=True)
    boxes = torch.rand(2, 5, 4).cumsum(-1).requires_grad_()
    empty = objects([])
    losses, matches = SetCriterion()(logits, boxes, [empty, empty], SIZE)
    assert (matches == -1).all()
    assert losses["distance"].item() == losses["overlap"].item() == 0
    sum(losses.values()).backward()
    assert (logits.grad > 0).all()
    assert torch.equal(boxes.grad, torch.zeros_like(boxes))


def test_columns_that_are_not_learnt_get_no_gradient():
    logits, boxes, truth = random_case(1)
    truth = truth.with_(labels=torch.zeros(3, dtype=torch.int64))
    logits.requires_grad_()
    learnt = torch.tensor([True, False, True, False])
    losses, _ = SetCriterion()(logits[None], boxes[None], [truth], SIZE, learnt)
    losses["class"].backward()
    assert (logits.grad.abs().sum(dim=0) > 0).tolist() == learnt.tolist()


def test_copies_pair_an_object_with_several_queries():
    truth = objects([[0, 0, 10, 10], [30, 20, 50, 40]])
    near = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [30, 20, 50, 40], [31, 21, 51, 39]])
    far = torch.tensor([[20.0, 0, 25, 5]])
    pairs = SetCriterion(copies=2).match(torch.zeros(5, 1), torch.cat([far, near]), truth, SIZE)
    assert pairs.tolist() == [[1, 0], [2, 0], [3, 1], [4, 1]]


def test_more_objects_than_queries():
    truth = objects([[0, 0, 10, 10], [30, 20, 50, 40], [5, 5, 9, 9]])
    boxes = torch.tensor([[[30.0, 20, 50, 40]]])
    losses, matches = SetCriterion()(torch.zeros(1, 1, 1), boxes, [truth], SIZE)
    assert matches.tolist() == [[1]]
    assert all(torch.isfinite(value) for value in losses.values())


def test_a_count_is_at_least_one():
    assert mean_count(0, torch.device("cpu")).item() == 1
    assert mean_count(7, torch.device("cpu")).item() == 7


def test_the_bias_of_a_prior():
    assert prior_bias(0.01) == pytest.approx(-math.log(0.99 / 0.01))
    with pytest.raises(ValueError, match=r"prior must lie between 0 and 1, got 1\.0"):
        prior_bias(1.0)
