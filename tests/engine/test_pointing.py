"""A recognizer that knows where colours are, asked for them by name."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ovdet.engine.pointing import PointingGame, tell_classes
from ovdet.structures import InputError, Regions, Sample, Vocabulary

NAMES = ("orange_thing", "kite", "dog")


def sample(*labels):
    """Return a picture of one 8 px square for each label, from left to right."""
    count = len(labels)
    boxes = torch.tensor([[8.0 * i, 0, 8 * i + 8, 8] for i in range(count)]).reshape(-1, 4)
    owner = torch.zeros(count, dtype=torch.int64)
    truth = Regions(boxes, owner, labels=torch.tensor(labels, dtype=torch.int64))
    return Sample(torch.zeros(3, 8, 32), 0, original_size=(8, 32), truth=truth)


class Pictures(list):
    vocabulary = Vocabulary(NAMES)


class Pointer(torch.nn.Module):
    """Points at a place for each phrase; in a sentence always at the left end."""

    def __init__(self, **places):
        super().__init__()
        self.places = places

    def point(self, samples, *, in_sentence):
        assert not self.training
        return [self.answer(sample, in_sentence) for sample in samples]

    def answer(self, sample, in_sentence):
        said = [sample.captions[0][start:end] for start, end in sample.phrases]
        x = torch.tensor([0.0 if in_sentence else self.places[text.split()[-1]] for text in said])
        boxes = torch.stack([x, x * 0, x + 8, x * 0 + 8], dim=1).reshape(-1, 4)
        owner = torch.zeros(len(said), dtype=torch.int64)
        return Regions(boxes, owner, scores=owner.float(), labels=torch.arange(len(said)))


def test_classes_become_phrases_of_one_sentence():
    told = tell_classes(sample(2, 0, 2, 1), NAMES)
    assert told.captions == ("an orange thing, a kite and a dog",)
    text = told.captions[0]
    assert [text[a:b] for a, b in told.phrases] == ["an orange thing", "a kite", "a dog"]
    assert told.truth.labels.tolist() == [2, 0, 2, 1]  # phrase 2 stands for both dogs
    alone = tell_classes(sample(1, 1), NAMES)
    assert alone.captions == ("a kite",)
    assert alone.truth.labels.tolist() == [0, 0]
    assert tell_classes(sample(), NAMES).phrases == ()
    with pytest.raises(InputError, match="must have labels"):
        tell_classes(replace(sample(1), truth=sample(1).truth.with_(labels=None)), NAMES)


def test_the_game_by_hand(caplog):
    # The dog of the first picture is found, its kite is not; in the second the kite is.
    pictures = Pictures([sample(2, 1), sample(0, 1), sample()])
    runner = SimpleNamespace(
        model=Pointer(dog=0.0, kite=8.0, thing=16.0).train(), logger=logging.getLogger("pointing")
    )
    pictures[0] = sample(2, 0, 1)
    metrics = {"other": 1.0}
    with caplog.at_level("INFO"):
        PointingGame(pictures).after_val_epoch(runner, metrics)
    # Picture 0: dog at 0 hit, thing at 8 asked 16, kite at 16 asked 8. Picture 1: kite at 8 hit.
    assert metrics["pointing/accuracy"] == pytest.approx(2 / 5)
    assert metrics["pointing in sentence/accuracy"] == pytest.approx(2 / 5)  # dog 0, thing 1
    assert metrics["pointing/phrases"] == 5
    assert metrics["pointing/chance"] == pytest.approx(1 / 4)
    assert metrics["other"] == 1
    assert caplog.messages[0].startswith("pointing: pointing/accuracy 0.400")


def test_phrases_of_a_data_set_of_sentences_are_asked_as_they_are():
    said = sample(0, 1)
    said.captions, said.phrases = ("the dog and its kite",), ((0, 7), (12, 20))
    figures = PointingGame([said]).measure(Pointer(dog=0.0, kite=0.0))
    assert figures["pointing/accuracy"] == 0.5
