import dataclasses

import numpy as np
import pytest
import torch

from ovdet.structures import InputError, PhraseVocabulary, Vocabulary
from ovdet.structures.tables import make_table

NAMES = ("cat", "dog", "red car")
ROWS = np.array([[3.0, 4, 0], [0, 2, 0], [0, 0, 1]])


def test_rows_are_of_unit_norm_and_follow_their_names():
    vocabulary = Vocabulary(NAMES, novel=(True, False, False)).with_table(ROWS)
    expected = torch.tensor([[0.6, 0.8, 0], [0, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(vocabulary.table.vectors, expected)
    picked = vocabulary.pick([2, 0])
    assert picked.names == ("red car", "cat")
    assert picked.novel == (False, True)
    assert torch.equal(picked.table.vectors, vocabulary.table.vectors[[2, 0]])


@pytest.mark.parametrize("kind", [np.float16, np.float32, torch.float16, torch.float64])
def test_all_floats_will_do(kind):
    array = torch.from_numpy(ROWS).to(kind) if isinstance(kind, torch.dtype) else ROWS.astype(kind)
    table = make_table(array, NAMES, "here")
    assert table.vectors.dtype == torch.float32
    torch.testing.assert_close(table.vectors.norm(dim=1), torch.ones(3))


def test_rows_are_taken_by_name_from_another_vocabulary():
    whole = Vocabulary.of(NAMES).with_table(ROWS, "t.npy")
    some = Vocabulary.of(["red car", "cat"]).with_table(whole)
    assert torch.equal(some.table.vectors, whole.table.vectors[[2, 0]])
    with pytest.raises(InputError, match=r"t\.npy: has no row for 2 of 3 names: 'zebra', 'Cat'"):
        Vocabulary.of(["zebra", "Cat", "dog"]).with_table(whole)
    with pytest.raises(InputError, match="has no table"):
        Vocabulary.of(NAMES).with_table(Vocabulary.of(NAMES))


def changed(row, values):
    rows = ROWS.copy()
    rows[row] = values
    return rows


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ROWS[:2], r"t: a table for 3 names must be \[3, D\], got \[2, 3\]; transpose it"),
        (np.ones((4, 5)), r"must be \[3, D\], got \[4, 5\]$"),
        (ROWS[None], r"got \[1, 3, 3\]"),
        (np.ones((3, 0)), r"got \[3, 0\]"),
        (ROWS.astype(np.int64), "floating-point numbers, got int64"),
        (changed(1, np.nan), r"row 1 \('dog'\) holds what is no number"),
        (changed(2, np.inf), r"row 2 \('red car'\) holds"),
        (changed(1, 0.0), r"of about one length, got 0 in row 1 \('dog'\) and up to 5"),
        (changed(1, [0, 0.4, 0]), r"got 0\.4 in row 1"),
        (np.zeros((3, 2)), "got 0 in row 0"),
        (changed(1, ROWS[0]), "1 of 3 rows repeat another one"),
    ],
)
def test_what_cannot_be_a_table_of_the_names(array, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.of(NAMES).with_table(array, "t")


def relatives():
    """Return 90 names, 30 pairs of which share a word, and rows in which relatives are alike."""
    rng = np.random.default_rng(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choice(list(letters), 6)) for _ in range(60)]
    names = [*words, *(f"{a}_{b}" for a, b in zip(words[:30], words[30:], strict=True))]
    rows = rng.normal(size=(90, 32))
    rows[60:] = rows[:30] + rows[30:60]
    order = rng.permutation(90)  # else a shift by one would move all pairs alike
    return [names[i] for i in order], rows[order]


def test_another_order_is_seen_where_names_share_words():
    names, rows = relatives()
    assert len(make_table(rows, names, "t")) == 90
    for wrong in (rows[::-1], np.roll(rows, 1, axis=0), np.random.default_rng(1).permutation(rows)):
        with pytest.raises(InputError, match="60 pairs of names with a word in common"):
            make_table(wrong, names, "t")
    few = 20  # too few pairs among them to tell anything
    assert len(make_table(rows[:few][::-1], names[:few], "t")) == few


def test_a_table_is_not_written_and_not_read(tmp_path):
    vocabulary = Vocabulary.of(NAMES).with_table(ROWS)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == Vocabulary.of(NAMES)
    (tmp_path / "w.json").write_text('{"names": ["cat"], "table": null}')
    with pytest.raises(InputError, match=r"unknown keys \['table'\]"):
        Vocabulary.load(tmp_path / "w.json")


def test_vocabularies_with_other_tables_differ():
    plain = Vocabulary.of(NAMES)
    one, other = plain.with_table(ROWS), plain.with_table(ROWS)
    assert len({plain, one, other}) == 3
    with pytest.raises(InputError, match="must have one row a class, got 3 for 2 classes"):
        dataclasses.replace(one, names=NAMES[:2])


def test_phrases_keep_their_wordings_when_picked():
    phrases = PhraseVocabulary.of_wordings([("", "a cat", " runs"), ("", "a dog", "")])
    table = phrases.with_table(ROWS[:2])
    assert table.pick([1]).wordings == (("", "a dog", ""),)
    assert torch.equal(table.pick([1]).table.vectors, table.table.vectors[1:])
    assert phrases.pick([0]).table is None
