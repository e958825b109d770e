import pytest
import torch
import torch.nn.functional as F

from ovdet.evaluation import (
    RetrievalRecall,
    ZeroShotAccuracy,
    retrieval_recall,
    zero_shot_accuracy,
    zero_shot_top1,
)
from ovdet.structures import InputError, Sample, Tokens

EYE = torch.eye(4)


def test_top1_counts_nearest_classes():
    images = torch.tensor([[1.0, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]])
    assert zero_shot_top1(images, torch.eye(2), torch.tensor([0, 0, 1, 0])) == 0.75


def test_the_own_class_may_be_among_the_nearest():
    images = torch.tensor([[1.0, 0.2, 0.1], [0.1, 0.2, 1.0], [0.2, 0.1, 1.0]])
    found = zero_shot_accuracy(images, torch.eye(3), torch.tensor([0, 1, 1]), (1, 2, 3))
    assert found == pytest.approx({"top1": 1 / 3, "top2": 2 / 3, "top3": 1.0})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_finds_the_same_classes(dtype):
    rng = torch.Generator().manual_seed(0)
    images, classes = (
        F.normalize(torch.randn(n, 8, generator=rng, dtype=dtype), dim=1) for n in (1500, 30)
    )
    labels = torch.randint(0, 30, (1500,), generator=rng)
    best = (images @ classes.T).topk(5, dim=1).indices == labels[:, None]
    found = zero_shot_accuracy(images, classes, labels)
    assert found["top1"] == zero_shot_top1(images, classes, labels) == best[:, 0].double().mean()
    assert found["top5"] == best.any(dim=1).double().mean()


def test_a_constant_embedding_names_nothing():
    same = torch.ones(3, 1)
    assert zero_shot_accuracy(same, same, torch.arange(3), (1, 3)) == {"top1": 0.0, "top3": 1.0}


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


def test_one_of_several_sentences_is_enough():
    texts = torch.tensor([[0.6, 0.8, 0], [1.0, 0, 0], [0, 0, 1.0], [0.8, 0, 0.6]])
    owner = torch.tensor([0, 0, 2, 1])  # the last one belongs to a picture it is nothing like
    found = retrieval_recall(torch.eye(3), texts, (1, 2), owner)
    # Pictures 0 and 2 find one of theirs at once. Picture 1 finds another's sentence first, then
    # its own stands level with the one of picture 2.
    assert found["image_to_text@1"] == found["image_to_text@2"] == pytest.approx(2 / 3)
    assert found["text_to_image@1"] == 0.5  # the second and the third
    assert found["text_to_image@2"] == 0.75


def test_many_pictures_are_taken_in_parts():
    rng = torch.Generator().manual_seed(1)
    images = F.normalize(torch.randn(1100, 4, generator=rng, dtype=torch.float64), dim=1)
    texts = F.normalize(images.repeat_interleave(2, 0) + torch.randn(2200, 4, generator=rng), dim=1)
    owner = torch.arange(1100).repeat_interleave(2)
    similarity = images @ texts.T
    first = similarity.topk(5, dim=1).indices // 2
    expected = (first == torch.arange(1100)[:, None]).any(dim=1).double().mean()
    back = (similarity.T.topk(5, dim=1).indices == owner[:, None]).any(dim=1).double().mean()
    found = retrieval_recall(images, texts, (5,), owner)
    assert found == {"image_to_text@5": expected, "text_to_image@5": back}
    assert 0.02 < found["image_to_text@5"] < 0.9


def test_retrieval_of_nothing():
    with pytest.raises(InputError, match="N > 0 pairs"):
        retrieval_recall(torch.zeros(0, 2), torch.zeros(0, 2))
    with pytest.raises(InputError, match="3 sentences"):
        retrieval_recall(torch.zeros(2, 2), torch.zeros(3, 2))
    with pytest.raises(InputError, match="picture 1 has none"):
        retrieval_recall(torch.zeros(2, 2), torch.zeros(2, 2), owner=torch.tensor([0, 0]))


def sets(*rows):
    """Return sets of unit vectors named by their axes, padded with zeros."""
    parts = [Tokens(EYE[list(row)][None]) for row in rows]
    return Tokens.cat(parts)


def test_pictures_and_sentences_as_sets():
    """Pictures rank by the mean over their vectors, sentences by that over theirs."""
    images, texts = sets((0, 1), (2, 1)), sets((0,), (2, 1, 3))
    # s_image: [[1/2, 1/2], [0, 1]]; s_text: [[1, 1/3], [0, 2/3]], pictures down.
    found = retrieval_recall(images, texts, (1, 2))
    assert found["image_to_text@1"] == 0.5  # picture 0: level with the wrong sentence
    assert found["text_to_image@1"] == 1.0
    assert found["image_to_text@2"] == 1.0


def test_classes_as_sets_with_prompts():
    images = sets((0, 1), (2, 3))
    classes = sets((0,), (0, 1), (1,), (2,))  # two prompts each
    # Picture 0: means of 1/2, 1 and of 1/2, 0. Picture 1: of 0, 0 and of 0, 1/2.
    found = zero_shot_accuracy(images, classes, torch.tensor([0, 1]), (1,), prompts=2)
    assert found == {"top1": 1.0}
    assert zero_shot_top1(images, classes, torch.tensor([1, 0]), prompts=2) == 0.0


def test_prompts_of_vectors_are_averaged():
    classes = torch.tensor([[1.0, 0], [0, 1], [0.9, 0], [0.8, 0]])
    # Class 0 has the best prompt, class 1 the better mean.
    assert zero_shot_top1(torch.eye(2)[:1], classes, torch.tensor([1]), prompts=2) == 1.0


def samples(*captions):
    return {"samples": [Sample(torch.zeros(3, 2, 2), 0, captions=(c,)) for c in captions]}


def test_the_metrics_collect_batches():
    accuracy, retrieval = ZeroShotAccuracy((1, 2, 5)), RetrievalRecall([1])
    for rows, captions in (([0, 1], "ab"), ([1, 0], "ba")):
        pairs = [(EYE[row], EYE[row]) for row in rows]
        accuracy.process(samples(*captions), pairs)
        retrieval.process(samples(*captions), pairs)
    assert sum(text is not None for _, _, text in accuracy.results) == 2  # each class's text once
    assert accuracy.evaluate(4) == {
        "zero_shot/top1": 1.0,
        "zero_shot/top2": 1.0,
        "zero_shot/classes": 2.0,
    }
    assert retrieval.evaluate(4)["retrieval/image_to_text@1"] == 0.0  # every text stands twice


def test_the_metrics_take_several_sentences():
    accuracy, retrieval = ZeroShotAccuracy((1,)), RetrievalRecall([1])
    for row in (0, 1):
        pair = (EYE[row], EYE[[row, 3]])  # the second sentence of both is about something else
        accuracy.process(samples("ab"[row]), [pair])
        retrieval.process(samples("ab"[row]), [pair])
    assert accuracy.evaluate(2)["zero_shot/top1"] == 1.0
    found = retrieval.evaluate(2)
    assert found["retrieval/image_to_text@1"] == 1.0
    assert found["retrieval/text_to_image@1"] == 0.5


def test_the_metrics_take_sets():
    accuracy, retrieval = ZeroShotAccuracy((1,)), RetrievalRecall([1])
    images, texts = sets((0, 1), (2, 1)), [sets((0,), (3,)), sets((2, 1, 3))]
    for row in (0, 1):
        pair = (images[row : row + 1], texts[row])
        accuracy.process(samples("ab"[row]), [pair])
        retrieval.process(samples("ab"[row]), [pair])
    assert accuracy.evaluate(2)["zero_shot/top1"] == 0.5  # picture 0 is level between both
    found = retrieval.evaluate(2)
    assert found["retrieval/image_to_text@1"] == 0.5
    assert found["retrieval/text_to_image@1"] == pytest.approx(2 / 3)
