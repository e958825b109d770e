import pytest
import torch
from torch import nn

from ovdet.apis.grounding import read_sentence
from ovdet.apis.model import Model, Settings
from ovdet.detectors import GroundingDetector
from ovdet.structures import InputError, PhraseVocabulary

SENTENCE = "[a dog] left of [ the red car ]"


class Lenient(nn.Module):
    """The stub, which then takes no threshold too and keeps what it was asked."""

    def __init__(self, stub):
        super().__init__()
        self.stub = stub
        self.text = stub.text

    def predict(self, samples, vocabulary, *, threshold=None, top_k=None):
        self.asked = vocabulary
        return self.stub.predict(samples, vocabulary, threshold=threshold or 0, top_k=top_k or 100)


@pytest.fixture
def grounder(make_model):
    settings = Settings(short=40, max=80, threshold=0.3)
    detector = GroundingDetector(Lenient(make_model().detector))
    return Model(detector, settings, torch.device("cpu"), "grounder")


def test_marked_phrases():
    sentence = read_sentence(SENTENCE)
    assert sentence.text == "a dog left of  the red car "
    assert [sentence.text[a:b] for a, b in sentence.spans] == ["a dog", "the red car"]
    assert sentence.vocabulary.names == ("a dog", "the red car")


def test_without_brackets_the_whole_is_one_phrase():
    sentence = read_sentence("  a dog left of the red car\n")
    assert sentence.text == "a dog left of the red car"
    assert sentence.spans == ((0, 25),)


def test_the_same_words_twice_are_told_apart():
    vocabulary = read_sentence("[the cat] by [the cat]").vocabulary
    assert isinstance(vocabulary, PhraseVocabulary)
    assert vocabulary.names == ("[the cat] by the cat", "the cat by [the cat]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a sentence, got ''"),
        (" \n", "must be a sentence"),
        (None, "must be a sentence, got None"),
        ("[a dog", "in pairs and not nested, got '\\[a dog'"),
        ("a] dog", "in pairs"),
        ("[a [big] dog]", "in pairs"),
        ("[a]]", "in pairs"),
        ("a dog [ ]", "must not be blank"),
    ],
)
def test_bad_sentences(text, message):
    with pytest.raises(InputError, match=message):
        read_sentence(text)


def test_ground(grounder, scene):
    """The stub finds the white box for every phrase, with 0.9, 0.45, ..."""
    found = grounder.ground(scene, SENTENCE)
    assert found.labels == ["a dog", "the red car"]
    assert found.scores.tolist() == pytest.approx([0.9, 0.45])
    assert found.boxes.tolist() == [[10, 20, 30, 36]] * 2
    asked = grounder.detector.detector.asked
    assert asked.wordings[0] == ("", "a dog", " left of  the red car ")
    assert grounder.ground(scene, SENTENCE, threshold=0.5).labels == ["a dog"]
    assert grounder.ground(scene, SENTENCE, threshold=0, top_k=1).labels == ["a dog"]


def test_lists_and_names(grounder, scene):
    found = grounder.ground([scene, scene], "white box", batch_size=1)
    assert [one.labels for one in found] == [["white box"]] * 2
    assert grounder.task == "detect"
    assert grounder.detect(scene, ["cat"]).labels == ["cat"]


def test_most_models_read_no_sentences(model, scene):
    with pytest.raises(InputError, match="stub is asked for names, it cannot read a sentence"):
        model.ground(scene, SENTENCE)
