"""Detectors of mmdet as ours: closed, opened, filled with weights."""

import logging

import pytest
import torch

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmdet_tiny import (
    ASKED,
    DIM,
    KNOWN,
    LEARNT,
    MASK,
    MODELS,
    RETINA,
    TINY,
    make,
    options,
    sample,
)
from mmengine.logging import HistoryBuffer, MMLogger

from ovdet.engine.checkpoints import load_weights
from ovdet.registry import BuildError
from ovdet.structures import InputError, Vocabulary

TWO_STAGE = "deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py"
BATCH = [sample(0), sample(1)]


def predict(detector, vocabulary, **limits):
    with torch.no_grad():
        return detector.eval().predict(BATCH, vocabulary, **limits)


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "opened"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_and_finds(name, opened):
    detector = make(name, opened=opened)
    losses = detector.train().loss(BATCH, LEARNT if opened else KNOWN)
    assert all(loss.ndim == 0 for loss in losses.values())
    total = sum(loss for key, loss in losses.items() if "loss" in key)
    assert torch.isfinite(total)
    total.backward()
    learning = [(k, p) for k, p in detector.named_parameters() if p.requires_grad]
    assert not [key for key, weight in learning if weight.grad is None]
    for vocabulary in (ASKED, Vocabulary.of(["kite"])) if opened else (KNOWN,):
        for found, one in zip(predict(detector, vocabulary), BATCH, strict=True):
            found.check(name)
            assert set(found.labels.tolist()) <= set(range(len(vocabulary)))
            assert (found.scores.diff() <= 0).all()
            if len(found):
                assert (found.boxes.amax(dim=0) <= torch.tensor([96, 128, 96, 128])).all()
            if "mask" in name:
                assert found.masks.shape[1:] == torch.Size(one.original_size)


def test_predictions_are_mmdets_own():
    from mmdet.structures import DetDataSample

    detector = make(RETINA).eval()
    picture = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(4))
    meta = {"ori_shape": (128, 96), "img_shape": (64, 64), "scale_factor": (64 / 96, 0.5)}
    record = DetDataSample(metainfo=meta)
    with torch.no_grad():
        step = {"inputs": [picture.to(torch.uint8)], "data_samples": [record]}
        wanted = detector.detector.test_step(step)[0].pred_instances
    one = sample(0)
    one.image = picture.flip(0).float() / 255
    with torch.no_grad():
        (found,) = detector.predict([one], detector.own)
    assert len(found) > 5
    torch.testing.assert_close(found.scores, wanted.scores[: len(found)])
    torch.testing.assert_close(found.boxes[:5], wanted.bboxes[:5], atol=1e-3, rtol=1e-4)
    assert found.labels[:5].tolist() == wanted.labels[:5].tolist()


def test_a_closed_model_is_asked_by_name():
    detector = make(RETINA)
    assert detector.own.names[:2] == ("person", "bicycle")
    assert detector.vocabulary is detector.own
    turned = Vocabulary.of(["dog", "cat"])
    for a, b in zip(predict(detector, turned), predict(detector, detector.own), strict=True):
        own = [detector.own.names[label] for label in b.labels.tolist()]
        names = [turned.names[label] for label in a.labels.tolist()]
        assert names == [name for name in own if name in turned.names]
    with pytest.raises(InputError, match=r"its own 80 classes alone, not 'dogs'; did you mean 'do"):
        detector.predict(BATCH, Vocabulary.of(["dogs"]))


def test_losses_follow_names_not_rows():
    detector = make(RETINA).train()
    first = detector.loss([sample(0, labels=(0, 2))], Vocabulary.of(["cat", "car", "dog"]))
    second = detector.loss([sample(0, labels=(1, 0))], Vocabulary.of(["dog", "cat"]))
    for key, value in first.items():
        torch.testing.assert_close(second[key], value)


def test_novel_classes_do_not_take_part():
    detector = make(RETINA, opened=True).train()
    whole = detector.loss([sample(0, labels=(0, 2))], LEARNT)
    without = detector.loss([sample(0, labels=(0, -1))], Vocabulary.of(LEARNT.names[:2]))
    for key, value in whole.items():
        torch.testing.assert_close(without[key], value)


def test_names_find_the_same_in_any_order_and_company():
    detector = make(RETINA, opened=True)
    some = Vocabulary.of(["cat", "kite"])
    a, _ = predict(detector, some, top_k=5)
    b, _ = predict(detector, Vocabulary.of(["kite", "cat"]), top_k=5)
    torch.testing.assert_close(a.scores, b.scores)
    torch.testing.assert_close(a.boxes, b.boxes)
    assert a.labels.tolist() == [1 - label for label in b.labels.tolist()]
    limited, _ = predict(detector, some, threshold=float(a.scores[2]))
    assert len(limited) == 3


def test_samples_without_boxes_are_left_out():
    detector = make(RETINA).train()
    other = sample(1)
    other.boxed = False
    alone = detector.loss([sample(0)], KNOWN)
    for key, value in detector.loss([sample(0), other], KNOWN).items():
        torch.testing.assert_close(value, alone[key])
    with pytest.raises(InputError, match="learns from boxed samples, this batch has none"):
        detector.loss([other], KNOWN)


def test_missing_masks_are_told():
    one = sample(0)
    one.truth.masks = None
    with pytest.raises(InputError, match="MaskRCNN learns from masks, image 1 has none"):
        make(MASK).loss([one], KNOWN)


def checkpoint(tmp_path, weights):
    """Write what mmengine's runner writes: weights among records of its own classes."""
    path = tmp_path / "epoch_12.pth"
    log = {"log_scalars": {"train/loss": HistoryBuffer([1.0, 0.5], [1, 1])}}
    torch.save({"meta": {"epoch": 12}, "state_dict": weights, "message_hub": log}, path)
    return path


def test_a_checkpoint_of_mmdets_is_one_of_ours(tmp_path):
    torch.manual_seed(3)
    detector = make(RETINA)
    with torch.no_grad():
        detector.detector.bbox_head.retina_cls.bias.normal_()
    path = checkpoint(tmp_path, detector.detector.state_dict())
    assert list(detector.state_dict()) == list(detector.detector.state_dict())
    filled = make(RETINA, weights=str(path))
    other = make(RETINA)
    load_weights(other, path)
    for key, value in detector.state_dict().items():
        torch.testing.assert_close(filled.state_dict()[key], value)
        torch.testing.assert_close(other.state_dict()[key], value)


def test_an_opened_model_starts_from_a_closed_one(tmp_path, caplog):
    closed = make(MASK)
    path = checkpoint(tmp_path, closed.detector.state_dict())
    with caplog.at_level("INFO", logger="ovdet"):
        opened = make(MASK, opened=True, weights=str(path))
    assert "start anew: roi_head.bbox_head.fc_cls.cosine.background_vector" in caplog.text
    key = "roi_head.bbox_head.shared_fcs.0.weight"
    torch.testing.assert_close(opened.state_dict()[key], closed.state_dict()[key])
    again = make(MASK, opened=True)
    again.load_state_dict(opened.state_dict())
    assert any(name.startswith("text.") for name in opened.state_dict())


def test_weights_of_another_model_are_told(tmp_path):
    path = checkpoint(tmp_path, make(MASK).detector.state_dict())
    with pytest.raises(
        BuildError, match=r"epoch_12.pth: is not this RetinaNet: \d+ weights differ"
    ):
        make(RETINA, weights=str(path))


def test_names_must_be_as_many_as_classes():
    with pytest.raises(BuildError, match="one for each of the model's 80 classes, got 2"):
        make(RETINA, names=["cat", "dog"])
    two = {"model.bbox_head.num_classes": 2}
    detector = make(RETINA, names=["cat", "dog"], options=options(RETINA) | two)
    assert detector.own.names == ("cat", "dog")


def test_heads_we_do_not_know_are_told():
    narrow = {"model.backbone.depth": 18, "model.neck.in_channels": [64, 128, 256, 512]}
    name = "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"
    TINY[name] = {}
    try:
        with pytest.raises(BuildError, match="class layer of mmdet's FCOSHead is not known"):
            make(name, opened=True, options=narrow)
    finally:
        del TINY[name]


def test_what_cannot_be_opened_is_told():
    TINY[TWO_STAGE] = TINY["deformable_detr/deformable-detr_r50_16xb2-50e_coco.py"]
    try:
        with pytest.raises(BuildError, match="DeformableDETR of two stages chooses its queries"):
            make(TWO_STAGE, opened=True)
    finally:
        del TINY[TWO_STAGE]


def test_the_width_of_the_text_must_be_the_layers():
    detector = make(RETINA, opened=True)
    with pytest.raises(InputError, match=f"dim must be the width of the text, 5, got {DIM}"):
        detector._naming._heads.ask(torch.randn(3, 5))


def test_a_trunk_of_ours_sees_what_it_always_sees():
    class Trunk(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ModuleList(torch.nn.Conv2d(3, 8 * 2**i, 1) for i in range(4))

        def forward(self, images):
            self.seen = images
            pooled = [torch.nn.functional.avg_pool2d(images, 2 ** (i + 2)) for i in range(4)]
            return [conv(level) for conv, level in zip(self.weights, pooled, strict=True)]

    trunk = Trunk()
    detector = make(RETINA, opened=True, trunk=trunk).eval()
    predict(detector, ASKED)
    torch.testing.assert_close(trunk.seen, torch.stack([one.image for one in BATCH]))
    detector.train().loss(BATCH, LEARNT)["loss_cls"].backward()
    assert trunk.weights[1].weight.grad.abs().sum() > 0
    assert "backbone.weights.0.weight" in detector.state_dict()


def test_names_come_with_the_weights(tmp_path):
    two = {"model.bbox_head.num_classes": 2}
    made = make(RETINA, names=["cat", "dog"], options=options(RETINA) | two)
    for meta in ({"dataset_meta": {"classes": ("kite", "a dog")}}, {"CLASSES": ["kite", "a dog"]}):
        path = tmp_path / "named.pth"
        torch.save({"meta": meta, "state_dict": made.detector.state_dict()}, path)
        found = make(RETINA, weights=str(path), options=options(RETINA) | two)
        assert found.own.names == ("kite", "a dog")


def test_a_log_whose_file_was_closed_is_no_hindrance(tmp_path):
    """Whoever configures logging anew, as web servers do, closes the files of all handlers."""
    logger = MMLogger.get_current_instance()
    handler = logging.FileHandler(tmp_path / "run.log", "w")  # as mmengine's own
    logger.addHandler(handler)
    try:
        handler.close()
        assert make(RETINA).detector is not None
        assert handler in logger.handlers
    finally:
        logger.removeHandler(handler)
