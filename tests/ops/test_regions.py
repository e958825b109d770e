import pytest
import torch

from ovdet.ops import crop_regions, enlarge, pyramid_roi_align
from ovdet.ops.regions import crop_masks
from ovdet.structures import Regions


def regions(boxes, owner=None):
    owner = torch.zeros(len(boxes), dtype=torch.int64) if owner is None else torch.tensor(owner)
    return Regions(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), owner)


def ramp(height=32, width=32):
    """A picture whose red is the pixel centre's x and whose green is its y, in px."""
    x = (torch.arange(width) + 0.5).expand(height, width)
    y = (torch.arange(height) + 0.5)[:, None].expand(height, width)
    return torch.stack([x, y, torch.zeros(height, width)])[None]


@pytest.mark.parametrize("side", [4, 8, 16])
def test_a_crop_of_a_ramp_is_a_ramp(side):
    crop = crop_regions(ramp(), regions([[8, 4, 24, 20]]), side)[0]
    centres = (torch.arange(side) + 0.5) * 16 / side  # of the crop's cells, px
    torch.testing.assert_close(crop[0], (8 + centres).expand(side, side))
    torch.testing.assert_close(crop[1], (4 + centres)[:, None].expand(side, side))


def test_shrinking_averages():
    board = torch.zeros(1, 3, 32, 32)
    board[..., ::2, ::2] = 1
    board[..., 1::2, 1::2] = 1  # a chess board: its mean is a half
    crop = crop_regions(board, regions([[4, 4, 28, 28]]), 2)
    torch.testing.assert_close(crop, torch.full_like(crop, 0.5))


def test_each_region_reads_its_own_image():
    images = torch.stack([torch.full((3, 8, 8), value) for value in (0.25, 0.75)])
    crops = crop_regions(images, regions([[1, 1, 5, 5]] * 3, owner=[1, 0, 1]), 2)
    assert crops[:, 0, 0, 0].tolist() == [0.75, 0.25, 0.75]


def test_no_region_gives_no_crop():
    assert crop_regions(ramp(), regions([]), 8).shape == (0, 3, 8, 8)
    assert pyramid_roi_align([torch.rand(1, 5, 8, 8)], regions([]), 7, 32).shape == (0, 5, 7, 7)


def test_enlarge_keeps_the_owners():
    larger = enlarge(regions([[4, 4, 8, 8]], owner=[3]), 2.0, torch.zeros(4, 3, 16, 16))
    assert larger.boxes.tolist() == [[2, 2, 10, 10]]
    assert larger.owner.tolist() == [3]


def test_large_regions_read_coarse_levels():
    levels = [torch.full((1, 1, 32 // 2**i, 32 // 2**i), float(i)) for i in range(3)]
    given = regions([[0, 0, 64, 64], [0, 0, 33, 33], [0, 0, 17, 17], [0, 0, 15, 15], [0, 0, 1, 1]])
    pooled = pyramid_roi_align(levels, given, 2, image_size=64)
    assert pooled[:, 0, 0, 0].tolist() == [2, 2, 1, 0, 0]


def test_pooling_keeps_the_order_and_the_graph():
    levels = [torch.rand(1, 4, 16, 16, requires_grad=True), torch.rand(1, 4, 8, 8)]
    given = regions([[2, 2, 10, 10], [0, 0, 60, 60], [3, 3, 9, 9]])
    pooled = pyramid_roi_align(levels, given, 3, image_size=64)
    for row in range(3):
        alone = pyramid_roi_align(levels, given[torch.tensor([row])], 3, image_size=64)
        torch.testing.assert_close(pooled[row], alone[0])
    pooled.sum().backward()
    assert levels[0].grad.abs().sum() > 0


def test_a_mask_is_cut_to_its_box():
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[0, 4:8, 4:12] = True
    box = torch.tensor([[4.0, 4, 12, 12]])  # the mask fills its upper half
    cut = crop_masks(mask, box, 4)
    assert cut[0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]


def test_boxes_that_share_a_mask_are_cut_as_from_copies():
    masks = torch.rand(3, 20, 24) > 0.5
    owner = torch.tensor([2, 0, 2, 2])
    boxes = torch.tensor([[0.0, 0, 24, 20], [3, 4, 9, 19], [1, 1, 6, 5], [8, 8, 20, 12]])
    expected = crop_masks(masks[owner], boxes, 5)
    assert torch.equal(crop_masks(masks, boxes, 5, owner), expected)
    assert crop_masks(masks, boxes[:0], 5, owner[:0]).shape == (0, 5, 5)


def test_no_mask_no_cut():
    assert crop_masks(torch.zeros(0, 8, 8), torch.zeros(0, 4), 4).shape == (0, 4, 4)
