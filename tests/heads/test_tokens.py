import math

import pytest
import torch

from ovdet.heads import TokenDotHead, own_tokens, token_owners
from ovdet.ops import decode_deltas
from ovdet.structures import Text
from ovdet.vision import LevelConv

IMAGES = torch.zeros(2, 3, 32, 48)


def head(**options):
    torch.manual_seed(0)
    made = TokenDotHead(6, 5, (12, 24), **options).eval()
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return made


def levels():
    torch.manual_seed(1)
    return [torch.randn(2, 6, 4, 6), torch.randn(2, 6, 2, 3)]


def text(asked=None, own=True):
    torch.manual_seed(2)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=torch.bool)
    mine = torch.tensor([[0, 1, 1, 0], [0, 1, 0, 0]], dtype=torch.bool)
    tokens = torch.randn(2, 4, 5)
    return Text(torch.randn(2, 5), tokens, mask, own=mine if own else None, asked=asked)


def by_hand(part, x, e):
    """Card of GLIP: x [P, c] is not normalised, e [N, D] is."""
    e = e / e.norm(dim=1, keepdim=True)
    w = (e / 2) @ part.project.weight.T + part.project.bias
    return x @ w.T / math.exp(part.log_scale.item()) + e @ part.token_shift + part.shift


def places_of(given):
    return torch.cat([v.flatten(2) for v in given], dim=2).transpose(1, 2)


def test_logits_by_hand():
    part, given, words = head(), levels(), text()
    found = part(given, words, IMAGES)
    own = torch.stack([words.tokens[0, 1], words.tokens[0, 2], words.tokens[1, 1]])
    wanted = torch.stack([by_hand(part, x, own) for x in places_of(given)])
    torch.testing.assert_close(found.logits, wanted, atol=1e-5, rtol=1e-5)
    assert token_owners(words).tolist() == [0, 0, 1]


def test_behind_a_fusion_each_image_has_tokens_of_its_own():
    part, given, words = head(), levels(), text()
    tokens = torch.randn(2, 2, 4, 5)
    found = part(given, words.with_tokens(tokens), IMAGES)
    for image, x in enumerate(places_of(given)):
        own = torch.stack([tokens[image, 0, 1], tokens[image, 0, 2], tokens[image, 1, 1]])
        torch.testing.assert_close(found.logits[image], by_hand(part, x, own), atol=1e-5, rtol=1e-5)


def test_boxes_and_centerness_by_hand():
    part, given = head(), levels()
    found = part(given, text(), IMAGES)
    assert found.places.shape == (30, 4)
    # the second cell of the fine level's second row: centre (12, 12), side 12
    assert found.places[7].tolist() == [6, 6, 18, 18]
    # the last cell of the coarse level: centre (40, 24), side 24
    assert found.places[-1].tolist() == [28, 12, 52, 36]
    deltas = part.deltas(given[1])[1, :, 1, 2] * part.level_scales[1]
    wanted = decode_deltas(found.places[-1:], deltas[None], (10.0, 10.0, 5.0, 5.0))
    torch.testing.assert_close(found.boxes[1, -1:], wanted)
    torch.testing.assert_close(found.quality[0, 7], part.centre(given[0])[0, 0, 1, 1])


@pytest.mark.parametrize(("pool", "join"), [("mean", torch.mean), ("max", torch.amax)])
def test_a_class_is_the_mean_or_the_best_of_its_tokens(pool, join):
    part = head(pool=pool)
    logits = torch.randn(1, 2, 3)
    scores = part.scores(logits, text())
    p = logits.sigmoid()
    wanted = torch.stack([join(p[..., :2], dim=2), p[..., 2]], dim=2)
    torch.testing.assert_close(scores, wanted)


def test_what_an_image_is_not_asked_for_scores_nothing():
    asked = torch.tensor([[True, False], [True, True]])
    scores = head().scores(torch.zeros(2, 4, 3), text(asked))
    assert (scores[0, :, 1] == 0).all()
    assert (scores[0, :, 0] == 0.5).all()
    assert (scores[1] == 0.5).all()


def test_classes_without_tokens_count_as_one_each():
    classes = torch.randn(4, 5)
    part, given = head(), levels()
    found = part(given, Text(classes), IMAGES)
    wanted = by_hand(part, places_of(given)[0], classes)
    torch.testing.assert_close(found.logits[0], wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(part.scores(found.logits, Text(classes)), found.logits.sigmoid())


def test_without_own_all_real_tokens_are():
    words = text(own=False)
    assert len(own_tokens(words)) == 7
    assert token_owners(words).tolist() == [0] * 4 + [1] * 3


def test_other_words_for_the_same_places():
    part, given, words = head(), levels(), text()
    found = part(given, Text(torch.randn(3, 5)), IMAGES)
    torch.testing.assert_close(part.compare(found, words), part(given, words, IMAGES).logits)


def test_the_tower_comes_first():
    part = head(tower=[LevelConv(6, groups=2)])
    bare = head()
    bare.load_state_dict({k: v for k, v in part.state_dict().items() if "tower" not in k})
    mine = part(levels(), text(), IMAGES)
    wanted = bare(part.tower[0](levels()), text(), IMAGES)
    torch.testing.assert_close(mine.logits, wanted.logits)


def test_nothing_is_likely_before_anything_is_learnt():
    part = TokenDotHead(6, 5, (12, 24))
    torch.nn.init.zeros_(part.project.weight)
    torch.nn.init.zeros_(part.project.bias)
    scores = part.scores(part(levels(), text(), IMAGES).logits, text())
    torch.testing.assert_close(scores, torch.full_like(scores, 0.01))


def test_sizes_tell_levels_apart():
    with pytest.raises(ValueError, match=r"must differ .* got \[12, 12\]"):
        TokenDotHead(6, 5, (12, 12))
    with pytest.raises(ValueError, match="got 'sum'"):
        head(pool="sum")
    with pytest.raises(ValueError, match="has 2 sizes, got 1 levels"):
        head()(levels()[:1], text(), IMAGES)
