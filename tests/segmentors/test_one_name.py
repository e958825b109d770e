"""One name an image: which one, by counting."""

import pytest
import torch

from ovdet.segmentors import OnePixelName
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
    question = OnePixelName(negatives=0.0)([labelled(3, 2, 0), labelled(3)], NAMES)
    assert question.vocabulary.names == ("sky", "bus")
    assert question.labels[0, :4, 0].tolist() == [1, IGNORED, 0, IGNORED]
    assert question.labels.shape == (2, 32, 32)
    assert all(len(names) == 1 for names in asked_names(question))
    assert asked_names(question)[1] == ["bus"]


def test_one_in_five_is_absent():
    torch.manual_seed(0)
    asks = OnePixelName(negatives=0.2)
    drawn = [asked_names(asks([labelled(0, 3, 2)], NAMES))[0][0] for _ in range(400)]
    assert set(drawn) == {"sky", "bus", "cat"}  # never the novel one
    assert 55 <= drawn.count("cat") <= 105
    assert abs(drawn.count("sky") - drawn.count("bus")) < 60


def test_an_image_is_asked_for_what_there_is():
    assert asked_names(OnePixelName(negatives=1.0)([labelled(0, 1, 3)], NAMES))[0][0] in NAMES.names
    question = OnePixelName(negatives=0.0)([labelled(2)], NAMES)
    assert question.vocabulary.names == tuple(asked_names(question)[0])
    assert (question.labels == IGNORED).all()


def test_what_cannot_be_asked_is_told():
    with pytest.raises(InputError, match="at least one class must not be novel"):
        OnePixelName()([labelled(0)], Vocabulary(("sky",), novel=(True,)))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got 2"):
        OnePixelName(negatives=2)
