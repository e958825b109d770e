import numpy as np
import pytest
import torch

from ovdet.ops import assign_atss, box_iou, centerness


def grid(side, stride, size):
    centres = (torch.arange(side // stride) + 0.5) * stride
    y, x = (v.flatten() for v in torch.meshgrid(centres, centres, indexing="ij"))
    return torch.stack([x - size / 2, y - size / 2, x + size / 2, y + size / 2], dim=1)


def anchors(side=64):
    levels = [grid(side, 8, 24), grid(side, 16, 48)]
    return torch.cat(levels), [len(level) for level in levels]


def objects(count, seed=0):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 40, (count, 2)), rng.uniform(8, 40, (count, 2))
    return torch.tensor(np.concatenate([corner, corner + size], axis=1), dtype=torch.float32)


def by_hand(places, counts, truth, top):
    """Algorithm 1 of the paper, object by object."""
    found = np.full(len(places), -1)
    best = np.zeros(len(places))
    overlap = box_iou(places, truth).numpy()
    centres = ((places[:, :2] + places[:, 2:]) / 2).numpy()
    for g, box in enumerate(truth.numpy()):
        middle = (box[:2] + box[2:]) / 2
        candidates, start = [], 0
        for count in counts:
            distance = np.linalg.norm(centres[start : start + count] - middle, axis=1)
            candidates += (np.argsort(distance, kind="stable")[:top] + start).tolist()
            start += count
        ious = overlap[candidates, g]
        threshold = ious.mean() + ious.std(ddof=1)
        for place, iou in zip(candidates, ious, strict=True):
            x, y = centres[place]
            inside = min(x - box[0], y - box[1], box[2] - x, box[3] - y) > 0.01
            if iou >= threshold and inside and iou > best[place]:
                best[place], found[place] = iou, g
    return found


@pytest.mark.parametrize("seed", range(5))
def test_as_the_algorithm_object_by_object(seed):
    places, counts = anchors()
    truth = objects(6, seed)
    assert assign_atss(places, counts, truth, top=4).tolist() == (
        by_hand(places, counts, truth, 4).tolist()
    )


def test_nothing_there_is_nothing_assigned():
    places, counts = anchors()
    assert (assign_atss(places, counts, torch.zeros(0, 4)) == -1).all()


def test_a_single_candidate_is_taken():
    place = torch.tensor([[0.0, 0, 8, 8]])
    assert assign_atss(place, [1], torch.tensor([[1.0, 1, 9, 9]])).tolist() == [0]


def test_counts_add_up():
    with pytest.raises(ValueError, match=r"add up to 80 places, got \[64\]"):
        assign_atss(anchors()[0], [64], objects(1))


def test_centerness_by_hand():
    place = torch.tensor([[0.0, 0, 8, 8]]).expand(3, 4)  # centre (4, 4)
    boxes = torch.tensor([[0.0, 0, 8, 8], [2, 0, 12, 8], [4, 4, 8, 8]])
    # sides 4 4 4 4; left 2, right 8, top and bottom 4; on the corner
    wanted = torch.tensor([1.0, (2 / 8 * 1) ** 0.5, 0.0])
    torch.testing.assert_close(centerness(place, boxes), wanted)
