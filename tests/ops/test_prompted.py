import pytest
import torch

from ovdet.ops.prompted import collapse_rows, one_each
from ovdet.structures import Regions

BOX, NEAR, FAR = [0.0, 0, 10, 10], [0.0, 0, 10, 9], [50.0, 50, 60, 60]  # IoU 0.9 and 0


def found(*entries):
    boxes, scores, labels = zip(*entries, strict=True)
    owner = torch.zeros(len(boxes), dtype=torch.int64)
    return Regions(torch.tensor(boxes), owner, torch.tensor(scores), torch.tensor(labels))


def pairs(regions):
    return list(zip(regions.labels.tolist(), regions.scores.tolist(), strict=True))


def test_the_best_row_of_a_label_stays():
    regions = found((BOX, 0.25, 0), (NEAR, 0.75, 1), (FAR, 0.5, 0), (BOX, 0.625, 2))
    kept = collapse_rows(regions, torch.tensor([0, 0, 1]), ())
    assert pairs(kept) == [(0, 0.75), (1, 0.625), (0, 0.5)]
    assert kept.boxes.tolist() == [NEAR, BOX, FAR]


def test_a_label_of_one_row_keeps_all_its_boxes():
    regions = found((BOX, 0.5, 0), (NEAR, 0.25, 0))
    assert pairs(collapse_rows(regions, torch.tensor([0]), ())) == [(0, 0.5), (0, 0.25)]


def test_a_negative_takes_the_boxes_it_finds_better():
    entries = ((BOX, 0.5, 0), (NEAR, 0.75, 1), (FAR, 0.5, 0), (FAR, 0.25, 1))
    kept = collapse_rows(found(*entries), torch.tensor([0, -1]), [(1, 0)])
    assert pairs(kept) == [(0, 0.5)]
    assert kept.boxes.tolist() == [FAR]


def test_a_negative_that_is_a_label_stays_one():
    regions = found((BOX, 0.5, 0), (BOX, 0.75, 1))
    assert pairs(collapse_rows(regions, torch.tensor([0, 1]), [(1, 0)])) == [(1, 0.75)]


def test_a_negative_speaks_against_its_label_alone():
    regions = found((BOX, 0.5, 0), (BOX, 0.5, 1), (BOX, 0.75, 2))
    assert pairs(collapse_rows(regions, torch.tensor([0, 1, -1]), [(2, 0)])) == [(1, 0.5)]


def test_nothing_found():
    nothing = Regions.empty().with_(scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.int64))
    assert len(collapse_rows(nothing, torch.tensor([0, -1]), [(1, 0)])) == 0
    assert len(one_each(nothing)) == 0
    with pytest.raises(ValueError, match="must have scores and labels"):
        collapse_rows(Regions.empty(), torch.tensor([0]), ())


def test_each_place_once():
    regions = found((BOX, 0.25, 0), (NEAR, 0.75, 1), (FAR, 0.5, 2))
    assert pairs(one_each(regions)) == [(1, 0.75), (2, 0.5)]
