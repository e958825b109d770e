import pytest
import torch

from ovdet.heads import FederatedClasses, NovelClasses
from ovdet.structures import Vocabulary

SOME = Vocabulary(tuple("abcdefghij"), novel=(False,) * 8 + (True, True))
NONE = torch.zeros(0, dtype=torch.int64)


def test_novel_ones():
    assert NovelClasses()(NONE, SOME).tolist() == [False] * 8 + [True, True]


def test_the_classes_of_the_regions_are_always_kept():
    labels = torch.tensor([3, 10, 7, 3])  # 10 is the background
    for seed in range(20):
        torch.manual_seed(seed)
        kept = ~FederatedClasses(count=4)(labels, SOME)
        assert kept[[3, 7]].all()
        assert kept.sum() == 4
        assert not kept[8:].any()


def test_more_regions_than_the_count():
    labels = torch.tensor([0, 1, 2, 3])
    assert (~FederatedClasses(count=2)(labels, SOME)).nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_what_no_image_shows_is_never_drawn():
    part = FederatedClasses(count=9)
    part.image_counts = torch.tensor([5, 0, 7, 1, 0, 2, 0, 0, 90, 90])
    kept = ~part(NONE, SOME)
    assert kept.nonzero().flatten().tolist() == [0, 2, 3, 5]  # the novel 8 and 9 neither


def test_frequent_classes_are_drawn_more_often():
    part = FederatedClasses(count=1, power=0.5)
    part.image_counts = torch.tensor([900, 100, 0, 0, 0, 0, 0, 0, 0, 0])
    torch.manual_seed(0)
    drawn = sum(int(not part(NONE, SOME)[0]) for _ in range(2000)) / 2000
    assert drawn == pytest.approx(3 / 4, abs=0.04)  # sqrt(900) against sqrt(100)


def test_counts_of_another_vocabulary():
    part = FederatedClasses()
    part.image_counts = torch.ones(3)
    with pytest.raises(ValueError, match="must have one entry a class, got 3 for 10 classes"):
        part(NONE, SOME)


def test_count_is_at_least_one():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        FederatedClasses(count=0)
