import pytest
import torch

from ovdet.segmentors.objects import mask_truth
from ovdet.structures import IGNORED, InputError, Regions, Sample, Vocabulary

NAMES = Vocabulary(("cat", "kite", "dog"), novel=(False, True, False))
SIZE = (6, 8)


def sample(labels, masks, semantic=None, **facts):
    labels = torch.tensor(labels, dtype=torch.int64)
    masks = torch.as_tensor(masks, dtype=torch.bool)
    truth = Regions(torch.zeros(len(labels), 4), torch.zeros_like(labels), labels=labels)
    truth = truth.with_(masks=masks if masks.ndim == 3 else None)
    return Sample(torch.rand(3, 4, 5), 1, "a.png", (4, 5), truth=truth, semantic=semantic, **facts)


def three():
    masks = torch.zeros(3, 4, 5)
    for row, mask in enumerate(masks):
        mask[row] = 1
    return masks


def test_a_map_gives_a_mask_for_each_class_that_is_not_novel():
    semantic = torch.tensor([[0, 1, 2, 2, IGNORED]] * 4)
    (found,) = mask_truth([sample([], [], semantic)], NAMES, SIZE, merged=True)
    assert found.labels.tolist() == [0, 1]  # cat and dog, the kite left out
    assert found.masks.shape == (2, *SIZE)
    assert found.masks[0].nonzero().tolist() == [[y, 0] for y in range(4)]
    assert found.boxes.tolist() == [[0, 0, 1, 4], [2, 0, 4, 4]]
    assert not found.masks[:, 4:].any()
    assert not found.masks[:, :, 4:].any()


def test_objects_stay_apart_or_are_merged_where_there_is_no_map():
    given = [sample([2, 1, 2], three())]
    (apart,) = mask_truth(given, NAMES, SIZE, merged=False)
    assert apart.labels.tolist() == [1, 1]
    assert apart.masks.sum(dim=(1, 2)).tolist() == [5, 5]
    (merged,) = mask_truth(given, NAMES, SIZE, merged=True)
    assert merged.labels.tolist() == [1]
    assert merged.masks.sum() == 10


def test_instances_are_learnt_from_objects_though_there_is_a_map():
    semantic = torch.zeros(4, 5, dtype=torch.int64)
    (found,) = mask_truth([sample([2], three()[:1], semantic)], NAMES, SIZE, merged=False)
    assert found.labels.tolist() == [1]


@pytest.mark.parametrize("merged", [True, False])
def test_an_image_without_objects_and_one_without_labels(merged):
    empty, unknown = sample([], []), sample([], [], boxed=False)
    found, none = mask_truth([empty, unknown], NAMES, SIZE, merged=merged)
    assert len(found) == 0
    assert found.masks.shape == (0, *SIZE)
    assert none is None
    (only_novel,) = mask_truth([sample([1], three()[:1])], NAMES, SIZE, merged=merged)
    assert len(only_novel) == 0


def test_a_map_without_a_known_class_has_no_mask():
    semantic = torch.full((4, 5), IGNORED)
    (found,) = mask_truth([sample([], [], semantic)], NAMES, SIZE, merged=True)
    assert len(found) == 0


def test_objects_without_masks_are_refused():
    with pytest.raises(InputError, match=r"a\.png: masks are learnt from objects with masks"):
        mask_truth([sample([0], [])], NAMES, SIZE, merged=False)


def test_a_vocabulary_that_is_all_novel_is_refused():
    with pytest.raises(InputError, match="at least one class must not be novel"):
        mask_truth([sample([], [])], Vocabulary(("a",), novel=(True,)), SIZE, merged=True)
