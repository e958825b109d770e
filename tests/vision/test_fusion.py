import math

import pytest
import torch
from torch import nn

from ovdet.structures import Text
from ovdet.text import TokenLayer
from ovdet.vision import BiAttention, BiFusion, DeepFusion, FusionBlock, LevelConv


def linear(layer, x):
    return x @ layer.weight.T + layer.bias


def by_hand(part, places, tokens, mask):
    """Card of GLIP, head by head and image by image."""
    width = part.image_query.out_features
    each = width // part.heads
    out_places, out_tokens = torch.zeros_like(places), torch.zeros_like(tokens)
    for b in range(len(places)):
        v, t = places[b], tokens[b]
        q, k = linear(part.image_query, v), linear(part.text_key, t)
        vv, vt = linear(part.image_value, v), linear(part.text_value, t)
        from_text, from_image = [], []
        for a in range(part.heads):
            own = slice(a * each, (a + 1) * each)
            logits = q[:, own] @ k[:, own].T / math.sqrt(each)
            logits = logits - logits.max()
            real = logits.exp() * mask[b]
            from_text.append(real / real.sum(dim=1, keepdim=True) @ vt[:, own])
            turned = (logits.T - logits.T.max(dim=1, keepdim=True).values).exp()
            from_image.append(turned / turned.sum(dim=1, keepdim=True) @ vv[:, own])
        out_places[b] = linear(part.image_out, torch.cat(from_text, dim=1))
        out_tokens[b] = linear(part.text_out, torch.cat(from_image, dim=1))
    return out_places, out_tokens


def sides(places=7, tokens=5, image_dim=12, text_dim=10):
    torch.manual_seed(0)
    mask = torch.ones(2, tokens, dtype=torch.bool)
    mask[1, 3:] = False
    return torch.randn(2, places, image_dim), torch.randn(2, tokens, text_dim), mask


def test_attention_in_both_directions_by_hand():
    places, tokens, mask = sides()
    part = BiAttention(12, 10, width=16, heads=4).eval()
    for mine, wanted in zip(
        part(places, tokens, mask), by_hand(part, places, tokens, mask), strict=True
    ):
        torch.testing.assert_close(mine, wanted, atol=1e-6, rtol=1e-5)


def test_as_transformers_with_the_same_weights():
    from transformers import GroundingDinoConfig
    from transformers.models.grounding_dino import modeling_grounding_dino as theirs

    config = GroundingDinoConfig(
        d_model=16, encoder_ffn_dim=64, encoder_attention_heads=8, fusion_dropout=0.1
    )
    other = theirs.GroundingDinoBiMultiHeadAttention(config).eval()
    part = BiAttention(16, 16, width=32, heads=4).eval()
    pairs = {
        "vision_proj": part.image_query,
        "text_proj": part.text_key,
        "values_vision_proj": part.image_value,
        "values_text_proj": part.text_value,
        "out_vision_proj": part.image_out,
        "out_text_proj": part.text_out,
    }
    for name, layer in pairs.items():
        nn.init.normal_(layer.bias)
        getattr(other, name).load_state_dict(layer.state_dict())
    places, tokens, mask = sides(image_dim=16, text_dim=16)
    (to_places, _), (to_tokens, _) = other(places, tokens, text_attention_mask=~mask)
    mine = part(places, tokens, mask)
    torch.testing.assert_close(mine[0], to_places, atol=1e-5, rtol=0)
    torch.testing.assert_close(mine[1], to_tokens, atol=1e-5, rtol=0)


def test_masked_tokens_tell_the_image_nothing():
    places, tokens, mask = sides()
    part = BiAttention(12, 10, width=16, heads=4).eval()
    before = part(places, tokens, mask)[0]
    tokens[1, 3:] += 5
    torch.testing.assert_close(part(places, tokens, mask)[0], before)


def test_an_image_without_a_token_takes_nothing():
    places, tokens, mask = sides()
    mask[1] = False
    part = BiAttention(12, 10, width=16, heads=4).eval()
    taken = part(places, tokens, mask)[0]
    torch.testing.assert_close(taken[1], part.image_out.bias.expand_as(taken[1]))


def test_huge_logits_stay_finite():
    places, tokens, mask = sides()
    for one in BiAttention(12, 10, width=16, heads=4).eval()(places * 1e4, tokens * 1e4, mask):
        assert torch.isfinite(one).all()


def test_half_precision_gives_no_nan():
    places, tokens, mask = sides()
    part = BiAttention(12, 10, width=16, heads=4)
    with torch.autocast("cpu", torch.bfloat16):
        taken = part(places, tokens, mask)
    sum(one.float().sum() for one in taken).backward()
    assert all(torch.isfinite(p.grad).all() for p in part.parameters())


def test_dropout_is_for_training_alone():
    places, tokens, mask = sides()
    part = BiAttention(12, 10, width=16, heads=4, dropout=0.5)
    assert not torch.equal(part(places, tokens, mask)[0], part(places, tokens, mask)[0])
    part.eval()
    assert torch.equal(part(places, tokens, mask)[0], part(places, tokens, mask)[0])


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="got 3 heads for width 16"):
        BiAttention(12, 10, width=16, heads=3)


def test_the_residual_runs_from_the_normalised_vectors():
    places, tokens, mask = sides()
    attention = BiAttention(12, 10, width=16, heads=4).eval()
    part = BiFusion(attention, 12, 10, scale=0.25)
    v = nn.functional.layer_norm(places, (12,))
    t = nn.functional.layer_norm(tokens, (10,))
    to_places, to_tokens = by_hand(attention, v, t, mask)
    mine = part(places, tokens, mask)
    torch.testing.assert_close(mine[0], v + 0.25 * to_places, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mine[1], t + 0.25 * to_tokens, atol=1e-5, rtol=1e-5)


def deep(*, meet=False, blocks=2):
    torch.manual_seed(1)
    made = [
        FusionBlock(
            BiFusion(BiAttention(8, 12, width=16, heads=2), 8, 12, scale=0.5),
            TokenLayer(12, heads=2),
            LevelConv(8, groups=2),
        )
        for _ in range(blocks)
    ]
    return DeepFusion(made, meet=meet).eval()


def levels(images=2):
    torch.manual_seed(2)
    return [torch.randn(images, 8, 4, 4), torch.randn(images, 8, 2, 2)]


def text(asked=None):
    torch.manual_seed(3)
    mask = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]], dtype=torch.bool)
    tokens = torch.randn(3, 3, 12) * mask[..., None]
    return Text(torch.randn(3, 12), tokens, mask, asked=asked)


def test_levels_keep_their_shapes_and_tokens_become_each_images_own():
    before = levels()
    after, fused = deep()(before, text())
    assert [level.shape for level in after] == [level.shape for level in before]
    assert fused.tokens.shape == (2, 3, 3, 12)
    assert (fused.tokens[:, 1, 1:] == 0).all()
    assert not torch.allclose(fused.tokens[0], fused.tokens[1])


def test_an_image_sees_only_what_it_is_asked_for():
    asked = torch.tensor([[True, False, True], [False, True, False]])
    both, fused = deep()(levels(), text(asked))
    alone_text = text().rows(torch.tensor([0, 2]))
    alone, own = deep()([level[:1] for level in levels()], alone_text)
    for mine, wanted in zip(both, alone, strict=True):
        torch.testing.assert_close(mine[:1], wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fused.tokens[0, [0, 2]], own.tokens[0], atol=1e-5, rtol=1e-5)
    assert (fused.tokens[0, 1] == 0).all()


def test_with_a_fusion_scores_depend_on_the_other_names():
    whole = deep()(levels(), text())[1].tokens[:, :1]
    alone = deep()(levels(), text().rows(torch.tensor([0])))[1].tokens
    assert not torch.allclose(whole, alone, atol=1e-4)


@pytest.mark.parametrize("meet", [True, False])
def test_names_meet_in_the_text_layers_only_where_they_may(meet):
    """In one block names meet in text layers alone: what an image gives a token is its own."""
    part = deep(meet=meet, blocks=1)
    whole = part(levels(), text())[1].tokens[:, :1]
    alone = part(levels(), text().rows(torch.tensor([0])))[1].tokens
    assert torch.allclose(whole, alone, atol=1e-5) is not meet


def test_gradients_reach_every_part():
    part = deep().train()
    after, fused = part(levels(), text())
    (sum(level.square().sum() for level in after) + fused.tokens.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_nobody_asked_for_anything():
    asked = torch.zeros(2, 3, dtype=torch.bool)
    after, fused = deep()(levels(), text(asked))
    assert all(torch.isfinite(level).all() for level in after)
    assert (fused.tokens == 0).all()


def test_classes_alone_cannot_be_fused():
    with pytest.raises(ValueError, match="keeps its tokens"):
        deep()(levels(), Text(torch.randn(2, 12)))


def test_the_convolution_is_the_same_on_every_level():
    part = LevelConv(8, groups=2)
    one, other = levels()
    both = part([one, other])
    torch.testing.assert_close(both[1], part([other])[0])
    normed = nn.functional.group_norm(
        nn.functional.conv2d(one, part.conv.weight, padding=1), 2, part.norm.weight, part.norm.bias
    )
    torch.testing.assert_close(both[0], one + normed.clamp(min=0))
