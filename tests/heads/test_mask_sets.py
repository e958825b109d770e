import pytest
import torch
import torch.nn.functional as F

from ovdet.heads import MaskSetCriterion, MaskTerms
from ovdet.structures import InputError, MaskQueries, Regions

ENTROPY = {"alpha": None, "gamma": 0.0}


def objects(masks, labels):
    masks = torch.as_tensor(masks)
    owner = torch.zeros(len(masks), dtype=torch.int64)
    labels = torch.as_tensor(labels, dtype=torch.int64)
    return Regions(torch.zeros(len(masks), 4), owner, labels=labels, masks=masks)


def case(seed, counts=(2, 3), queries=6, classes=4):
    torch.manual_seed(seed)
    truth = [objects(torch.rand(n, 12, 16) > 0.6, torch.randint(classes, (n,))) for n in counts]
    masks = torch.randn(len(counts), queries, 6, 8, requires_grad=True)
    said = MaskQueries(torch.zeros(len(counts), queries, 1), masks)
    return said, torch.randn(len(counts), queries, classes + 1, requires_grad=True), truth


def labels_of(truth):
    return {
        "mask_labels": [one.masks.float() for one in truth],
        "class_labels": [one.labels for one in truth],
    }


@pytest.mark.parametrize("counts", [(2, 3), (0, 1), (8, 1)])
def test_every_pixel_as_transformers(counts):
    from transformers.models.maskformer.modeling_maskformer import (
        MaskFormerHungarianMatcher,
        MaskFormerLoss,
    )

    said, logits, truth = case(3, counts)
    matcher = MaskFormerHungarianMatcher(cost_class=1.0, cost_mask=20.0, cost_dice=1.0)
    theirs = MaskFormerLoss(4, matcher, {}, eos_coef=0.1)
    labels = labels_of(truth)
    expected = theirs(said.logits, logits, **labels)
    losses, matches = MaskSetCriterion()(said, logits, truth)
    torch.testing.assert_close(losses["class"], expected["loss_cross_entropy"])
    torch.testing.assert_close(losses["mask"], 20 * expected["loss_mask"])
    torch.testing.assert_close(losses["dice"], expected["loss_dice"])
    for image, (query, index) in enumerate(matcher(said.logits, logits, **labels)):
        assert matches[image, query].tolist() == index.tolist()
    assert int((matches >= 0).sum()) == sum(min(count, 6) for count in counts)


def test_points_as_transformers():
    from transformers import Mask2FormerConfig
    from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss

    said, logits, truth = case(4)
    config = Mask2FormerConfig(
        num_labels=4, class_weight=2.0, mask_weight=5.0, dice_weight=5.0, train_num_points=40
    )
    theirs = Mask2FormerLoss(config, {})
    torch.manual_seed(7)
    expected = theirs(said.logits, logits, **labels_of(truth))
    torch.manual_seed(7)
    own = MaskSetCriterion(MaskTerms(2.0, 5.0, 5.0), points=40, **ENTROPY)
    losses, _ = own(said, logits, truth)
    torch.testing.assert_close(losses["class"], 2 * expected["loss_cross_entropy"])
    torch.testing.assert_close(losses["mask"], 5 * expected["loss_mask"])
    torch.testing.assert_close(losses["dice"], 5 * expected["loss_dice"])


def test_by_hand():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, :2], masks[1, 2:] = True, True
    sure = (masks.float() - 0.5) * 80
    logits = torch.tensor([[[0.0, 0, 0], [0, 9, 0], [9, 0, 0]]])
    said = MaskQueries(torch.zeros(1, 3, 1), torch.stack([sure[0] * 0, sure[0], sure[1]])[None])
    losses, matches = MaskSetCriterion()(said, logits, [objects(masks, [1, 0])])
    assert matches.tolist() == [[-1, 0, 1]]
    each = F.cross_entropy(logits[0], torch.tensor([2, 1, 0]), reduction="none")
    weighted = (0.1 * each[0] + each[1] + each[2]) / 2.1
    torch.testing.assert_close(losses["class"], weighted)
    assert losses["mask"] < 1e-5
    assert losses["dice"] < 1e-5


@pytest.mark.parametrize("points", [None, 10])
def test_images_without_an_object_teach_the_void_alone(points):
    said, logits, truth = case(0, (0, 0))
    losses, matches = MaskSetCriterion(points=points)(said, logits, truth)
    assert (matches == -1).all()
    void = -logits.log_softmax(dim=2)[..., -1].mean()
    torch.testing.assert_close(losses["class"], void)
    assert losses["mask"] == losses["dice"] == 0
    sum(losses.values()).backward()
    assert torch.equal(said.logits.grad, torch.zeros_like(said.logits))


def test_one_class():
    said, logits, truth = case(1, classes=1)
    losses, _ = MaskSetCriterion()(said, logits, truth)
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize("points", [None, 10])
def test_halves_give_finite_losses_and_gradients(points):
    said, logits, truth = case(2)
    masks, given = said.logits.detach().bfloat16(), logits.detach().bfloat16()
    masks.requires_grad_()
    given.requires_grad_()
    losses, _ = MaskSetCriterion(points=points)(MaskQueries(said.vectors, masks), given, truth)
    assert all(value.dtype is torch.float32 for value in losses.values())
    sum(losses.values()).backward()
    assert torch.isfinite(masks.grad).all()
    assert torch.isfinite(given.grad).all()


def test_objects_without_masks_are_refused():
    said, logits, truth = case(0, (1,))
    with pytest.raises(InputError, match="masks are learnt from objects with masks and labels"):
        MaskSetCriterion()(said, logits, [truth[0].with_(masks=None)])
