import copy
import logging

import pytest
import torch
import torch.nn.functional as F

from ovdet.structures import InputError, Vocabulary
from ovdet.text import Bank, TinyTextTransformer, fill, load_templates

NAMES = ["cat", "traffic_light", "Dog/Wolf"]


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8).eval()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path))
    return tmp_path


def by_hand(encoder, templates, word):
    each = encoder(encoder.tokenizer(fill(load_templates(templates), word))).detach()
    return F.normalize(F.normalize(each, dim=1).mean(dim=0), dim=0)


@pytest.mark.parametrize("templates", ["single", "vild63", "clip80", "detic", "none"])
def test_the_ensemble_is_normalise_mean_normalise(encoder, templates):
    expected = [by_hand(encoder, templates, w) for w in ("cat", "traffic light", "dog or wolf")]
    got = Bank(encoder, templates).embed(NAMES)
    torch.testing.assert_close(got, torch.stack(expected), atol=1e-5, rtol=0)


def test_repeating_the_templates_changes_nothing(encoder):
    once = Bank(encoder, ["a {}", "the {}"]).embed(NAMES)
    twice = Bank(encoder, ["a {}", "the {}"] * 2).embed(NAMES)
    torch.testing.assert_close(once, twice, atol=1e-6, rtol=0)


def test_synonyms_are_pooled_as_unit_vectors(encoder):
    vocabulary = Vocabulary(("cat", "dog"), synonyms=(("kitty", "Cat"), ()))
    got = Bank(encoder).embed(vocabulary)
    pooled = by_hand(encoder, "single", "cat") + by_hand(encoder, "single", "kitty")
    torch.testing.assert_close(got[0], F.normalize(pooled, dim=0), atol=1e-5, rtol=0)
    torch.testing.assert_close(got[1], by_hand(encoder, "single", "dog"), atol=1e-5, rtol=0)


def test_the_second_call_encodes_nothing(encoder):
    bank = Bank(encoder, "clip80")
    first = bank.embed(NAMES)
    assert bank.encoded == 240
    assert torch.equal(bank.embed(Vocabulary.of(NAMES)), first)
    assert torch.equal(bank.embed_words(NAMES), first)
    assert bank.encoded == 240


def test_one_name_more_encodes_one(encoder):
    bank = Bank(encoder)
    first = bank.embed(NAMES)
    second = bank.embed(["bird", *reversed(NAMES)])
    assert bank.encoded == 4
    assert torch.equal(second[1:], first.flip(0))


def test_another_process_reads_the_disk_bit_for_bit(encoder):
    first = Bank(encoder, "vild63").embed(NAMES)
    bank = Bank(copy.deepcopy(encoder), "vild63")
    assert torch.equal(bank.embed(NAMES), first)
    assert bank.encoded == 0


def test_other_templates_and_other_weights_have_other_entries(encoder):
    Bank(encoder, "single").embed(NAMES)
    bank = Bank(encoder, "detic")
    bank.embed(NAMES)
    assert bank.encoded == 3
    with torch.no_grad():
        encoder.positions.add_(1)
    new = bank.embed(NAMES)
    assert bank.encoded == 6
    torch.testing.assert_close(new[0], by_hand(encoder, "detic", "cat"), atol=1e-5, rtol=0)


def test_off_keeps_to_memory(encoder, cache, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", "off")
    for _ in range(2):
        bank = Bank(encoder)
        bank.embed(NAMES)
        assert bank.encoded == 3
    assert list(cache.iterdir()) == []


def test_a_folder_may_be_given(encoder, tmp_path):
    Bank(encoder, cache_dir=tmp_path / "mine").embed(NAMES)
    assert len(list((tmp_path / "mine" / "text").glob("*.sqlite3"))) == 1


def test_a_corrupt_file_is_computed_again(encoder, cache, caplog):
    first = Bank(encoder).embed(NAMES)
    (file,) = (cache / "text").iterdir()
    file.write_bytes(b"garbage" * 1000)
    bank = Bank(encoder)
    torch.testing.assert_close(bank.embed(NAMES), first)
    assert bank.encoded == 3
    assert "damaged" in caplog.text
    again = Bank(encoder)
    again.embed(NAMES)
    assert again.encoded == 0


def test_a_folder_that_cannot_be_written_is_done_without(encoder, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    bank = Bank(encoder, cache_dir=tmp_path / "file")
    bank.embed(NAMES)
    bank.embed([*NAMES, "bird"])
    assert bank.encoded == 4
    assert len(caplog.messages) == 1


def test_names_longer_than_a_chunk(encoder, monkeypatch, tmp_path):
    whole = Bank(encoder, "vild63", tmp_path / "whole").embed([f"thing {i}" for i in range(7)])
    monkeypatch.setattr("ovdet.text.bank._STRINGS_AT_ONCE", 130)
    parts = Bank(encoder, "vild63").embed([f"thing {i}" for i in range(7)])
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)


def test_more_names_than_memory_keeps(encoder, monkeypatch):
    monkeypatch.setattr("ovdet.text.bank._NAMES_KEPT", 2)
    monkeypatch.setenv("OVDET_CACHE", "off")
    bank = Bank(encoder)
    assert bank.embed(NAMES).shape == (3, 8)
    bank.embed([*NAMES[1:], "bird"])
    assert bank.encoded == 4


def test_vectors_of_inference_mode_serve_training(encoder):
    bank = Bank(encoder)
    with torch.inference_mode():
        bank.embed(NAMES)
    regions = torch.randn(2, 8, requires_grad=True)
    (regions @ bank.embed(NAMES).T).sum().backward()
    assert regions.grad is not None


def test_autocast_does_not_coarsen_what_is_kept(encoder):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = Bank(encoder).embed(NAMES)
    torch.testing.assert_close(coarse[0], by_hand(encoder, "single", "cat"), atol=1e-5, rtol=0)


def test_a_name_too_long_is_quoted_once_for_all_its_sentences(encoder, caplog):
    with caplog.at_level(logging.WARNING):
        Bank(encoder, "vild63").embed(["very " * 100 + "long", "cat"])
    assert len(caplog.messages) == 1
    assert "'very very" in caplog.messages[0]


def test_no_words_and_equal_words(encoder):
    bank = Bank(encoder)
    assert bank.embed_words([]).shape == (0, 8)
    vectors = bank.embed_words(["cat", "cat"])
    assert torch.equal(vectors[0], vectors[1])
    assert bank.encoded == 1


def test_a_bare_string_is_refused(encoder):
    with pytest.raises(InputError, match="bare string 'cat'"):
        Bank(encoder).embed("cat")


def test_half_a_character_is_refused(encoder):
    with pytest.raises(InputError, match="valid Unicode"):
        Bank(encoder).embed(["caf\udce9"])
