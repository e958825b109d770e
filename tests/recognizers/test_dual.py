import math

import pytest
import torch

from ovdet.losses import InfoNce
from ovdet.recognizers import DualEncoder
from ovdet.structures import Sample
from ovdet.text import TinyTextTransformer
from ovdet.vision import SmallImageEncoder, SmallTrunk


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
