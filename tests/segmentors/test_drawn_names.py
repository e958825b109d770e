"""A few names an image: which ones, by counting."""

import pytest
import torch

from ovdet.segmentors import DrawnPixelNames
from ovdet.structures import IGNORED, InputError, Sample, Vocabulary

NAMES = Vocabulary(("sky", "cat", "dog", "bus"), novel=(False, False, True, False))


def labelled(*labels):
    made = torch.full((32, 32), IGNORED)
    for row, label in enumerate(labels):
        made[row] = label
    return Sample(torch.zeros(3, 32, 32), 0, semantic=made)


def asked_names(question):
    names = question.vocabulary.names
    return [[names[i] for i in row.nonzero().flatten()] for row in question.asked]


def test_labels_are_those_of_the_question():
    question = DrawnPixelNames(negatives=0.0)([labelled(3, 2, 0), labelled(3)], NAMES)
    assert question.vocabulary.names == ("sky", "bus")
    assert question.labels[0, :4, 0].tolist() == [1, IGNORED, 0, IGNORED]
    assert question.labels.shape == (2, 32, 32)
    assert all(len(names) == 1 for names in asked_names(question))
    assert asked_names(question)[1] == ["bus"]


def test_one_in_five_is_absent():
    torch.manual_seed(0)
    asks = DrawnPixelNames(negatives=0.2)
    drawn = [asked_names(asks([labelled(0, 3, 2)], NAMES))[0][0] for _ in range(400)]
    assert set(drawn) == {"sky", "bus", "cat"}  # never the novel one
    assert 55 <= drawn.count("cat") <= 105
    assert abs(drawn.count("sky") - drawn.count("bus")) < 60


def test_an_image_is_asked_for_what_there_is():
    assert (
        asked_names(DrawnPixelNames(negatives=1.0)([labelled(0, 1, 3)], NAMES))[0][0] in NAMES.names
    )
    question = DrawnPixelNames(negatives=0.0)([labelled(2)], NAMES)
    assert question.vocabulary.names == tuple(asked_names(question)[0])
    assert (question.labels == IGNORED).all()


def test_several_names_are_distinct_and_as_many_as_there_are():
    """Two of three names are drawn: of an image of two the absent one comes once in 1 - 0.8^2."""
    torch.manual_seed(0)
    asks = DrawnPixelNames(count=2, negatives=0.2)
    drawn = [asked_names(asks([labelled(0, 3, 2)], NAMES))[0] for _ in range(400)]
    assert all(len(set(names)) == 2 for names in drawn)
    absent = sum("cat" in names for names in drawn)
    assert 110 <= absent <= 180  # 144 of 400 expected
    every = asked_names(DrawnPixelNames(count=9)([labelled(0), labelled(1)], NAMES))
    assert every == [["sky", "cat", "bus"]] * 2


def test_what_cannot_be_asked_is_told():
    with pytest.raises(InputError, match="at least one class must not be novel"):
        DrawnPixelNames()([labelled(0)], Vocabulary(("sky",), novel=(True,)))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got 2"):
        DrawnPixelNames(negatives=2)
    with pytest.raises(ValueError, match="count must be >= 1, got 0"):
        DrawnPixelNames(count=0)
