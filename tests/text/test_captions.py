from itertools import pairwise

import pytest
import torch

from ovdet.structures import InputError
from ovdet.text import ClipTokenizer, compose_caption, cut_names, positive_map, write_names
from ovdet.text.captions import NOBODY, crop_caption
from ovdet.text.tokenizer import END, START


@pytest.fixture(scope="module")
def tokenizer():
    return ClipTokenizer(77)


def tokens_of(caption, phrase):
    return [i for i, owner in zip(caption.ids, caption.owners, strict=True) if owner == phrase]


def test_names_are_joined_by_full_stops(tokenizer):
    caption = write_names(["traffic light", "kite", "hot_dog"], tokenizer)
    assert caption.text == "traffic light. kite. hot dog"
    words = [caption.text[start:end] for start, end in caption.spans]
    assert words == ["traffic light", "kite", "hot dog"]


def test_the_tokens_are_those_of_the_whole_text(tokenizer):
    caption = write_names(["traffic light", "kite", "hot_dog (food)"], tokenizer)
    whole = tokenizer([caption.text])[0].tolist()
    assert list(caption.ids) == whole[: whole.index(END) + 1]


def test_the_map_of_hot_dog_covers_exactly_its_tokens(tokenizer):
    caption = write_names(["cat", "hot dog", "dog"], tokenizer)
    own = positive_map(caption)
    hot, dog = tokenizer.pieces("hot dog")
    assert [i for i, on in zip(caption.ids, own[1], strict=True) if on] == [hot, dog]
    # the second "dog" is another name's, though it reads the same
    assert own[2].sum() == 1
    assert caption.ids[int(own[2].argmax())] == dog
    assert int(own[2].argmax()) > int(own[1].nonzero().max())


def test_markers_and_full_stops_belong_to_nobody(tokenizer):
    caption = write_names(["cat", "dog"], tokenizer)
    stop = tokenizer.pieces(".")[0]
    own = positive_map(caption).sum(dim=0)
    for i, on in zip(caption.ids, own, strict=True):
        assert bool(on) is (i not in {START, END, stop})


def test_a_name_inside_another_word_is_not_found_there(tokenizer):
    pieces = [("a containernumber and a ", False), ("container", True)]
    caption = compose_caption(pieces, tokenizer)
    assert caption.spans == ((24, 33),)
    assert tokens_of(caption, 0) == tokenizer.pieces("container")


def test_soft_shares_add_up_to_one(tokenizer):
    caption = write_names(["hot dog", "kite"], tokenizer)
    soft, binary = positive_map(caption, mode="soft"), positive_map(caption)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(2))
    assert torch.equal(soft > 0, binary > 0)
    assert soft[0].max() == 0.5


def test_another_map_is_refused(tokenizer):
    with pytest.raises(ValueError, match="got 'hard'"):
        positive_map(write_names(["cat"], tokenizer), mode="hard")


@pytest.mark.parametrize("most", [None, 4])
def test_runs_fit_the_context_and_cover_all_names(tokenizer, most):
    names = [f"{kind} {what}" for kind in ("red", "blue", "old") for what in ("kite", "hot dog")]
    runs = cut_names(names, tokenizer, tokens=16, most=most)
    assert [row for run in runs for row in run] == list(range(6))
    for run in runs:
        assert len(run) <= (most or 6)
        assert len(write_names([names[row] for row in run], tokenizer).ids) <= 16
    for first, second in pairwise(runs):  # no run could have been longer
        longer = write_names([names[row] for row in [*first, second[0]]], tokenizer)
        assert len(longer.ids) > 16 or len(first) == most


def test_a_name_too_long_for_any_caption_is_told(tokenizer):
    with pytest.raises(InputError, match="has 4 tokens, 'very long red kite' alone needs 6"):
        cut_names(["cat", "very long red kite"], tokenizer, tokens=4)


def test_a_long_sentence_is_cut_around_its_phrase(tokenizer):
    pieces = [("one two three four ", False), ("red kite", True), (" five six seven", False)]
    caption = crop_caption(compose_caption(pieces, tokenizer), 8)
    assert len(caption.ids) == 8
    assert (caption.ids[0], caption.ids[-1]) == (START, END)
    assert (caption.owners[0], caption.owners[-1]) == (NOBODY, NOBODY)
    assert tokens_of(caption, 0) == tokenizer.pieces("red kite")
    assert list(caption.ids[1:-1]) == tokenizer.pieces("one two three four red kite")


def test_a_phrase_longer_than_the_context_is_told(tokenizer):
    caption = compose_caption([("a ", False), ("very red old kite", True)], tokenizer)
    with pytest.raises(InputError, match="reads 4 tokens, got 6 for 'very red old kite'"):
        crop_caption(caption, 4)
