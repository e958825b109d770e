import numpy as np
import pytest
import torch
from colours import NAMES, STEP, flag, segments

from ovdet.apis.answers import Limits, as_panoptic, as_result, as_semantic
from ovdet.apis.inputs import Picture
from ovdet.structures import InputError, Regions, Vocabulary

PIXELS, LABELS = flag()
PICTURE = Picture(PIXELS, "flag.png")
VOCABULARY = Vocabulary(NAMES)
ALL = Limits(0.0, 100)


def regions(masks=None):
    boxes = torch.tensor([[0, 0, 4, 4], [2, 2, 6, 8], [0, 0, 20, 12]]).float()
    scores = torch.tensor([0.2, 0.9, 0.5])
    owner, labels = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 1, 2])
    return Regions(boxes, owner, scores, labels, masks)


def test_best_first_within_limits():
    assert as_result(PICTURE, regions(), VOCABULARY, ALL).labels == ["blue", "green", " red"]
    assert as_result(PICTURE, regions(), VOCABULARY, Limits(0.5, 9)).labels == ["blue", "green"]
    found = as_result(PICTURE, regions(), VOCABULARY, Limits(0.5, 1))
    assert (found.labels, found.masks, found.file_name) == (["blue"], None, "flag.png")
    assert len(as_result(PICTURE, regions()[:0], VOCABULARY, ALL)) == 0


def test_masks_over_the_picture_and_masks_over_the_box():
    whole = torch.zeros(3, 12, 20, dtype=torch.bool)
    whole[1, 5, 7] = True
    found = as_result(PICTURE, regions(whole), VOCABULARY, Limits(0.6, 9))
    assert np.argwhere(found.masks[0]).tolist() == [[5, 7]]
    halves = torch.zeros(3, 2, 2)
    halves[:, 0] = 1.0  # the upper half of each box
    found = as_result(PICTURE, regions(halves), VOCABULARY, Limits(0.6, 9))
    assert found.masks[0].sum() == 4 * 3
    assert found.masks[0][2:5, 2:6].all()


def test_maps():
    labels = torch.from_numpy(LABELS)
    assert as_semantic(PICTURE, labels, VOCABULARY).labels.dtype == np.int32
    found = as_panoptic(PICTURE, segments(labels), VOCABULARY)
    assert found.classes == {1: 0, 1 + STEP: 1, 1 + 2 * STEP: 2}
    assert found.ids.dtype == np.int32


def test_regions_without_scores():
    with pytest.raises(InputError, match="must give scores and labels"):
        as_result(PICTURE, Regions.empty(), VOCABULARY, ALL)


@pytest.mark.parametrize(
    ("threshold", "top_k", "message"),
    [(-0.1, 1, r"threshold must lie in \[0, 1\], got -0.1"), (0.5, 0, "top_k must be at least 1")],
)
def test_bad_limits(threshold, top_k, message):
    with pytest.raises(InputError, match=message):
        Limits(threshold, top_k)
