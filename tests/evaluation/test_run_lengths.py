import numpy as np
import pytest
from pycocotools import mask as coco_mask

from ovdet.evaluation.run_lengths import fill, to_rle


def masks(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        drawn = rng.random(rng.integers(1, 60, 2)) < rng.random()
        yield np.asfortranarray(drawn if rng.random() < 0.9 else drawn | True, np.uint8)


def test_runs_are_read_as_pycocotools_packs_them():
    drawn = list(masks(300))
    packed = [coco_mask.encode(mask)["counts"] for mask in drawn]
    mixed = [text.decode() if i % 2 else text for i, text in enumerate(packed)]
    covered, inside = fill(mixed)
    assert covered.tolist() == [mask.size for mask in drawn]
    assert inside.tolist() == [int(mask.sum()) for mask in drawn]


def test_nothing_covers_nothing():
    assert [values.tolist() for values in fill([])] == [[], []]
    assert [values.tolist() for values in fill(["", "5"])] == [[0, 5], [0, 0]]


@pytest.mark.parametrize("text", ["\x01", "€", "P", "o" * 12 + "0", "5C3"])
def test_what_is_no_packing_is_told_apart(text):
    """A strange character, the middle of a number, a number of 60 bits, a negative run."""
    covered, inside = fill(["5", text, "7"])
    assert covered.tolist() == [5, -1, 7]
    assert inside.tolist() == [0, -1, 0]


def test_every_form_becomes_packed():
    mask = np.zeros((6, 8), np.uint8, order="F")
    mask[1:4, 2:6] = 1
    packed = coco_mask.encode(mask)
    polygon = [[2, 1, 6, 1, 6, 4, 2, 4]]
    runs = {"size": [6, 8], "counts": [13, 3, 3, 3, 3, 3, 3, 3, 14]}
    for form in (packed, polygon, runs):
        assert (coco_mask.decode(to_rle(form, 6, 8)) == mask).all()
