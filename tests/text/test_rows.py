"""A classifier's rows in place of text: what is known, and what stands for the rest."""

import pytest
import torch

from ovdet.structures import InputError, Vocabulary
from ovdet.text import LearntRows, TextClasses, TinyTextTransformer

KNOWN = ["cat", "dog", "bus"]


def text():
    torch.manual_seed(0)
    return TextClasses(TinyTextTransformer(dim=6, width=16, layers=1, embed_width=8), "none")


def rows(**options):
    torch.manual_seed(1)
    return LearntRows(text(), KNOWN, **options)


def test_known_names_have_rows_that_learn():
    made = rows(start="text", length=2.0)
    found = made(Vocabulary.of(["bus", "kite", "cat"])).classes
    torch.testing.assert_close(found[[0, 2]], made.rows[[2, 0]])
    torch.testing.assert_close(made.rows.detach(), 2 * text().encode_words(KNOWN))
    found.sum().backward()
    assert made.rows.grad.abs().sum(dim=1).gt(0).tolist() == [True, False, True]
    assert [name for name, p in made.named_parameters() if p.requires_grad] == ["rows"]


def test_random_rows_depend_on_their_names_alone():
    made, same = rows(), rows()
    torch.testing.assert_close(made.rows, same.rows)
    torch.testing.assert_close(made.rows.norm(dim=1), torch.ones(3))
    first = made.encode_words(["kite", "lamp"])
    assert torch.equal(first[1], rows().encode_words(["lamp"])[0])
    assert not torch.allclose(first[0], first[1])
    torch.testing.assert_close(first.norm(dim=1), torch.ones(2))


def test_an_unknown_name_may_get_its_text():
    found = rows(others="text", length=3.0).encode_words(["kite"])
    torch.testing.assert_close(found, 3 * text().encode_words(["kite"]))


def test_an_unknown_name_may_get_the_row_of_the_nearest():
    made = rows(others="nearest")
    slot = text()
    likeness = slot.encode_words(["kite"]) @ slot.encode_words(KNOWN).T
    assert torch.equal(made.encode_words(["kite"])[0], made.rows[likeness.argmax()])


def test_names_may_come_from_a_file(tmp_path):
    Vocabulary(("cat", "dog"), novel=(True, False)).save(tmp_path / "v.json")
    assert LearntRows(text(), str(tmp_path / "v.json")).names.names == ("dog",)
    Vocabulary(("cat",), novel=(True,)).save(tmp_path / "v.json")
    with pytest.raises(InputError, match="all names are novel"):
        LearntRows(text(), str(tmp_path / "v.json"))


def test_what_is_no_choice_is_told():
    with pytest.raises(InputError, match="got 'text', 'zero'"):
        rows(start="text", others="zero")
