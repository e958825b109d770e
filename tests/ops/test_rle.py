import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from ovdet.ops.rle import check_segmentation, decode_segmentation, encode_rle, encode_window


def by_pycocotools(masks):
    """Return the run lengths of masks [R, H, W] as COCO's own code writes them."""
    planes = np.asfortranarray(masks.permute(1, 2, 0).numpy().astype(np.uint8))
    return [rle | {"counts": rle["counts"].decode()} for rle in coco_mask.encode(planes)]


def test_run_lengths_come_back():
    masks = torch.rand(4, 13, 17, generator=torch.Generator().manual_seed(0)) > 0.5
    masks[3] = False
    for mask, rle in zip(masks, encode_rle(masks), strict=True):
        check_segmentation(rle, 13, 17)
        assert np.array_equal(decode_segmentation(rle, 13, 17), mask.numpy())
        assert rle["size"] == [13, 17]


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (13, 17), (90, 70)])
def test_as_pycocotools(size, density):
    generator = torch.Generator().manual_seed(size[0])
    masks = torch.rand(6, *size, generator=generator) < density
    assert encode_rle(masks) == by_pycocotools(masks)


def test_all_that_two_columns_can_hold():
    bits = torch.arange(2**6)[:, None] >> torch.arange(6)
    masks = (bits & 1).bool().view(-1, 2, 3).mT  # runs go on from one column into the next
    assert encode_rle(masks) == by_pycocotools(masks)


def test_as_pycocotools_when_runs_are_long():
    masks = torch.zeros(3, 5000, 2400, dtype=torch.bool)  # differences of 25 bits and their signs
    masks[0, 100:4000, 3:2000] = True
    masks[1, :, 2:2399] = True
    masks[1, 7, 70] = False
    masks[2, 4999, 2399] = True
    assert encode_rle(masks) == by_pycocotools(masks)


def test_how_masks_lie_in_memory_does_not_matter():
    masks = (torch.rand(11, 9, 4, generator=torch.Generator().manual_seed(0)) > 0.5).permute(
        2, 0, 1
    )
    assert encode_rle(masks) == encode_rle(masks.contiguous())


def test_no_mask_no_run_lengths():
    assert encode_rle(torch.zeros(0, 8, 9, dtype=torch.bool)) == []


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


@pytest.mark.parametrize("corner", [(0, 0), (3, 2), (6, 5)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_window_s_mask_lies_in_the_picture(corner, share):
    part = np.random.default_rng(0).random((5, 4)) < share
    (left, top), picture = corner, np.zeros((10, 10), np.uint8)
    picture[top : top + 5, left : left + 4] = part
    expected = coco_mask.encode(np.asfortranarray(picture))
    found = encode_window(part, corner, (10, 10))
    assert found == {"size": [10, 10], "counts": expected["counts"].decode()}
