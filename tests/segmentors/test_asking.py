import pytest
import torch

from ovdet.segmentors import PixelNames
from ovdet.structures import IGNORED, InputError, Sample, Vocabulary

NAMES = Vocabulary(("cat", "kite", "dog"), novel=(False, True, False))
LABELS = torch.tensor([[0, 1, 2, IGNORED]])


def samples():
    return [Sample(torch.zeros(3, 1, 4), 1, semantic=LABELS), Sample(torch.zeros(3, 2, 2), 2)]


def test_novel_names_are_not_asked_for():
    question = PixelNames()(samples(), NAMES)
    assert question.vocabulary.names == ("cat", "dog")
    assert question.asked is None
    assert question.labels.shape == (2, 32, 32)
    assert question.labels[0, 0, :4].tolist() == [0, IGNORED, 1, IGNORED]
    assert (question.labels[0, 1:] == IGNORED).all()
    assert (question.labels[1] == IGNORED).all()


def test_novel_names_may_be_known():
    question = PixelNames(novel=True)(samples(), NAMES)
    assert question.vocabulary == NAMES
    assert question.labels[0, 0, :4].tolist() == [0, 1, 2, IGNORED]


def test_there_must_be_a_name():
    with pytest.raises(InputError, match="at least one class must not be novel"):
        PixelNames()(samples(), Vocabulary(("cat",), novel=(True,)))
