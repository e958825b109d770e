"""Objectives of ours behind mmdet's detectors of two stages."""

import pytest
import torch

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmdet_tiny import DIM, LEARNT, MASK, RETINA, make, sample
from torch import nn

from ovdet.methods.vild import VildDistillation
from ovdet.registry import BuildError
from ovdet.structures import Regions, Vocabulary

FASTER = "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
CASCADE = "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py"
BATCH = [sample(0), sample(1)]


class Teacher(nn.Module):
    """Sees every region as the same."""

    def forward(self, images, regions):
        assert images.shape == (2, 3, 64, 64)
        return torch.nn.functional.normalize(torch.ones(len(regions), DIM), dim=1)


class Watch(nn.Module):
    """Keeps the flow."""

    def forward(self, flow):
        self.flow = flow
        return {"watched": torch.zeros(())}


def opened(name, *objectives):
    torch.manual_seed(0)
    return make(name, opened=True, objectives=list(objectives)).train()


@pytest.mark.parametrize("name", [FASTER, MASK, CASCADE])
def test_the_objectives_gradient_reaches_the_detector(name):
    detector = opened(name, VildDistillation(Teacher(), count=5))
    losses = detector.loss(BATCH, LEARNT)
    assert losses["loss_vild"] > 0
    assert any("loss_cls" in key for key in losses)
    losses["loss_vild"].backward()
    reached = {key for key, p in detector.named_parameters() if p.grad is not None and p.grad.any()}
    for part in ("backbone", "neck", "roi_head.bbox_head"):
        assert any(f"detector.{part}" in key for key in reached), part
    assert not any("rpn_head" in key or "mask_head" in key for key in reached)


def test_the_flow_tells_what_the_detector_did():
    watch = Watch()
    detector = opened(FASTER, watch)
    both = Vocabulary.of(["cat", "red car"])
    detector.loss(BATCH, both)
    flow = watch.flow
    assert flow.vocabulary is both
    torch.testing.assert_close(flow.images, torch.stack([one.image for one in BATCH]))
    assert [level.shape[1] for level in flow.features] == [32] * 5
    proposals = flow.proposals
    proposals.check("the proposals")
    assert set(proposals.owner.tolist()) == {0, 1}
    for image in range(2):
        assert (proposals.of_image(image).scores.diff() <= 0).all()
    assert not proposals.boxes.requires_grad
    embeddings = flow.embed(proposals, 0)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(proposals)))
    rois = torch.cat([proposals.owner[:, None], proposals.boxes], dim=1)
    wanted = detector.detector.roi_head._bbox_forward(flow.features, rois)["cls_score"]
    torch.testing.assert_close(flow.classify(embeddings, 0), wanted)
    torch.testing.assert_close(flow.text.classes, detector.text(both).classes)
    assert flow.encode_words(["dog"]).shape == (1, DIM)
    assert flow.embed(Regions.empty(), 0).shape == (0, DIM)


def test_novel_classes_have_their_text_in_the_flow():
    watch = Watch()
    detector = opened(FASTER, watch)
    detector.loss(BATCH, LEARNT)
    logits = watch.flow.classify(watch.flow.embed(watch.flow.proposals, 0), 0)
    assert logits.shape[1] == len(LEARNT) + 1


def test_each_stage_of_a_cascade_is_a_branch():
    watch = Watch()
    opened(CASCADE, watch).loss(BATCH, LEARNT)
    some = watch.flow.proposals[:4]
    first, last = watch.flow.embed(some, 0), watch.flow.embed(some, 2)
    assert first.shape == last.shape == (4, DIM)
    assert not torch.allclose(first, last)


def test_losses_are_the_same_with_and_without_an_objective():
    losses = []
    for objectives in ([], [Watch()]):
        detector = opened(FASTER, *objectives)
        torch.manual_seed(1)
        losses.append(detector.loss(BATCH, LEARNT))
    for key, value in losses[0].items():
        torch.testing.assert_close(losses[1][key], value)


def test_weights_of_an_objective_keep_their_names():
    detector = opened(FASTER, nn.Linear(2, 2))
    assert {"objectives.0.weight", "backbone.conv1.weight"} <= set(detector.state_dict())
    opened(FASTER, nn.Linear(2, 2)).load_state_dict(detector.state_dict())


def test_one_stage_and_closed_heads_are_told():
    message = r"objectives need a detector of two stages that is opened .* got a RetinaNet"
    with pytest.raises(BuildError, match=message):
        opened(RETINA, Watch())
    with pytest.raises(BuildError, match=r"that is opened .* got a FasterRCNN"):
        make(FASTER, objectives=[Watch()])
