import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ovdet.ops.masks import mask_boxes, mask_paste, mask_pool, paste_rle
from ovdet.ops.rle import decode_segmentation, encode_rle
from ovdet.structures import InputError


def test_a_full_mask_fills_its_box():
    boxes = torch.tensor([[2.0, 1.0, 6.0, 4.0], [-3.0, -3.0, 2.0, 2.0], [9.0, 0.0, 30.0, 30.0]])
    pasted = mask_paste(torch.ones(3, 5, 5), boxes, 8, 12)
    expected = torch.zeros(3, 8, 12, dtype=torch.bool)
    expected[0, 1:4, 2:6] = True
    expected[1, :2, :2] = True
    expected[2, :, 9:] = True
    assert torch.equal(pasted, expected)


def test_pixels_belong_by_their_centres():
    pasted = mask_paste(torch.ones(1, 2, 2), torch.tensor([[1.4, 1.6, 3.4, 3.6]]), 6, 6)
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
    found = mask_paste(torch.from_numpy(mask)[None], box, 40, 44)[0].numpy()
    assert (found != expected).sum() <= 1  # a value at the very threshold may round either way


@pytest.mark.parametrize("box", [[3.0, 3, 3, 3], [50.0, 50, 60, 60], [-9.0, -9, -1, -1]])
def test_boxes_without_pixels_give_empty_masks(box):
    assert not mask_paste(torch.ones(1, 2, 2), torch.tensor([box]), 8, 8).any()


def test_no_mask():
    assert mask_paste(torch.zeros(0, 4, 4), torch.zeros(0, 4), 8, 9).shape == (0, 8, 9)
    assert paste_rle(torch.zeros(0, 4, 4), torch.zeros(0, 4), 8, 9) == []


def test_half_precision_masks_are_pasted():
    box = torch.tensor([[0.0, 0, 4, 4]])
    assert mask_paste(torch.ones(1, 2, 2, dtype=torch.bfloat16), box, 4, 4).all()


BOXES = {
    "inside": [2.3, 4.1, 30.9, 33.2],
    "whole pixels": [3.0, 5, 24, 19],
    "the image": [0.0, 0, 44, 40],
    "around the image": [-90.5, -30.2, 120.0, 71.3],
    "over an edge": [-7.7, 30.3, 13.1, 66.6],
    "full height": [10.2, -3.0, 30.0, 55.0],
    "thin": [5.2, 3.0, 6.1, 38.0],
    "one pixel": [7.0, 8, 8, 9],
    "no pixel": [7.1, 8.1, 7.3, 8.4],
    "no side": [9.0, 9, 9, 20],
    "turned round": [9.0, 9, 5, 4],
    "outside": [60.0, 2, 70, 9],
}


@pytest.mark.parametrize("cells", [(28, 28), (1, 1), (2, 3), (90, 5)])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_run_lengths_are_those_of_the_pasted_masks(box, cells):
    generator = torch.Generator().manual_seed(len(BOXES))
    boxes = torch.tensor([box]).expand(12, 4)
    noise = torch.rand(12, *cells, generator=generator)
    rows, columns = (torch.linspace(-1, 1, n) for n in cells)
    discs = 1 - (rows[:, None] ** 2 + columns**2) + 0.2 * noise  # what masks look like
    ties = (noise * 4).round() / 4  # many at the very threshold
    for masks in (noise, discs, ties):
        assert paste_rle(masks, boxes, 40, 44) == encode_rle(mask_paste(masks, boxes, 40, 44))


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_of_any_boxes_are_those_of_the_pasted_masks(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(30, 2, generator=generator) * 160 - 40
    sides = torch.rand(30, 2, generator=generator) ** 2 * 150
    boxes = torch.cat([corners, corners + sides], dim=1)
    masks = torch.rand(30, 14, 14, generator=generator)
    assert paste_rle(masks, boxes, 90, 110) == encode_rle(mask_paste(masks, boxes, 90, 110))


def test_a_disc_in_twelve_megapixels_by_its_area():
    rows = torch.linspace(-1, 1, 129)[1::2]  # the centres of 64 cells
    disc = 1 - 0.5 * (rows[:, None] ** 2 + rows**2).sqrt() / 0.8
    rle = paste_rle(disc[None], torch.tensor([[1000.0, 500, 3000, 2500]]), 3000, 4000)
    area = decode_segmentation(rle[0], 3000, 4000).sum()
    assert area == pytest.approx(np.pi * 800**2, rel=2e-3)


def test_half_precision_and_gradients_do_not_matter_to_run_lengths():
    masks, boxes = torch.rand(2, 7, 7).bfloat16(), torch.tensor([[0.0, 0, 7, 9], [2, 2, 8, 8]])
    assert paste_rle(masks, boxes, 9, 9) == paste_rle(masks.float(), boxes, 9, 9)
    assert paste_rle(masks.requires_grad_(), boxes, 9, 9) == paste_rle(masks, boxes, 9, 9)


@pytest.mark.parametrize("paste", [mask_paste, paste_rle])
@pytest.mark.parametrize(
    ("masks", "boxes", "message"),
    [
        (torch.ones(1, 1, 5, 5), torch.ones(1, 4), r"got \[1, 1, 5, 5\] and \[1, 4\]"),
        (torch.ones(1, 0, 5), torch.ones(1, 4), "at least one cell"),
        (torch.ones(2, 5, 5), torch.ones(1, 4), r"got \[2, 5, 5\] and \[1, 4\]"),
        (
            torch.ones(2, 5, 5),
            torch.tensor([[0, 0, 1, 1], [0, 0, float("nan"), 1]]),
            r"finite, got \[0.0, 0.0, nan, 1.0\] in row 1",
        ),
    ],
)
def test_masks_and_boxes_must_fit(paste, masks, boxes, message):
    with pytest.raises(InputError, match=message):
        paste(masks, boxes, 8, 8)


def test_boxes_of_masks_by_hand():
    masks = torch.zeros(3, 5, 7, dtype=torch.bool)
    masks[0, 1:3, 2:6] = True
    masks[1, 4, 0] = True
    assert mask_boxes(masks).tolist() == [[2, 1, 6, 3], [0, 4, 1, 5], [0, 0, 0, 0]]
    assert mask_boxes(masks[:0]).shape == (0, 4)


def test_a_mean_under_masks_by_hand():
    features = torch.tensor([[[[1.0, 2], [3, 4]], [[0, 0], [10, -10]]]])
    masks = torch.tensor([[[1.0, 1], [0, 0]], [[0, 0], [1, 3]], [[0, 0], [0, 0]]])
    expected = torch.tensor([[1.5, 0], [(3 + 12) / 4, (10 - 30) / 4], [0, 0]])
    torch.testing.assert_close(mask_pool(features, masks), expected)


def pooled_one_by_one(features, masks):
    owner = torch.arange(len(features)).repeat_interleave(len(masks) // len(features))
    product = features[owner] * masks[:, None]  # [R, D, h, w]
    return product.sum(dim=(2, 3)) / masks.sum(dim=(1, 2))[:, None]


@pytest.mark.parametrize("turned", [False, True])
def test_masks_of_several_images_pool_their_own(turned):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 5, 4, 6, generator=generator, dtype=torch.float64)
    masks = torch.rand(6, 4, 6, generator=generator, dtype=torch.float64)
    if turned:
        features, masks = (x.mT.contiguous().mT for x in (features, masks))
    expected = pooled_one_by_one(features, masks)
    torch.testing.assert_close(mask_pool(features, masks), expected)
    torch.testing.assert_close(mask_pool(features, 1e-9 * masks), expected)  # weights, not areas


def test_gradients_of_a_mean_under_masks():
    generator = torch.Generator().manual_seed(0)
    features, masks = torch.rand(2, 3, 2, 3, generator=generator), torch.rand(4, 2, 3)
    given = [x.double().requires_grad_() for x in (features, masks)]
    assert torch.autograd.gradcheck(mask_pool, given)
    empty = torch.zeros(2, 2, 3, requires_grad=True)
    mask_pool(features, empty).sum().backward()
    assert empty.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_large_mask_does_not_overflow(dtype):
    features, masks = torch.full((1, 2, 300, 300), 3.0), torch.ones(1, 300, 300)
    with torch.autocast("cpu", torch.bfloat16):
        found = mask_pool(features.to(dtype), masks.to(dtype))
    torch.testing.assert_close(found, torch.full((1, 2), 3.0, dtype=dtype))


@pytest.mark.parametrize(("images", "masks"), [(0, 0), (2, 0)])
def test_no_mask_pools_nothing(images, masks):
    assert mask_pool(torch.ones(images, 5, 2, 3), torch.ones(masks, 2, 3)).shape == (masks, 5)


class Largest(TorchDispatchMode):
    """Note the most numbers that a function returned."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def test_pooling_makes_no_product():
    with Largest() as largest:
        mask_pool(torch.ones(2, 16, 8, 9), torch.ones(20, 8, 9))
    assert largest.numbers == 2 * 16 * 8 * 9  # the features themselves, seen anew


@pytest.mark.parametrize(
    ("features", "masks", "message"),
    [
        ((1, 5, 2, 3), (1, 3, 2), r"same cells, got \[1, 5, 2, 3\] and \[1, 3, 2\]"),
        ((5, 2, 3), (1, 2, 3), "features must be"),
        ((1, 5, 2, 3), (1, 1, 2, 3), "features must be"),
        ((2, 5, 2, 3), (3, 2, 3), "2 images must have as many masks each, got 3 in all"),
        ((0, 5, 2, 3), (3, 2, 3), "0 images must have as many masks each, got 3 in all"),
    ],
)
def test_masks_must_lie_on_the_features(features, masks, message):
    with pytest.raises(InputError, match=message):
        mask_pool(torch.ones(features), torch.ones(masks))
