from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ovdet.ops import merging
from ovdet.ops.merging import (
    SegmentRule,
    Window,
    instance_regions,
    panoptic_segments,
    semantic_labels,
)


def whole(size, cells):
    """The window of a picture that fills its maps."""
    return Window.of(size, (cells[0] / size[0], cells[1] / size[1]))


def logits_of(masks):
    """Logits so sure that their sigmoid is 0 or 1."""
    return (torch.as_tensor(masks, dtype=torch.float32) - 0.5) * 80


@pytest.mark.parametrize("size", [(16, 20), (3, 5), (7, 10), (1, 1)])
def test_a_window_reads_as_torch_resizes(size):
    maps = torch.randn(2, 7, 10)
    theirs = F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(whole(size, (7, 10)).read(maps), theirs)


def test_strips_together_are_the_window():
    maps, window = torch.randn(2, 7, 10), whole((16, 20), (7, 10))
    parts = [strip.read(maps) for _, strip in window.strips(merging._AT_ONCE // 100)]
    assert len(parts) > 1
    torch.testing.assert_close(torch.cat(parts, dim=1), window.read(maps))


def test_a_pixel_gets_the_class_whose_masks_hold_it_most():
    logits = torch.randn(3, 4, 5)
    scores = torch.tensor([[0.2, 0.7], [0.6, 0.3], [0.1, 0.5]])
    masks = logits.sigmoid()
    sums = [sum(scores[q, c] * masks[q] for q in range(3)) for c in range(2)]
    found = semantic_labels(scores, logits, whole((4, 5), (4, 5)))
    assert torch.equal(found, (sums[1] > sums[0]).long())
    shifted = semantic_labels(scores, logits, whole((4, 5), (4, 5)), torch.tensor([0.0, -9.0]))
    assert not shifted.any()


def test_labels_as_transformers():
    from transformers import MaskFormerImageProcessor

    torch.manual_seed(0)
    classes, logits = torch.randn(1, 6, 5), torch.randn(1, 6, 9, 12)
    outputs = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=logits)
    theirs = MaskFormerImageProcessor().post_process_semantic_segmentation(outputs)[0]
    scores = classes[0].softmax(dim=1)[:, :-1]
    assert torch.equal(semantic_labels(scores, logits[0], whole((9, 12), (9, 12))), theirs)


def test_one_class_and_no_query():
    assert not semantic_labels(torch.ones(2, 1), torch.randn(2, 4, 4), whole((8, 8), (4, 4))).any()
    nothing = semantic_labels(torch.zeros(0, 3), torch.zeros(0, 4, 4), whole((8, 8), (4, 4)))
    assert nothing.shape == (8, 8)


@pytest.mark.parametrize("size", [(750, 1000), pytest.param((3000, 4000), marks=pytest.mark.slow)])
def test_a_large_photo_needs_little_memory(size):
    """At once, 150 classes of 4000 x 3000 px would be 7.2 GB, and 100 masks 4.8 GB."""
    resource = pytest.importorskip("resource")
    torch.manual_seed(0)
    scores, logits = torch.rand(10, 150), torch.randn(10, 47, 63)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    labels = semantic_labels(scores, logits, whole(size, (47, 63)))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert labels.shape == size
    assert grown < 200 + labels.nbytes * 4 / 2**20, f"{grown:.0f} MiB more than before"


def test_the_best_pairs_become_instances():
    masks = torch.zeros(3, 8, 8)
    masks[0, 1:3, 2:7] = 1
    masks[1, 4:8, 0:4] = 1  # the third one is empty
    scores = torch.tensor([[0.9, 0.2], [0.3, 0.8], [1.0, 1.0]])
    found = instance_regions(scores, logits_of(masks), whole((8, 8), (8, 8)), top=5)
    assert found.labels.tolist() == [0, 1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8, 0.3]))
    assert found.boxes.tolist() == [[2, 1, 7, 3], [0, 4, 4, 8], [0, 4, 4, 8]]
    assert torch.equal(found.masks, masks[[0, 1, 1]].bool())


def test_a_doubtful_mask_lowers_its_score():
    logits = torch.full((1, 4, 4), -9.0)
    logits[0, :2] = torch.tensor(0.75).logit()
    found = instance_regions(torch.tensor([[0.8]]), logits, whole((4, 4), (4, 4)), top=1)
    torch.testing.assert_close(found.scores, torch.tensor([0.8 * 0.75]))


def test_no_instances():
    window = whole((6, 6), (4, 4))
    assert len(instance_regions(torch.zeros(0, 3), torch.zeros(0, 4, 4), window, top=5)) == 0
    assert len(instance_regions(torch.ones(2, 0), torch.zeros(2, 4, 4), window, top=5)) == 0


def segments(seed, count=8, size=(9, 12), classes=4):
    torch.manual_seed(seed)
    logits = F.interpolate(torch.randn(1, count, 3, 4) * 6, size, mode="bicubic")[0]
    return torch.randn(count, classes + 1) * 3, logits


@pytest.mark.parametrize("seed", range(8))
def test_segments_as_transformers(seed):
    from transformers import MaskFormerImageProcessor

    classes, logits = segments(seed)
    outputs = SimpleNamespace(class_queries_logits=classes[None], masks_queries_logits=logits[None])
    theirs = MaskFormerImageProcessor().post_process_panoptic_segmentation(
        outputs, threshold=0.4, overlap_mask_area_threshold=0.6, label_ids_to_fuse={1, 2}
    )[0]
    scores, labels = classes.softmax(dim=1).max(dim=1)
    kept = (scores > 0.4) & (labels < 4)
    stuff = torch.tensor([False, True, True, False])
    ids, found = panoptic_segments(
        scores[kept],
        labels[kept],
        logits[kept],
        whole((9, 12), (9, 12)),
        stuff,
        SegmentRule(mask=0.5, overlap=0.6),
    )
    # Theirs keeps the pixels that a segment wins outside its own mask; elsewhere both agree.
    both = ids > 0
    pairs = {(int(a), int(b)) for a, b in zip(ids[both], theirs["segmentation"][both], strict=True)}
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    names = {info["id"]: info["label_id"] for info in theirs["segments_info"]}
    assert all(found[a] == names[b] for a, b in pairs)


@pytest.mark.parametrize("seed", range(8))
def test_each_pixel_is_in_one_segment_or_void(seed):
    classes, logits = segments(seed)
    scores, labels = classes[:, :-1].softmax(dim=1).max(dim=1)
    stuff = torch.tensor([False, True, True, False])
    ids, found = panoptic_segments(scores, labels, logits, whole((40, 50), (9, 12)), stuff)
    assert ids.shape == (40, 50)
    assert ids.dtype is torch.int64
    assert set(ids.unique().tolist()) - {0} == set(found) == set(range(1, len(found) + 1))
    areas = torch.bincount(ids.flatten())
    assert int(areas.sum()) == 40 * 50
    for kind in (1, 2):
        assert list(found.values()).count(kind) <= 1
    masks = torch.stack([ids == number for number in found]) if found else torch.zeros(0, 40, 50)
    boxes = merging.mask_boxes(masks.bool())
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        rows, columns = np.nonzero(mask.numpy())
        assert (x1, y1, x2 - 1, y2 - 1) == (columns.min(), rows.min(), columns.max(), rows.max())


def test_things_stay_apart_and_stuff_is_one():
    masks = torch.zeros(4, 4, 8)
    for row, mask in enumerate(masks):
        mask[:, 2 * row : 2 * row + 2] = 1
    scores, labels = torch.full((4,), 0.9), torch.tensor([0, 0, 1, 1])
    ids, found = panoptic_segments(
        scores, labels, logits_of(masks), whole((4, 8), (4, 8)), torch.tensor([False, True])
    )
    assert found == {1: 0, 2: 0, 3: 1}
    assert ids[0].tolist() == [1, 1, 2, 2, 3, 3, 3, 3]


def test_a_query_that_wins_little_of_its_mask_is_dropped():
    masks = torch.zeros(2, 4, 4)
    masks[0, :3], masks[1, :, :] = 1, 1
    scores = torch.tensor([0.9, 0.8])
    stuff = torch.tensor([False])
    window = whole((4, 4), (4, 4))
    ids, found = panoptic_segments(scores, torch.zeros(2).long(), logits_of(masks), window, stuff)
    assert found == {1: 0}
    assert ids[:, 0].tolist() == [1, 1, 1, 0]
    rule = SegmentRule(overlap=0.25)
    ids, found = panoptic_segments(
        scores, torch.zeros(2).long(), logits_of(masks), window, stuff, rule
    )
    assert found == {1: 0, 2: 0}
    assert ids[:, 0].tolist() == [1, 1, 1, 2]


def test_no_segments():
    ids, found = panoptic_segments(
        torch.zeros(0), torch.zeros(0).long(), torch.zeros(0, 4, 4), whole((6, 6), (4, 4)),
        torch.tensor([False]),
    )  # fmt: skip
    assert not ids.any()
    assert found == {}
