"""Samples to mmdet's records and back, by hand."""

import pytest
import torch
from mmdet_tiny import sample

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmengine.structures import InstanceData

from ovdet.adapters.mmdet.samples import from_mmdet, to_mmdet
from ovdet.structures import InputError


def test_images_are_bgr_of_255():
    one = sample(0)
    data = to_mmdet([one])
    torch.testing.assert_close(data["inputs"][0][0], one.image[2] * 255)
    record = data["data_samples"][0]
    assert record.ori_shape == (128, 96)
    assert record.img_shape == (64, 64)
    assert record.scale_factor == (64 / 96, 0.5)
    assert "gt_instances" not in record


def test_truth_in_the_models_classes():
    record = to_mmdet([sample(0, labels=(2, 1))], torch.tensor([5, -1, 7]))["data_samples"][0]
    assert record.gt_instances.labels.tolist() == [7]
    assert record.gt_instances.bboxes.tolist() == [[4, 6, 30, 28]]
    assert record.gt_instances.masks.masks.sum() == 26 * 22
    assert record.ignored_instances.bboxes.tolist() == [[34, 30, 60, 62]]
    unnamed = to_mmdet([sample(0, labels=(-1, -1))], torch.tensor([5]))["data_samples"][0]
    assert len(unnamed.gt_instances.labels) == 0
    assert len(unnamed.gt_instances.masks) == 0


def test_masks_must_cover_the_image():
    one = sample(0)
    one.truth.masks = one.truth.masks[:, :20]
    with pytest.raises(
        InputError, match=r"masks must be \[64, 64\] px as the image, got \[20, 64\]"
    ):
        to_mmdet([one], torch.tensor([0, 1]))


def test_predictions_are_clipped_sorted_and_not_empty():
    found = InstanceData(
        bboxes=torch.tensor([[-5.0, 3, 20, 30], [90, 100, 200, 400], [97, 2, 120, 9]]),
        scores=torch.tensor([0.2, 0.9, 0.8]),
        labels=torch.tensor([1, 0, 2]),
        masks=torch.ones(3, 128, 96, dtype=torch.bool),
    )
    regions = from_mmdet(type("Record", (), {"pred_instances": found}), sample(0))
    assert regions.boxes.tolist() == [[90, 100, 96, 128], [0, 3, 20, 30]]
    assert regions.labels.tolist() == [0, 1]
    assert regions.masks.shape == (2, 128, 96)
    nothing = from_mmdet(type("Record", (), {"pred_instances": found[:0]}), sample(0))
    assert len(nothing) == 0
