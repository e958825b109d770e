import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ovdet.evaluation.boundary import boundary_overlaps, outline


def encode(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def blobs(count, height, width, seed=0):
    """Blurred noise: holes, islands, and masks that touch the border."""
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.random((height, width)), (0, 0), 3) for _ in range(count)]
    return [one > np.quantile(one, q) for one, q in zip(noise, rng.random(count), strict=True)]


def reference(mask):
    """The outline by OpenCV: what an erosion by d steps of 3 x 3 px takes away."""
    height, width = mask.shape
    steps = max(round(0.02 * np.hypot(height, width)), 1)
    padded = np.pad(mask.astype(np.uint8), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)
    return mask & ~eroded[1:-1, 1:-1].astype(bool)


@pytest.mark.parametrize("size", [(20, 30), (150, 90), (1, 7)])
def test_the_outline_is_what_an_erosion_takes_away(size):
    for mask in [*blobs(10, *size), np.ones(size, bool), np.zeros(size, bool)]:
        found, whole = outline(encode(mask)), np.zeros(size, bool)
        high, wide = found.pixels.shape
        whole[found.top : found.top + high, found.left : found.left + wide] = found.pixels
        assert (whole == reference(mask)).all()


def test_overlaps_are_those_of_the_outlines():
    masks = blobs(9, 120, 160)
    first, second = masks[:4], masks[4:]
    found = boundary_overlaps([encode(m) for m in first], [encode(m) for m in second])
    edges = [[encode(reference(m)) for m in side] for side in (first, second)]
    assert found == pytest.approx(coco_mask.iou(*edges, [0] * 5))
    assert found.max() > 0.05


def test_empty_masks_and_no_masks():
    empty, full = encode(np.zeros((9, 9))), encode(np.ones((9, 9)))
    assert boundary_overlaps([empty, full], [empty, full]).tolist() == [[0, 0], [0, 1]]
    assert boundary_overlaps([], [full]).shape == (0, 1)
    assert boundary_overlaps([full], []).shape == (1, 0)
