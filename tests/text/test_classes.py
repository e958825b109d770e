import pytest
import torch

from ovdet.registry import build
from ovdet.structures import TextSlot, Vocabulary
from ovdet.text import TextClasses, word_vector

SLOT = {
    "type": "TextClasses",
    "encoder": {"type": "TinyTextTransformer", "dim": 8, "width": 16, "layers": 1, "heads": 2},
    "templates": "vild63",
}


@pytest.fixture(autouse=True)
def cache(monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", "off")


def test_the_slot_is_built_from_a_config_and_gives_text():
    slot: TextSlot = build(SLOT, "model.text")
    text = slot(Vocabulary.of(["cat", "red_car"]))
    assert text.classes.shape == (2, 8)
    assert text.tokens is None
    torch.testing.assert_close(text.classes.norm(dim=1), torch.ones(2))


def test_words_are_embedded_as_classes_are():
    slot = build(SLOT, "model.text")
    words = slot.encode_words(["red car", "cat"])
    classes = slot(Vocabulary.of(["cat", "red_car"])).classes
    assert torch.equal(words, classes.flip(0))
    assert slot.bank.encoded == 126


def test_a_word_for_a_part_that_keeps_it():
    vector = build({"type": "WordVector", "text": SLOT, "word": "background"}, "model.vector")
    assert vector.shape == (1, 8)
    assert not vector.requires_grad
    slot = build(SLOT, "model.text")
    assert torch.equal(word_vector(slot, "red_car"), slot.encode_words(["red car"]))


def test_the_encoder_is_frozen():
    slot = build(SLOT, "model.text").train()
    assert slot.training
    assert not slot.encoder.training
    assert not any(p.requires_grad for p in slot.parameters())
    assert isinstance(slot, TextClasses)


def test_loaded_weights_are_noticed():
    slot, other = build(SLOT, "a"), build(SLOT, "b")
    vocabulary = Vocabulary.of(["cat"])
    slot(vocabulary)
    slot.load_state_dict(other.state_dict())
    torch.testing.assert_close(slot(vocabulary).classes, other(vocabulary).classes)
    assert slot.bank.encoded == 126


def test_weights_are_hashed_once(monkeypatch):
    import hashlib

    slot = build(SLOT, "model.text")
    slot(Vocabulary.of(["cat"]))
    monkeypatch.setattr(hashlib, "sha256", None)
    slot(Vocabulary.of(["dog"]))
