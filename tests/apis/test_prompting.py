"""Prompts through a model: stubs for the ways of labels, ovdet-tiny for what it sees."""

import numpy as np
import pytest
import torch
from colours import NAMES, ColourSegmentor, flag
from PIL import Image
from torch import nn

import ovdet
from ovdet.apis.model import Model, Settings
from ovdet.apis.prompting import Question
from ovdet.data.stickers import SceneSpec, render_scene
from ovdet.ops import unit_norm
from ovdet.structures import InputError, Regions, Text, Vocabulary
from ovdet.structures.prompts import Prompt, Prompts, Shown

SCORES = {"dog": 0.5, "hound": 0.75, "toy dog": 0.625, "cat": 0.375}
CPU = torch.device("cpu")


class Rows(nn.Module):
    """Finds each word it knows at one place, with the score that the word has."""

    reads_tables = True

    def __init__(self):
        super().__init__()
        self.asked = []
        self.text = None

    def predict(self, samples, vocabulary, *, threshold, top_k):
        self.asked.append((vocabulary, threshold, top_k))
        scores = torch.tensor([SCORES.get(name, 0.0) for name in vocabulary.names])
        kept = (scores >= threshold).nonzero().flatten()
        boxes = torch.tensor([[2.0, 2, 12, 12]]).repeat(len(kept), 1)
        return [Regions(boxes, kept * 0, scores[kept], kept) for _ in samples]


class Seer(Rows):
    """One that also looks at pictures: what it sees in a box is the box's first side, as axis."""

    def __init__(self):
        super().__init__()
        self.text = Words()

    def embed_boxes(self, samples, regions):
        self.samples, self.regions = samples, regions
        return torch.eye(4)[regions.boxes[:, 0].long()]


class Words(nn.Module):
    reads_tables = True

    def forward(self, vocabulary):
        return Text(classes=torch.eye(4)[3:].repeat(len(vocabulary), 1))


@pytest.fixture
def picture():
    return np.zeros((20, 20, 3), np.uint8)


def make(detector, **settings):
    return Model(detector, Settings(None, **settings), CPU, "rows")


def test_a_synonym_comes_back_as_the_label(picture):
    model = make(Rows())
    found = model.detect(picture, [Prompt("dog", ("hound",)), "cat"])
    assert (found.labels, found.scores.tolist()) == (["dog", "cat"], [0.75, 0.375])
    assert found.vocabulary == Vocabulary.of(["dog", "cat"])
    vocabulary, threshold, top = model.detector.asked[0]
    assert vocabulary.names == ("dog", "hound", "cat")
    assert vocabulary.groups == (0, 0, 1)
    assert (threshold, top) == (pytest.approx(0.3), 200)


@pytest.mark.parametrize(("words", "labels"), [((), ["cat"]), (("hound",), ["dog", "cat"])])
def test_a_negative_takes_what_scores_lower(picture, words, labels):
    dog = Prompt("dog", words, negatives=("toy dog",))
    assert make(Rows()).detect(picture, [dog, "cat"]).labels == labels


def test_one_prompt_alone_and_names_alone(picture):
    model = make(Rows())
    assert model.detect(picture, Prompts.of(["dog"])).labels == ["dog"]
    assert model.detect(picture, ["dog"]).labels == ["dog"]
    assert model.detector.asked[1][0].groups == ()


def test_discovery_names_a_place_once(picture):
    model = make(Rows())
    assert model.detect(picture, ["dog", "hound", "cat"]).labels == ["hound", "dog", "cat"]
    assert model.discover(picture, ["dog", "hound", "cat"]).labels == ["hound"]
    assert model.discover(picture).labels == ["dog"]
    assert len(model.detector.asked[-1][0]) == 1588


def test_thresholds_of_the_classes(picture):
    model = make(Rows())
    scored = Vocabulary(("dog", "hound"), thresholds=(0.5, 0.8), basis="labels")
    assert model.detect(picture, scored).labels == ["dog"]
    assert model.detector.asked[-1][1] == 0.5
    assert model.detect(picture, scored, threshold=0.1).labels == ["hound", "dog"]
    assert model.detect(picture, Prompts(Prompts.of(["dog"]).prompts, scored)).labels == ["dog"]


def test_a_temperature_changes_what_is_shown_and_compared(picture):
    """Odds of 3 at temperature 1/2 are odds of 9; a threshold of 0.9 is one of 0.75 before."""
    model = make(Rows())
    warm = Vocabulary(("dog", "hound"), temperature=0.5, basis="labels")
    found = model.detect(picture, warm, threshold=0.85)
    assert (found.labels, found.scores.tolist()) == (["hound"], pytest.approx([0.9]))
    odds = (0.85 / 0.15) ** 0.5
    assert model.detector.asked[-1][1] == pytest.approx(odds / (1 + odds))


def test_pictures_and_words_are_mixed(picture):
    model = make(Seer())
    shown = (Shown(picture, ((1, 0, 5, 5), (2, 0, 5, 5))), Shown(picture, ((1, 3, 5, 5),)))
    both = Prompt("dog", shown=shown, image_share=0.25)
    alone = Prompt("it", shown=shown, named=False)
    model.detect(picture, Prompts.of([both, alone, "cat"]))
    vocabulary = model.detector.asked[0][0]
    assert vocabulary.names == ("dog", "cat", "pictures of it")
    seen = unit_norm(torch.tensor([0, 2 / 3, 1 / 3, 0]))
    said = torch.tensor([0.0, 0, 0, 1])
    expected = torch.stack([unit_norm(0.75 * said + 0.25 * seen), said, seen])
    torch.testing.assert_close(vocabulary.table.vectors, expected)
    assert vocabulary.table.own


def test_boxes_are_scaled_as_the_picture_is():
    model = Model(Seer(), Settings(short=10, max=10), CPU, "rows")
    model.detect(
        np.zeros((20, 20, 3), np.uint8),
        [Prompt("a", shown=(Shown(np.zeros((20, 20)), ((2, 4, 6, 8),)),))],
    )
    assert model.detector.regions.boxes.tolist() == [[1, 2, 3, 4]]
    assert model.detector.samples[0].image.shape == (3, 10, 10)


def test_the_whole_picture_where_there_are_no_boxes():
    model = make(Seer())
    model.detect(np.zeros((8, 9, 3), np.uint8), [Prompt("a", shown=(Shown(np.zeros((6, 7))),))])
    assert model.detector.regions.boxes.tolist() == [[0, 0, 7, 6]]


def test_pictures_are_looked_at_once(picture):
    model, prompts = make(Seer()), Prompts.of([Prompt("a", shown=(Shown(picture),))])
    model.detect(picture, prompts)
    del model.detector.regions
    model.detect(picture, prompts)
    assert not hasattr(model.detector, "regions")
    assert model.detector.asked[0][0] is model.detector.asked[1][0]
    model.to("cpu").detect(picture, prompts)
    assert hasattr(model.detector, "regions")


@pytest.mark.parametrize(
    ("detector", "shown", "message"),
    [
        (Rows, Shown(np.zeros((4, 4))), "rows cannot be shown a picture .* describe it in words"),
        (Seer, Shown("none.png"), "none.png: cannot be read"),
        (Seer, Shown(np.zeros((4, 4)), ((0, 0, 5, 4),)), r"boxes of 'a' must lie in .* 4 x 4 px"),
    ],
)
def test_pictures_that_cannot_be(picture, detector, shown, message):
    with pytest.raises(InputError, match=message):
        make(detector()).detect(picture, [Prompt("a", shown=(shown,))])


def test_pixels_have_the_label_of_their_word():
    pixels, truth = flag()
    model = Model(ColourSegmentor(), Settings(None), CPU, "colours")
    first, second = NAMES[:2]
    expected = np.where(truth == 0, 0, np.where(truth == 1, 0, -1))
    found = model.segment(pixels, [Prompt("both", (first, second), named=False)], "semantic")
    assert (found.labels == expected).all()
    against = Prompt("one", (first,), negatives=(second,), named=False)
    found = model.segment(pixels, [against], "semantic")
    assert (found.labels == np.where(truth == 0, 0, -1)).all()
    with pytest.raises(InputError, match="segmentor: ask it with segment"):
        model.discover(pixels)


def test_names_alone_are_their_own_question():
    question = Question.of(Vocabulary.of(["a"]))
    assert question.count(7) == 7
    assert question.label_map(torch.tensor([[0, -1]])).tolist() == [[0, -1]]


@pytest.fixture(scope="module")
def tiny():
    return ovdet.load("ovdet-tiny", device="cpu")


@pytest.fixture(scope="module")
def stickers():
    chance = np.random.default_rng(5)
    return [render_scene(chance, SceneSpec(), ["horse", "apple", "book"]) for _ in range(2)]


def test_synonyms_cost_ovdet_tiny_nothing(tiny, stickers):
    thing = stickers[0].objects[0].name
    plain = tiny.detect(stickers[0].image, [thing], threshold=0.05)
    many = Prompt(thing, (f"the {thing}", f"{thing} thing", f"a {thing}"))
    found = tiny.detect(stickers[0].image, [many], threshold=0.05)
    assert found.scores[0] >= plain.scores[0] - 1e-5
    assert set(found.labels) == {thing}


def test_ovdet_tiny_finds_what_it_is_shown(tiny, stickers):
    scene = stickers[0]
    thing = scene.objects[0]
    shown = (Shown(Image.fromarray(scene.image), (tuple(map(float, thing.box)),)),)
    best = tiny.detect(scene.image, [Prompt("it", shown=shown, named=False)])[0]
    assert best.label == "it"
    assert np.abs(np.array(best.box) - thing.box).max() < 8
