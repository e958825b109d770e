"""Learnt vectors of a few names before another text slot."""

import re

import pytest
import torch
from torch import nn

from ovdet.structures import InputError, Text, Vocabulary
from ovdet.text import LearntRows, TaughtClasses, TextClasses, TinyTextTransformer


def text():
    torch.manual_seed(0)
    return TextClasses(TinyTextTransformer(dim=6, width=16, layers=1, embed_width=8), "none")


def taught():
    made = TaughtClasses(text(), ["Red_Kite", "lamp"])
    with torch.no_grad():
        made.rows.copy_(torch.tensor([[3.0, 0, 0, 0, 0, 0], [0, 0.5, 0, 0, 0, 0]]))
    return made


def test_at_first_names_mean_what_their_text_says():
    made = TaughtClasses(text(), ["red kite", "lamp"])
    names = Vocabulary.of(["lamp", "cat", "red kite"])
    torch.testing.assert_close(made(names).classes, text()(names).classes)
    assert [name for name, p in made.named_parameters() if p.requires_grad] == ["rows"]


def test_taught_names_have_their_vectors_and_others_go_on():
    made = taught()
    found = made(Vocabulary.of(["cat", "LAMP", "red kite"])).classes
    torch.testing.assert_close(found[0], text().encode_words(["cat"])[0])
    assert found[1].tolist() == [0, 1, 0, 0, 0, 0]
    assert found[2].tolist() == [1, 0, 0, 0, 0, 0]
    torch.testing.assert_close(made.encode_words(["cat", "LAMP", "red kite"]), found)


def test_asking_does_not_write_into_what_the_other_slot_keeps():
    inner = text()
    before = inner.encode_words(["lamp"]).clone()
    made = TaughtClasses(inner, ["lamp"])
    with torch.no_grad():
        made.rows.fill_(1.0)
    made(Vocabulary.of(["lamp"]))
    torch.testing.assert_close(inner(Vocabulary.of(["lamp"])).classes, before)
    made.reset()
    torch.testing.assert_close(made.rows.detach(), before)


def test_vectors_learn():
    made = taught()
    made(Vocabulary.of(["cat", "lamp"])).classes[:, 0].sum().backward()
    assert made.rows.grad.abs().sum(dim=1).gt(0).tolist() == [False, True]


def test_a_table_comes_first_where_the_slot_reads_one():
    made = taught()
    assert made.reads_tables
    rows = text().encode_words(["lamp", "cat"])
    asked = Vocabulary.of(["lamp", "cat"]).with_table(rows)
    torch.testing.assert_close(made(asked).classes, rows)
    assert not TaughtClasses(LearntRows(text(), ["cat"]), ["dog"]).reads_tables


def test_names_that_are_read_alike_are_refused():
    with pytest.raises(InputError, match=re.escape("must differ when read, got ['Lamp', 'lamp']")):
        TaughtClasses(text(), ["Lamp", "lamp"])


class Tokens(nn.Module):
    def forward(self, vocabulary):
        return Text(torch.zeros(len(vocabulary), 6), torch.zeros(len(vocabulary), 3, 6))


def test_a_slot_that_keeps_tokens_has_no_vector_to_teach():
    with pytest.raises(InputError, match="reads names token by token"):
        TaughtClasses(Tokens(), ["lamp"])
