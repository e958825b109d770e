import math

import pytest
import torch

from ovdet.evaluation import RegionNaming, evaluate_region_names
from ovdet.evaluation.regions import auroc
from ovdet.structures import Regions, Sample, Vocabulary


def test_figures_by_hand():
    novel = torch.tensor([False, False, True])
    truth = torch.tensor([0, 1, 1, 2, 2, -1, -1])
    labels = torch.tensor([0, 1, 0, 2, 2, 2, 0])
    scores = torch.tensor([0.9, 0.8, 0.3, 0.5, 0.4, 0.4, 0.1])
    figures = evaluate_region_names(labels, scores, truth, novel)
    # Of ten pairs of object and background the object wins all but 0.3 < 0.4; 0.4 = 0.4 is a half.
    expected = {"base/top1": 2 / 3, "novel/top1": 1.0, "all/top1": 0.8, "auroc": 8.5 / 10}
    assert figures == pytest.approx(expected)


def test_auroc_counts_pairs():
    generator = torch.Generator().manual_seed(0)
    positive = torch.randint(0, 9, (50,), generator=generator).float()
    negative = torch.randint(0, 7, (30,), generator=generator).float()
    pairs = positive[:, None] - negative[None]
    expected = ((pairs > 0).sum() + 0.5 * (pairs == 0).sum()) / pairs.numel()
    assert auroc(positive, negative) == pytest.approx(expected.item())
    assert auroc(torch.ones(4), torch.ones(3)) == 0.5


def test_nothing_to_count_is_not_a_number():
    nothing = torch.zeros(0, dtype=torch.int64)
    figures = evaluate_region_names(nothing, torch.zeros(0), nothing, torch.tensor([False, True]))
    assert all(math.isnan(value) for value in figures.values())


def test_the_metric_matches_in_px_of_the_stored_image():
    owner = torch.zeros(2, dtype=torch.int64)
    truth = Regions(torch.tensor([[0.0, 0, 20, 20], [20, 20, 40, 40]]), owner, labels=owner + 1)
    sample = Sample(
        torch.zeros(3, 40, 40), 1, original_size=(20, 20), scale=(2.0, 2.0), truth=truth
    )
    named = Regions(
        torch.tensor([[0.0, 0, 10, 6], [0, 0, 3, 3], [10, 10, 20, 20]]),
        torch.zeros(3, dtype=torch.int64),
        scores=torch.tensor([0.9, 0.5, 0.4]),
        labels=torch.tensor([1, 1, 0]),
    )
    metric = RegionNaming()
    metric.dataset_meta = {"vocabulary": Vocabulary(("a", "b"), novel=(False, True))}
    empty = Sample(torch.zeros(3, 40, 40), 2, original_size=(20, 20), scale=(2.0, 2.0))
    metric.process({"samples": [sample, empty]}, [named, named[:1]])
    figures = metric.evaluate(size=2)
    assert figures["regions/novel/top1"] == 0.5
    assert math.isnan(figures["regions/base/top1"])
    # 0.9 and 0.4 on objects; background 0.5 and, in the second picture, 0.9.
    assert figures["regions/auroc"] == pytest.approx((1 + 0.5) / 4)
