import pytest
import torch

from ovdet.ops import unit_norm
from ovdet.structures import InputError, PhraseVocabulary, Vocabulary
from ovdet.text import TinyTextTransformer, TokenLayer, TokenText


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = TinyTextTransformer(dim=8, width=16, layers=2, heads=2, context=24, embed_width=8)
    for p in tower.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return tower


def test_a_name_stands_in_a_row_of_its_own(tower):
    text = TokenText(tower)(Vocabulary.of(["hot_dog", "kite"]))
    ids = tower.tokenizer(["hot dog", "kite"])
    states = unit_norm(tower.read(tower.embed_ids(ids)))
    assert text.token_mask.tolist() == [[True] * 4, [True] * 3 + [False]]
    assert text.own.tolist() == [[False, True, True, False], [False, True, False, False]]
    torch.testing.assert_close(text.tokens[0], states[0, :4])
    torch.testing.assert_close(text.tokens[1, :3], states[1, :3])
    torch.testing.assert_close(text.classes, tower(ids))


def test_names_do_not_change_each_other(tower):
    slot = TokenText(tower, [TokenLayer(8, heads=2)]).eval()
    alone, among = (slot(Vocabulary.of(n)) for n in (["kite"], ["traffic light", "kite", "cat"]))
    torch.testing.assert_close(among.tokens[1][among.own[1]], alone.tokens[0][alone.own[0]])
    torch.testing.assert_close(among.classes[1], alone.classes[0])


def test_a_phrase_hears_its_sentence(tower):
    slot = TokenText(tower)
    wordings = [("", "the car", " is red"), ("far left of ", "the car", " is red")]
    text = slot(PhraseVocabulary.of_wordings(wordings))
    first, second = (text.tokens[i][text.own[i]] for i in range(2))
    assert first.shape == second.shape == (2, 8)
    assert not torch.allclose(first, second, atol=1e-3)
    assert text.asked is None


def test_an_end_behind_a_phrase_says_what_a_text_that_ends_there_says(tower):
    slot = TokenText(tower, ends=True)
    wordings = [("far left of ", "the car", " is red"), ("", "a hot dog", "")]
    text = slot(PhraseVocabulary.of_wordings(wordings))
    assert text.own.sum(dim=1).tolist() == [1, 1]
    expected = tower(tower.tokenizer(["far left of the car", "a hot dog"]))
    torch.testing.assert_close(text.tokens[text.own], expected)
    assert text.token_mask.sum(dim=1).tolist() == [10, 5]  # with both ENDs; no second one


def test_the_end_of_a_name_is_its_class(tower):
    text = TokenText(tower, ends=True)(Vocabulary.of(["hot_dog", "kite"]))
    torch.testing.assert_close(text.tokens[text.own], text.classes)


def test_ends_want_a_causal_tower_and_rows(tower):
    with pytest.raises(InputError, match="ends needs a causal tower"):
        TokenText(tower, ends=True, together=True)


def test_an_end_more_still_fits_the_context(tower):
    wordings = [("", "the car", " far" * 30)]
    text = TokenText(tower, ends=True)(PhraseVocabulary.of_wordings(wordings))
    assert text.tokens.shape[1] == tower.tokenizer.context
    assert text.own.sum() == 1


def test_what_an_image_is_asked_comes_along(tower):
    asked = [[True, False], [True, True]]
    vocabulary = PhraseVocabulary.of_wordings([("", "cat", ""), ("", "dog", "")], asked)
    assert TokenText(tower)(vocabulary).asked.tolist() == asked


def test_layers_look_at_one_row_alone_and_leave_unit_norm(tower):
    slot = TokenText(tower, [TokenLayer(8, heads=2)])
    text = slot(Vocabulary.of(["traffic light", "kite"]))
    torch.testing.assert_close(text.tokens.norm(dim=2), torch.ones(text.tokens.shape[:2]))
    text.tokens.sum().backward()
    assert slot.layers[0].qkv.weight.grad is not None
    assert all(p.grad is None for p in tower.parameters())


def test_a_tower_that_learns_gets_gradients(tower):
    slot = TokenText(tower, learn=True).train()
    assert tower.training
    slot(Vocabulary.of(["kite"])).tokens.square().sum().backward()
    slot(Vocabulary.of(["kite"])).tokens[0, 1].sum().backward()
    assert tower.blocks[0].qkv.weight.grad.abs().sum() > 0


def test_a_frozen_tower_stays_in_evaluation_mode(tower):
    slot = TokenText(tower).train()
    assert not tower.training
    assert not any(p.requires_grad for p in slot.parameters())


def test_together_all_names_are_one_caption(tower):
    slot = TokenText(tower, together=True)
    text = slot(Vocabulary.of(["hot dog", "kite"]))
    states = unit_norm(tower.read(tower.embed_ids(tower.tokenizer(["hot dog. kite"]))))[0]
    torch.testing.assert_close(text.tokens[0], states[1:3])
    torch.testing.assert_close(text.tokens[1, 0], states[4])  # 3 is the full stop
    assert text.own.tolist() == [[True, True], [True, False]]
    other = slot(Vocabulary.of(["cat", "kite"]))
    assert not torch.allclose(other.tokens[1, 0], text.tokens[1, 0], atol=1e-3)


def test_together_a_caption_beyond_the_context_is_told(tower):
    with pytest.raises(InputError, match="reads 24 tokens, got 41 for the caption of 20 names"):
        TokenText(tower, together=True)(Vocabulary.of([f"{c}" for c in "abcdefghijklmnopqrst"]))


def test_runs_are_cut_by_tokens_and_by_names(tower):
    slot = TokenText(tower, tokens=9)
    names = Vocabulary.of(["ant", "hot dog", "kite", "zebra"])
    # two markers, three words with two full stops and one more token: 8; the next needs two
    assert slot.cut(names) == [range(3), range(3, 4)]
    assert slot.cut(names, 1) == [range(i, i + 1) for i in range(4)]


def test_phrases_are_never_cut(tower):
    vocabulary = PhraseVocabulary.of_wordings([("", str(i), "") for i in range(30)])
    assert TokenText(tower, tokens=9).cut(vocabulary, 2) == [range(30)]


def test_names_are_encoded_once_for_the_same_weights(tower):
    slot, names = TokenText(tower), Vocabulary.of(["kite", "cat"])
    seen = []
    tower.tokens.register_forward_hook(lambda *_: seen.append(1))
    with torch.inference_mode():
        first = slot(names)
    assert not first.tokens.is_inference()
    assert slot(names).tokens is first.tokens
    assert len(seen) == 1
    with torch.no_grad():
        tower.project.weight.mul_(-1)
    torch.testing.assert_close(slot(names).tokens, -first.tokens)
    for i in range(100):
        slot(Vocabulary.of([f"thing {i}"]))
    assert len(slot._kept) == 64


def test_a_tower_that_learns_keeps_nothing_with_a_graph(tower):
    slot, names = TokenText(tower, learn=True), Vocabulary.of(["kite"])
    assert slot(names).tokens.requires_grad
    with torch.no_grad():
        assert not slot(names).tokens.requires_grad
    assert slot(names).tokens.requires_grad


def test_words_are_encoded_as_classes(tower):
    slot = TokenText(tower)
    words = slot.encode_words(["kite", "cat", "kite"])
    torch.testing.assert_close(words[[0, 1]], slot(Vocabulary.of(["kite", "cat"])).classes)
    assert torch.equal(words[0], words[2])
    assert slot.encode_words([]).shape == (0, 8)
