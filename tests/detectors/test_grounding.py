import pytest
import torch
from torch import nn

from ovdet.detectors import CaptionNames, GroundingDetector
from ovdet.detectors.grounding import ask, phrases_of
from ovdet.structures import InputError, PhraseVocabulary, Regions, Sample, Vocabulary

NAMES = Vocabulary(("cat", "hot_dog", "dog", "zebra"), novel=(False, False, False, True))


def sentence(text, *phrases, labels=()):
    """A picture of one box a label, said in a sentence with phrases."""
    spans = tuple((text.index(p), text.index(p) + len(p)) for p in phrases)
    return replace_truth(Sample(torch.zeros(3, 32, 32), 1, "a.png", (32, 32)), labels, text, spans)


def replace_truth(sample, labels, text="", spans=()):
    boxes = torch.tensor([[i, i, i + 5.0, i + 5] for i in range(len(labels))]).reshape(-1, 4)
    owner = torch.zeros(len(labels), dtype=torch.int64)
    sample.truth = Regions(boxes, owner, labels=torch.tensor(labels, dtype=torch.int64))
    sample.captions, sample.phrases = ((text,) if text else ()), spans
    return sample


def picture(labels, **facts):
    return replace_truth(Sample(torch.zeros(3, 32, 32), 1, "b.png", (32, 32), **facts), labels)


def test_phrases_keep_what_stands_around_them():
    one = sentence("a photo of the car above the dog", "the car", "the dog")
    assert phrases_of(one) == [
        ("a photo of ", "the car", " above the dog"),
        ("a photo of the car above ", "the dog", ""),
    ]


def test_the_same_words_in_two_sentences_are_two_classes():
    samples = [
        sentence("the car above the dog", "the car", "the dog", labels=[1, 0]),
        sentence("the car", "the car", labels=[0, 0]),
        sentence("the car", "the car"),
    ]
    question = CaptionNames()(samples, None)
    assert question.vocabulary.names == (
        "[the car] above the dog",
        "the car above [the dog]",
        "the car",
    )
    wanted = [[True, True, False], [False, False, True], [False, False, True]]
    assert question.asked.tolist() == wanted
    assert [list(row) for row in question.vocabulary.asked] == wanted
    assert [t.labels.tolist() for t in question.truth] == [[1, 0], [2, 2], []]


def test_names_are_cleaned_and_novel_ones_never_asked():
    torch.manual_seed(0)
    question = CaptionNames(negatives=10, full=1.0)([picture([1, 3])], NAMES)
    assert sorted(words for _, words, _ in question.vocabulary.wordings) == [
        "cat",
        "dog",
        "hot dog",
    ]
    assert question.asked.all()
    (kept,) = question.truth[0].labels.tolist()  # the zebra is not asked for
    assert question.vocabulary.wordings[kept] == ("", "hot dog", "")


def test_negatives_are_drawn_up_to_their_number():
    many = Vocabulary.of([f"thing {i}" for i in range(200)])
    torch.manual_seed(0)
    full = [len(CaptionNames(negatives=20, full=1.0)([picture([])], many).vocabulary)]
    some = [
        len(CaptionNames(negatives=20, full=0.0)([picture([])], many).vocabulary)
        for _ in range(200)
    ]
    assert full == [20]
    assert set(some) == set(range(1, 21))


def test_a_drawn_name_that_is_there_is_dropped_not_replaced():
    two = Vocabulary.of(["cat", "dog"])
    sizes = set()
    torch.manual_seed(0)
    for _ in range(40):
        question = CaptionNames(negatives=1, full=1.0)([picture([0])], two)
        sizes.add(len(question.vocabulary))
        assert ("", "cat", "") in question.vocabulary.wordings
    assert sizes == {1, 2}


def test_where_absence_is_known_only_that_is_drawn():
    one = picture([0], negative=(2,), not_exhaustive=())
    for _ in range(10):
        question = CaptionNames(negatives=5, full=1.0)([one], NAMES)
        assert set(question.vocabulary.wordings) == {("", "cat", ""), ("", "dog", "")}


def test_images_without_boxes_have_no_truth():
    question = CaptionNames()([sentence("a dog", "a dog", labels=[0])], None)
    assert question.truth[0] is not None
    hidden = sentence("a dog", "a dog", labels=[0])
    hidden.boxed = False
    assert CaptionNames()([hidden], None).truth == [None]


def test_neither_phrases_nor_names():
    with pytest.raises(InputError, match=r"b\.png: has no phrases, and there is no vocabulary"):
        CaptionNames()([picture([0])], None)


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match=r"got 85 and 1\.5"):
        CaptionNames(full=1.5)


class Finder(nn.Module):
    """Finds one box for each class an image is asked for, in the vocabulary's order."""

    def __init__(self):
        super().__init__()
        self.text = nn.Identity()
        self.weight = nn.Parameter(torch.ones(()))
        self.asked = []

    def loss(self, samples, vocabulary):
        self.asked.append(vocabulary)
        return {"loss_any": self.weight * len(samples)}

    def predict(self, samples, vocabulary, threshold=None, top_k=None):  # noqa: ARG002
        self.asked.append(vocabulary)
        everything = [[True] * len(vocabulary)] * len(samples)
        found = []
        for row in getattr(vocabulary, "asked", ()) or everything:
            labels = torch.tensor([c for c, on in enumerate(row) if on])
            boxes = torch.stack([labels, labels, labels + 2, labels + 3], dim=1).float()
            scores = torch.linspace(0.9, 0.5, len(labels))
            found.append(Regions(boxes, torch.zeros_like(labels), scores, labels))
        return found


def test_answers_come_back_under_each_images_own_phrases():
    finder = Finder()
    samples = [
        sentence("the car above the dog", "the dog", "the car"),  # not in the order of the text
        sentence("a dog", "a dog"),
    ]
    found = GroundingDetector(finder)(samples, mode="predict")
    assert isinstance(finder.asked[0], PhraseVocabulary)
    assert [regions.labels.tolist() for regions in found] == [[0, 1], [0]]
    assert found[1].boxes.tolist() == [[2, 2, 4, 5]]  # row 2 of the batch's vocabulary


def test_samples_without_phrases_are_asked_for_the_vocabulary():
    finder = Finder()
    model = GroundingDetector(finder)
    with pytest.raises(InputError, match="has no vocabulary"):
        model([picture([])], mode="predict")
    model.vocabulary = NAMES
    assert [r.labels.tolist() for r in model([picture([])], mode="predict")] == [[0, 1, 2, 3]]
    assert finder.asked == [NAMES]


def test_the_detector_chooses_what_it_learns_from():
    finder = Finder()
    losses = GroundingDetector(finder)([sentence("a dog", "a dog")], mode="loss")
    assert losses["loss_any"].item() == 1
    assert finder.asked == [None]


def test_asking_for_the_same_wording_twice_makes_one_class():
    wording = ("", "a dog", "")
    samples = [sentence("a dog", "a dog", labels=[0])] * 2
    question = ask(samples, [{0: wording}, {0: wording}])
    assert len(question.vocabulary) == 1
    assert question.asked.tolist() == [[True], [True]]
