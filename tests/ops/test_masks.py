import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from ovdet.ops.masks import (
    check_segmentation,
    decode_segmentation,
    encode_rle,
    mask_boxes,
    paste_masks,
    paste_rle,
)


def test_a_full_mask_fills_its_box():
    boxes = torch.tensor([[2.0, 1.0, 6.0, 4.0], [-3.0, -3.0, 2.0, 2.0], [9.0, 0.0, 30.0, 30.0]])
    pasted = paste_masks(torch.ones(3, 5, 5), boxes, 8, 12)
    expected = torch.zeros(3, 8, 12, dtype=torch.bool)
    expected[0, 1:4, 2:6] = True
    expected[1, :2, :2] = True
    expected[2, :, 9:] = True
    assert torch.equal(pasted, expected)


def test_pixels_belong_by_their_centres():
    pasted = paste_masks(torch.ones(1, 2, 2), torch.tensor([[1.4, 1.6, 3.4, 3.6]]), 6, 6)
    assert pasted[0].nonzero().tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]


@pytest.mark.parametrize("seed", range(5))
def test_in_whole_pixels_it_is_a_resize_by_opencv(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((14, 14), np.float32)
    (left, top), (width, height) = rng.integers(0, 10, 2), rng.integers(15, 30, 2)
    box = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
    expected = np.zeros((40, 44), np.bool_)
    resized = cv2.resize(mask, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
    expected[top : top + height, left : left + width] = resized >= 0.5
    found = paste_masks(torch.from_numpy(mask)[None], box, 40, 44)[0].numpy()
    assert (found != expected).sum() <= 1  # a value at the very threshold may round either way


@pytest.mark.parametrize("box", [[3.0, 3, 3, 3], [50.0, 50, 60, 60], [-9.0, -9, -1, -1]])
def test_boxes_without_pixels_give_empty_masks(box):
    assert not paste_masks(torch.ones(1, 2, 2), torch.tensor([box]), 8, 8).any()


def test_no_mask():
    assert paste_masks(torch.zeros(0, 4, 4), torch.zeros(0, 4), 8, 9).shape == (0, 8, 9)
    assert encode_rle(torch.zeros(0, 8, 9, dtype=torch.bool)) == []
    assert paste_rle(torch.zeros(0, 4, 4), torch.zeros(0, 4), 8, 9) == []


def test_half_precision_masks_are_pasted():
    box = torch.tensor([[0.0, 0, 4, 4]])
    assert paste_masks(torch.ones(1, 2, 2, dtype=torch.bfloat16), box, 4, 4).all()


def test_run_lengths_come_back():
    masks = torch.rand(4, 13, 17, generator=torch.Generator().manual_seed(0)) > 0.5
    masks[3] = False
    for mask, rle in zip(masks, encode_rle(masks), strict=True):
        check_segmentation(rle, 13, 17)
        assert np.array_equal(decode_segmentation(rle, 13, 17), mask.numpy())
        assert rle["size"] == [13, 17]


def test_pasting_one_by_one_is_the_same():
    masks, boxes = torch.rand(3, 5, 5), torch.tensor([[0.0, 0, 7, 9], [2, 2, 8, 8], [0, 0, 1, 1]])
    assert paste_rle(masks, boxes, 9, 9) == encode_rle(paste_masks(masks, boxes, 9, 9))


def test_all_forms_of_a_segmentation_agree():
    polygon = [[2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0]]
    drawn = decode_segmentation(polygon, 8, 9)
    assert drawn.sum() == 16
    assert drawn[1:5, 2:6].all()
    flat, counts, last = drawn.ravel(order="F"), [], False
    for value in flat:
        if value != last or not counts:
            counts.append(0)
            if value and len(counts) == 1:
                counts.append(0)
        counts[-1] += 1
        last = value
    plain = {"size": [8, 9], "counts": counts}
    packed = coco_mask.frPyObjects(plain, 8, 9)
    packed["counts"] = packed["counts"].decode()
    for segmentation in (plain, packed):
        check_segmentation(segmentation, 8, 9)
        assert np.array_equal(decode_segmentation(segmentation, 8, 9), drawn)


def test_long_runs_are_counted():
    rle = encode_rle(torch.ones(1, 3000, 2000, dtype=torch.bool))[0]
    check_segmentation(rle, 3000, 2000)
    with pytest.raises(ValueError, match="runs must fill 6000000 px, got"):
        check_segmentation(rle | {"counts": rle["counts"][:-1] + "1"}, 3000, 2000)


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        [[0, 0, 1, 1]],
        [[0, 0, 1, 1, 2, 2, 3]],
        [[0, 0, 1, 1, 2, float("nan")]],
        [[0, 0, 1, 1, 2, 1e9]],
        [3],
        None,
        {},
        {"size": [4, 4], "counts": [8, -8, 16]},
        {"size": [4, 4], "counts": "\u00ff"},
        {"size": [4, 4], "counts": "P"},
        {"size": [4, 4], "counts": 16},
    ],
)
def test_broken_segmentations(segmentation):
    with pytest.raises(ValueError, match="segmentation"):
        check_segmentation(segmentation, 4, 4)


def test_boxes_of_masks_by_hand():
    masks = torch.zeros(3, 5, 7, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    masks[1, 4, 0] = True
    assert mask_boxes(masks).tolist() == [[2, 1, 6, 3], [0, 4, 1, 5], [0, 0, 0, 0]]
    assert mask_boxes(masks[:0]).shape == (0, 4)
