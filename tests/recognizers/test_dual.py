import math

import pytest
import torch

from ovdet.losses import InfoNce
from ovdet.recognizers import DualEncoder
from ovdet.structures import Sample, Tokens
from ovdet.text import TinyTextTransformer
from ovdet.vision import PlaceEncoder, SmallImageEncoder, SmallTrunk


@pytest.fixture
def model():
    torch.manual_seed(0)
    text = TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8)
    image = SmallImageEncoder(SmallTrunk((4, 8, 12)), dim=8)
    return DualEncoder(image, text, InfoNce()).eval()


def samples(captions=("a red car", "a photo of a very small dog on grass")):
    pictures = torch.rand(len(captions), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return [
        Sample(picture, image_id=i, captions=(caption, "another"))
        for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True))
    ]


def test_loss_is_the_objectives(model):
    losses = model(samples(), mode="loss")
    images, texts = model.embed_images(samples()), model.embed_captions(samples())
    torch.testing.assert_close(
        losses["loss_contrastive"], InfoNce()(images, texts, torch.tensor(1 / 0.07))
    )
    assert losses["scale"].item() == pytest.approx(1 / 0.07)
    assert not losses["scale"].requires_grad


def test_predict_gives_unit_vectors_of_a_picture_and_its_captions(model):
    given = samples()
    given[1].captions = ("only one",)
    found = model(given, mode="predict")
    assert [texts.shape for _, texts in found] == [(2, 8), (1, 8)]
    for image, texts in found:
        assert image.shape == (8,)
        assert image.norm().item() == pytest.approx(1, abs=1e-5)
        assert texts.norm(dim=1).tolist() == pytest.approx([1] * len(texts), abs=1e-5)
    torch.testing.assert_close(found[0][1], model.embed_words(["a red car", "another"]))


def test_a_caption_does_not_depend_on_its_company(model):
    together = model.embed_words(["a red car", "a photo of a very small dog on green grass"])
    torch.testing.assert_close(together[:1], model.embed_words(["a red car"]))


def test_the_scale_stays_at_a_hundred_and_keeps_its_gradient(model):
    with torch.no_grad():
        model.log_scale.fill_(9.0)
    model(samples(), mode="loss")["loss_contrastive"].backward()
    assert model.scale.item() == pytest.approx(100)
    assert model.log_scale.item() == pytest.approx(math.log(100))
    assert model.log_scale.grad != 0


def test_both_towers_learn(model):
    model.train()(samples(), mode="loss")["loss_contrastive"].backward()
    assert all(p.grad is not None for p in model.parameters())


class ReadsTokens(torch.nn.Module):
    """An objective that keeps what it is given."""

    reads_tokens = True

    def forward(self, images, texts, scale):
        self.given = (images, texts)
        return scale * (images.vectors.mean() + texts.vectors.mean())


def places_model(objective):
    torch.manual_seed(0)
    text = TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8)
    return DualEncoder(PlaceEncoder(SmallTrunk((4, 8, 12)), dim=8), text, objective).eval()


def test_an_objective_that_asks_gets_tokens():
    model = places_model(ReadsTokens())
    model(samples(), mode="loss")
    images, texts = model.objective.given
    pictures = torch.stack([sample.image for sample in samples()])
    places = model.image.places(pictures)
    torch.testing.assert_close(images.vectors[:, 4 * 1 + 2], places[:, :, 1, 2])
    assert texts.mask.sum(dim=1).tolist() == [5, 11]
    assert texts.vectors.shape[1] == 11  # no further than the longest
    # Read at END, a text's tokens are its vector.
    ends = texts.vectors[torch.arange(2), texts.mask.sum(dim=1) - 1]
    whole = model.text(model.text.tokenizer([s.captions[0] for s in samples()]))
    torch.testing.assert_close(ends, whole)


def test_a_set_is_predicted_for_a_picture_and_each_caption():
    model = places_model(ReadsTokens())
    given = samples()
    given[1].captions = ("only one",)
    found = model(given, mode="predict")
    assert [type(image) for image, _ in found] == [Tokens, Tokens]
    assert [len(image) for image, _ in found] == [1, 1]
    assert [len(texts) for _, texts in found] == [2, 1]


def test_names_are_read_by_vectors_or_by_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path))
    vectors, rows = places_model(InfoNce()).embed_names(["car", "dog"], ["{}", "a {}"])
    assert (vectors.shape, rows) == ((2, 8), 1)
    sets, rows = places_model(ReadsTokens()).embed_names(["car", "dog"], ["{}", "a {}"])
    assert (len(sets), rows) == (4, 2)
    assert sets.mask.sum(dim=1).tolist() == [3, 4, 3, 4]


class Cells(torch.nn.Module):
    """An image tower whose places are the colours of 8 px cells."""

    dim = 3

    def places(self, images):
        return torch.nn.functional.normalize(torch.nn.functional.avg_pool2d(images, 8), dim=1)


class ColourOfLastWord(torch.nn.Module):
    """A text tower that reads the colour before END, or at each token."""

    causal = True

    def __init__(self):
        super().__init__()
        self.known = TinyTextTransformer(dim=3, width=16, layers=1, heads=2, embed_width=8)
        self.tokenizer = self.known.tokenizer
        self.rows = {int(self.tokenizer([c])[0, 1]): i for i, c in enumerate(("red", "green"))}

    def colours(self, ids):
        found = torch.zeros(*ids.shape, 3)
        for token, channel in self.rows.items():
            found[..., channel] += ids == token
        return found

    def forward(self, ids):
        return torch.nn.functional.normalize(self.colours(ids).sum(dim=1), dim=1)

    def encode_tokens(self, ids):
        return Tokens(self.colours(ids))


def phrased(caption, *phrases):
    image = torch.zeros(3, 16, 24)
    image[0, :8, 16:], image[1, 8:, 8:16] = 1.0, 0.5  # red above on the right, green below
    spans = tuple((caption.index(p), caption.index(p) + len(p)) for p in phrases)
    return Sample(
        image, 0, original_size=(32, 48), scale=(0.5, 0.5), captions=(caption,), phrases=spans
    )


@pytest.mark.parametrize("in_sentence", [False, True])
def test_the_place_most_like_a_phrase(in_sentence):
    model = DualEncoder(Cells(), ColourOfLastWord(), InfoNce())
    sample = phrased("a thing of green, over one that is red.", "thing of green", "that is red")
    (found,) = model.point([sample], in_sentence=in_sentence)
    assert found.boxes.tolist() == [[16, 16, 32, 32], [32, 0, 48, 16]]  # px of the stored image
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == [1.0, 1.0]
    assert not found.scores.requires_grad
    maps = model.heat_maps(sample.image, torch.eye(3)[:2])
    assert maps.shape == (2, 2, 3)
    assert maps[0].tolist() == [[0, 0, 1], [0, 0, 0]]


def test_a_phrase_in_its_sentence_sees_what_stands_before_it():
    model = places_model(InfoNce())
    caption = "a dog to the left of a dog"
    spans = ((0, 5), (21, 26))
    read = model._read_in_sentence(caption, spans)
    tokens = model.text.encode_tokens(model.text.tokenizer([caption])).vectors[0]
    # START a dog to the left of a dog END: the dogs are tokens 2 and 8.
    torch.testing.assert_close(read, tokens[[2, 8]])
    alone = model._read_alone(caption, spans)
    torch.testing.assert_close(alone[0], alone[1])
    torch.testing.assert_close(alone[:1], model.embed_words(["a dog"]))


def test_nothing_is_pointed_at_without_phrases():
    sample = phrased("a red thing")
    (found,) = DualEncoder(Cells(), ColourOfLastWord(), InfoNce()).point([sample])
    assert len(found) == 0


def test_a_tower_that_reads_its_padding_is_given_all_of_it():
    class Counting(torch.nn.Module):
        causal = False

        def tokenizer(self, words):
            return torch.ones(len(words), 9, dtype=torch.int64)  # no END in them

        def forward(self, ids):
            return torch.full((len(ids), 1), float(ids.shape[1]))

    model = DualEncoder(torch.nn.Identity(), Counting(), InfoNce())
    assert model.embed_words(["cat"]).item() == 9
