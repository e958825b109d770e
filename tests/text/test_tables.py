import numpy as np
import pytest
import torch
from torch import nn

from ovdet.registry import build
from ovdet.structures import InputError, Vocabulary
from ovdet.text import (
    Bank,
    LearnedPrompts,
    TableClasses,
    TextClasses,
    TinyTextTransformer,
    TunedTextClasses,
    check_reader,
    read_table,
)

NAMES = ["cat", "dog", "kite", "lamp", "zebra"]


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return TinyTextTransformer(dim=8, width=16, layers=1, heads=2, embed_width=8).eval()


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(5, 8))


@pytest.fixture
def file(tmp_path, rows):
    path = tmp_path / "table.npy"
    np.save(path, rows)
    return path


def test_a_file_becomes_a_vocabulary(file, rows):
    vocabulary = read_table(file, NAMES)
    assert vocabulary.names == tuple(NAMES)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(vocabulary.table.vectors.numpy(), expected, atol=1e-6)
    novel = Vocabulary(tuple(NAMES), novel=(True, *[False] * 4))
    assert read_table(str(file), novel).novel_mask[0]


def test_files_that_are_none(tmp_path, rows):
    with pytest.raises(InputError, match=r"none\.npy: cannot be read as a table: No such file"):
        read_table(tmp_path / "none.npy", NAMES)
    (tmp_path / "text.npy").write_text("cat dog")
    with pytest.raises(InputError, match=r"text\.npy: cannot be read as a table: it is no \.npy"):
        read_table(tmp_path / "text.npy", NAMES)
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_table(tmp_path / "objects.npy", NAMES)
    np.savez(tmp_path / "several.npz", rows=rows)
    with pytest.raises(InputError, match="it is an archive of several"):
        read_table(tmp_path / "several.npz", NAMES)
    with pytest.raises(InputError, match="bare string"):
        read_table(tmp_path / "none.npy", "cat")


def said(encoder, templates="none"):
    return Bank(encoder, templates).embed(NAMES)


def test_the_bank_takes_the_rows_in_place_of_the_tower(encoder):
    """The tower is asked once; what it says need not be what the table holds."""
    bent = said(encoder) + 0.02 * torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    given = Vocabulary.of(NAMES).with_table(bent * 3)
    bank = Bank(encoder, "none")
    unit = torch.nn.functional.normalize(bent, dim=1)
    torch.testing.assert_close(bank.embed(given), unit)
    asked = bank.encoded
    torch.testing.assert_close(bank.embed(given), unit)
    assert bank.encoded == asked <= len(NAMES)
    torch.testing.assert_close(bank.embed(NAMES), said(encoder))
    torch.testing.assert_close(bank.embed(given.pick([3])), unit[[3]])


def test_another_tower_or_order_is_refused(encoder, rows):
    plain = Vocabulary.of(NAMES)
    other = r"t: is of another text tower than the model's, .*: \d of 5 rows .* at least half"
    with pytest.raises(InputError, match=other):
        Bank(encoder).embed(plain.with_table(said(encoder).roll(1, 0), "t"))
    with pytest.raises(InputError, match="t: rows are 6 wide, the model's text is 8 wide"):
        Bank(encoder).embed(plain.with_table(rows[:, :6], "t"))


@pytest.mark.parametrize("slot", [TextClasses, TunedTextClasses])
def test_slots_with_a_tower_read_tables(encoder, slot):
    text = slot(encoder, templates="none").eval()
    given = Vocabulary.of(NAMES).with_table(said(encoder))
    check_reader(nn.ModuleDict({"text": text}), given)
    torch.testing.assert_close(text(given).classes, said(encoder))


def test_slots_that_read_names_alone_say_so(encoder):
    model = nn.Module()
    model.text = LearnedPrompts(encoder, length=2)
    check_reader(model, Vocabulary.of(NAMES))
    given = Vocabulary.of(NAMES).with_table(said(encoder), "t")
    with pytest.raises(InputError, match="t: a Module with this text reads names"):
        check_reader(model, given)
    with pytest.raises(InputError, match="cannot take a table"):
        check_reader(nn.Linear(1, 1), given)


def test_the_slot_of_a_table(file, rows):
    text = TableClasses(str(file), NAMES)
    unit = torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()
    got = text(Vocabulary.of(["zebra", "cat"])).classes
    torch.testing.assert_close(got, unit[[4, 0]])
    torch.testing.assert_close(text.encode_words(["cat", "cat"]), unit[[0, 0]])
    assert text.encode_words([]).shape == (0, 8)
    assert not text.state_dict()
    with pytest.raises(InputError, match=r"table\.npy: has no row for 1 of 2 names: 'gnu'"):
        text(Vocabulary.of(["gnu", "cat"]))
    own = Vocabulary.of(["gnu", "emu"]).with_table(rows[:2])
    torch.testing.assert_close(text(own).classes, unit[:2])
    with pytest.raises(InputError, match="the table: rows are 3 wide, "):
        text(Vocabulary.of(["gnu", "emu"]).with_table(rows[:2, :3]))


def test_the_slot_in_a_config(file, tmp_path):
    Vocabulary.of(NAMES).save(tmp_path / "names.json")
    for names in (
        NAMES,
        str(tmp_path / "names.json"),
        {"type": "NamedVocabulary", "source": str(tmp_path / "names.json")},
    ):
        text = build({"type": "TableClasses", "file": str(file), "names": names}, "model.text")
        assert text.names == tuple(NAMES)
    wrong = {"type": "NamedVocabulary", "source": "@coco"}
    with pytest.raises(ValueError, match=r"model\.text: .*a table for 80 names must be \[80, D\]"):
        build({"type": "TableClasses", "file": str(file), "names": wrong}, "model.text")
