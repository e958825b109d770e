import pytest
import torch

from ovdet.evaluation import RetrievalRecall, ZeroShotTop1, retrieval_recall, zero_shot_top1
from ovdet.structures import InputError, Sample

EYE = torch.eye(4)


def test_top1_counts_nearest_classes():
    images = torch.tensor([[1.0, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]])
    assert zero_shot_top1(images, torch.eye(2), torch.tensor([0, 0, 1, 0])) == 0.75


@pytest.mark.parametrize("shapes", [((0, 2), (1, 2)), ((1, 2), (0, 2))])
def test_top1_of_nothing(shapes):
    images, classes = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(InputError, match="none may be 0"):
        zero_shot_top1(images, classes, torch.zeros(len(images), dtype=torch.int64))


def test_retrieval_is_perfect_for_equal_pairs():
    assert set(retrieval_recall(EYE, EYE, (1, 2)).values()) == {1.0}


def test_retrieval_ranks_by_hand():
    # Text n + 1 instead of n comes first for pictures 0 and 1; the own one is second.
    texts = torch.tensor([[0.6, 0.8, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    report = retrieval_recall(EYE, texts, (1, 2))
    assert report["image_to_text@1"] == report["text_to_image@1"] == 0.5
    assert report["image_to_text@2"] == report["text_to_image@2"] == 1.0


def test_a_constant_embedding_scores_nothing():
    same = torch.ones(4, 1)
    assert set(retrieval_recall(same, same, (1, 3)).values()) == {0.0}
    assert retrieval_recall(same, same, (4,)) == {"image_to_text@4": 1.0, "text_to_image@4": 1.0}


def test_retrieval_of_nothing():
    with pytest.raises(InputError, match="N > 0 pairs"):
        retrieval_recall(torch.zeros(0, 2), torch.zeros(0, 2))


def samples(*captions):
    return {"samples": [Sample(torch.zeros(3, 2, 2), 0, captions=(c,)) for c in captions]}


def test_the_metrics_collect_batches():
    top1, retrieval = ZeroShotTop1(), RetrievalRecall([1])
    for rows, captions in (([0, 1], "ab"), ([1, 0], "ba")):
        pairs = [(EYE[row], EYE[row]) for row in rows]
        top1.process(samples(*captions), pairs)
        retrieval.process(samples(*captions), pairs)
    assert top1.evaluate(4) == {"zero_shot/top1": 1.0, "zero_shot/classes": 2.0}
    assert retrieval.evaluate(4)["retrieval/image_to_text@1"] == 0.0  # every text stands twice
