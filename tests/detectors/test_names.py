import pytest
import torch

from ovdet.detectors import AllNames, PhraseNames, SampledNames
from ovdet.structures import InputError, Regions, Sample, Vocabulary

MANY = Vocabulary(tuple("abcdefghij"), novel=(False,) * 8 + (True,) * 2)


def sample(labels, **facts):
    boxes = torch.tensor([[0.0, 0, 4, 4]]).repeat(len(labels), 1)
    owner = torch.zeros(len(labels), dtype=torch.int64)
    truth = Regions(boxes, owner, labels=torch.tensor(labels, dtype=torch.int64))
    return Sample(torch.zeros(3, 8, 8), 1, truth=truth, **facts)


def asked(question, row):
    return {n for n, yes in zip(question.vocabulary.names, question.asked[row], strict=True) if yes}


def test_all_but_novel_names():
    question = AllNames()([sample([0]), sample([9], boxed=False)], MANY)
    assert question.vocabulary == MANY
    assert question.asked.tolist() == [[True] * 8 + [False] * 2] * 2
    assert question.truth[1] is None
    assert AllNames(novel=True)([sample([9])], MANY).asked.all()


def test_an_image_is_asked_for_its_own_names_and_some_others():
    question = SampledNames(negatives=3)([sample([2, 2, 5])], MANY)
    names = asked(question, 0)
    assert {"c", "f"} <= names
    assert len(names) == 5
    assert not names & {"i", "j"}
    picked = [question.vocabulary.names[label] for label in question.truth[0].labels]
    assert picked == ["c", "c", "f"]


def test_a_batch_asks_for_what_any_image_is_asked_for():
    given = [sample([0]), sample([7]), sample([3], boxed=False)]
    question = SampledNames(negatives=1)(given, MANY)
    sets = [asked(question, row) for row in range(3)]
    assert set.union(*sets) == set(question.vocabulary.names)
    assert all(len(names) == 2 for names in sets)
    assert question.vocabulary.names[int(question.truth[1].labels[0])] == "h"
    assert question.truth[2] is None


def test_what_is_known_counts_first_and_what_is_unsure_never():
    one = sample([0], negative=(4, 8), positive=(1,), not_exhaustive=(0, 2))
    for _ in range(5):
        question = SampledNames(negatives=6)([one], MANY)
        assert asked(question, 0) == {"a", "e", "d", "f", "g", "h"}
    assert asked(SampledNames(negatives=1)([one], MANY), 0) == {"a", "e"}
    assert asked(SampledNames(negatives=9, most=2)([one], MANY), 0) == {"a", "e"}


def test_novel_boxes_teach_nothing():
    question = SampledNames(negatives=0)([sample([8, 0, -1])], MANY)
    assert question.vocabulary.names == ("a",)
    assert question.truth[0].labels.tolist() == [-1, 0, -1]


def test_often_seen_names_are_drawn_often():
    part = SampledNames(negatives=1)
    part.image_counts = torch.tensor([0, 900, 100, 0, 0, 0, 0, 0, 50, 0])
    torch.manual_seed(0)
    drawn = [asked(part([sample([])], MANY), 0) for _ in range(200)]
    assert {name for names in drawn for name in names} == {"b", "c"}
    assert 160 <= sum(names == {"b"} for names in drawn) <= 198
    part.image_counts = torch.ones(3)
    with pytest.raises(InputError, match="one entry a class, got 3 for 10 classes"):
        part([sample([0])], MANY)


def test_nothing_shown_is_still_a_question():
    question = SampledNames(negatives=0)([sample([])], MANY)
    assert len(question.vocabulary) == 1
    assert not question.asked.any()


def test_numbers_are_checked():
    with pytest.raises(ValueError, match="got negatives -1, most 100"):
        SampledNames(negatives=-1)


def said(caption, *phrases, labels=()):
    spans = tuple((caption.index(p), caption.index(p) + len(p)) for p in phrases)
    return sample(list(labels), captions=(caption,), phrases=spans)


def test_the_phrases_of_a_batch_are_its_names():
    given = [
        said("A red car and a Kite", "Kite", "red car", labels=[1, 0, -1]),
        said("a kite", "kite", labels=[0]),
    ]
    question = PhraseNames()(given, MANY)
    assert question.vocabulary.names == ("kite", "red car")
    assert question.asked.all()
    assert question.truth[0].labels.tolist() == [1, 0, -1]
    assert question.truth[1].labels.tolist() == [0]
    few = PhraseNames(negatives=0)(given, MANY)
    assert few.asked.tolist() == [[True, True], [True, False]]
    with pytest.raises(InputError, match="needs samples with phrases"):
        PhraseNames()([sample([0])], MANY)
