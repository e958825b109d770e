import pytest
import torch

from ovdet.heads import DeformablePixels, MaskedMaskDecoder, MaskProposals, PlainMaskDecoder
from ovdet.heads.mask_decoders import CrossAttention
from ovdet.heads.mask_features import MaskFeatures

WIDTHS = (4, 8, 16, 32)


def features(width=16, inputs=8):
    torch.manual_seed(0)
    maps = [torch.randn(2, inputs, 8 >> i, 8 >> i) for i in range(3)]
    return MaskFeatures(torch.randn(2, width, 16, 16), maps)


def mask2former():
    from transformers import Mask2FormerConfig, Mask2FormerModel, ResNetConfig

    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=ResNetConfig(
            embedding_size=4,
            hidden_sizes=list(WIDTHS),
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=24,
        encoder_layers=2,
        decoder_layers=5,  # of which theirs leaves one out
        dim_feedforward=40,
        num_attention_heads=4,
        num_queries=7,
    )
    model = Mask2FormerModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # theirs starts some at zero, which would hide errors
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def ours():
    return MaskProposals(
        DeformablePixels(WIDTHS, 32, layers=2, heads=4, points=4, hidden=24),
        MaskedMaskDecoder(32, 32, count=7, layers=4, heads=4, hidden=40),
    )


def turned(value, heads=4, points=4, last=2):
    """Theirs has the coarsest level first among what is read, ours the finest."""
    return value.unflatten(0, (heads, 3, points, last)).flip(1).flatten(0, 3)


def copy_mask2former(own, theirs):
    module = theirs.transformer_module
    state = pixel_decoder(theirs.pixel_level_module.decoder)
    state["decoder.level_address"] = module.level_embed.weight.flip(0)
    state["decoder.content"] = module.queries_features.weight
    state["decoder.place"] = module.queries_embedder.weight
    for number, layer in enumerate(module.decoder.layers):
        state |= decoder_layer(layer, f"decoder.layers.{number}.")
    state |= {f"decoder.norm.{k}": v for k, v in module.decoder.layernorm.state_dict().items()}
    drawn = module.decoder.mask_predictor.mask_embedder.state_dict()
    for number, name in enumerate(("inner.0", "inner.2", "last")):
        for kind in ("weight", "bias"):
            state[f"decoder.draw.{name}.{kind}"] = drawn[f"{number}.0.{kind}"]
    own.load_state_dict(state)


def pixel_decoder(theirs):
    state = {"pixels.level_address": theirs.level_embed.flip(0)}
    parts = [
        *((f"bring_coarse.{i}", theirs.input_projections[2 - i]) for i in range(3)),
        ("bring.0", theirs.adapter_1),
        ("mix.0.0", theirs.layer_1),
        ("project", theirs.mask_projection),
    ]
    for name, part in parts:
        state |= {f"pixels.{name}.{key}": value for key, value in part.state_dict().items()}
    for number, layer in enumerate(theirs.encoder.layers):
        state |= encoder_layer(layer, f"pixels.layers.{number}.")
    return state


def encoder_layer(layer, start):
    names = {
        "self_attn.value_proj": "attend.values",
        "self_attn.output_proj": "attend.project",
        "self_attn.sampling_offsets": "attend.offsets",
        "self_attn.attention_weights": "attend.weights",
        "self_attn_layer_norm": "norm",
        "fc1": "forward_part.layers.0",
        "fc2": "forward_part.layers.2",
        "final_layer_norm": "forward_part.norm",
    }
    state = {}
    for key, value in layer.state_dict().items():
        part, kind = key.rsplit(".", 1)
        coordinates = {"self_attn.sampling_offsets": 2, "self_attn.attention_weights": 1}
        kept = turned(value, last=coordinates[part]) if part in coordinates else value
        state[f"{start}{names[part]}.{kind}"] = kept
    return state


def decoder_layer(layer, start):
    state = {}
    for kind in ("weight", "bias"):
        one = {k: getattr(getattr(layer.self_attn, f"{k}_proj"), kind) for k in ("q", "k", "v")}
        state[f"{start}among.compare.{kind}"] = torch.cat([one["q"], one["k"]])
        state[f"{start}among.values.{kind}"] = one["v"]
        state[f"{start}among.project.{kind}"] = getattr(layer.self_attn.out_proj, kind)
        crossed = getattr(layer.cross_attn, f"in_proj_{kind}").chunk(3)
        for name, value in zip(("ask", "answer", "values"), crossed, strict=True):
            state[f"{start}attend.{name}.{kind}"] = value
        state[f"{start}attend.project.{kind}"] = getattr(layer.cross_attn.out_proj, kind)
        for name, part in (
            ("among_norm", layer.self_attn_layer_norm),
            ("norm", layer.cross_attn_layer_norm),
            ("forward_part.norm", layer.final_layer_norm),
            ("forward_part.layers.0", layer.fc1),
            ("forward_part.layers.2", layer.fc2),
        ):
            state[f"{start}{name}.{kind}"] = getattr(part, kind)
    return state


@torch.no_grad()
def test_masks_as_transformers():
    theirs, own = mask2former(), ours()
    copy_mask2former(own, theirs)
    images = torch.randn(2, 3, 64, 96)
    expected = theirs(images, output_hidden_states=True)
    levels = theirs.pixel_level_module.encoder(images).feature_maps
    said = own.train()(list(levels))  # nothing of ours drops out
    assert len(said) == len(expected.masks_queries_logits) == 5
    for mine, masks, vectors in zip(
        said,
        expected.masks_queries_logits,
        expected.transformer_decoder_intermediate_states,
        strict=True,
    ):
        torch.testing.assert_close(mine.logits, masks, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(mine.vectors, vectors.transpose(0, 1), atol=1e-4, rtol=1e-3)
    last = own.eval()(list(levels))
    assert len(last) == 1
    torch.testing.assert_close(last[0].logits, said[-1].logits)


@torch.no_grad()
def test_plain_decoder_as_transformers():
    from transformers.models.maskformer.configuration_maskformer import MaskFormerConfig
    from transformers.models.maskformer.modeling_maskformer import (
        MaskformerMLPPredictionHead,
        MaskFormerTransformerModule,
    )

    torch.manual_seed(0)
    config = MaskFormerConfig(
        decoder_config={
            "model_type": "detr",
            "d_model": 16,
            "decoder_layers": 2,
            "decoder_attention_heads": 4,
            "decoder_ffn_dim": 24,
            "num_queries": 5,
            "encoder_layers": 0,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 24,
        }
    )
    theirs = MaskFormerTransformerModule(in_features=8, config=config).eval()
    head = MaskformerMLPPredictionHead(16, 16, 16)
    own = PlainMaskDecoder(8, 16, count=5, layers=2, heads=4, hidden=24).eval()
    state = {f"bring.{k}": v for k, v in theirs.input_projection.state_dict().items()}
    state["place"] = theirs.queries_embedder.weight
    for number, layer in enumerate(theirs.decoder.layers):
        state |= plain_layer(layer, f"layers.{number}.")
    state |= {f"norm.{k}": v for k, v in theirs.decoder.layernorm.state_dict().items()}
    for number, name in enumerate(("inner.0", "inner.2", "last")):
        for kind in ("weight", "bias"):
            state[f"draw.{name}.{kind}"] = head.state_dict()[f"{number}.0.{kind}"]
    own.load_state_dict(state)
    given = features()
    vectors = theirs(given.levels[-1]).last_hidden_state
    (found,) = own(given)
    torch.testing.assert_close(found.vectors, vectors, atol=1e-4, rtol=1e-4)
    masks = torch.einsum("bqc,bchw->bqhw", head(vectors), given.pixels)
    torch.testing.assert_close(found.logits, masks, atol=1e-4, rtol=1e-4)


def plain_layer(layer, start):
    state = {}
    for kind in ("weight", "bias"):
        own, cross = layer.self_attn, layer.encoder_attn
        compare = torch.cat([getattr(own.q_proj, kind), getattr(own.k_proj, kind)])
        state[f"{start}among.compare.{kind}"] = compare
        for name, part in (
            ("among.values", own.v_proj),
            ("among.project", own.o_proj),
            ("attend.ask", cross.q_proj),
            ("attend.answer", cross.k_proj),
            ("attend.values", cross.v_proj),
            ("attend.project", cross.o_proj),
            ("among_norm", layer.self_attn_layer_norm),
            ("norm", layer.encoder_attn_layer_norm),
            ("forward_part.norm", layer.final_layer_norm),
            ("forward_part.layers.0", layer.mlp.fc1),
            ("forward_part.layers.2", layer.mlp.fc2),
        ):
            state[f"{start}{name}.{kind}"] = getattr(part, kind)
    return state


def test_hidden_cells_are_not_seen():
    torch.manual_seed(0)
    attend = CrossAttention(8, 2)
    asked, cells = torch.randn(1, 3, 8), torch.randn(1, 6, 8)
    hidden = torch.zeros(1, 3, 6, dtype=torch.bool)
    hidden[:, 1, 2:] = True
    found = attend(asked, cells, cells, hidden)
    torch.testing.assert_close(found[:, 1], attend(asked, cells[:, :2], cells[:, :2])[:, 1])
    torch.testing.assert_close(found[:, 0], attend(asked, cells, cells)[:, 0])


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide width, got 3 heads for width 8"):
        CrossAttention(8, 3)


@pytest.mark.parametrize("decoder", [PlainMaskDecoder, MaskedMaskDecoder])
def test_every_layer_speaks_while_training(decoder):
    own = decoder(8, 16, count=5, layers=3, heads=2, hidden=16)
    said = own.train()(features())
    assert len(said) == (3 if decoder is PlainMaskDecoder else 4)
    assert {tuple(one.logits.shape) for one in said} == {(2, 5, 16, 16)}
    sum(one.logits.square().sum() + one.vectors.square().sum() for one in said).backward()
    assert not [name for name, p in own.named_parameters() if p.grad is None]
    assert len(own.eval()(features())) == 1


@pytest.mark.parametrize("decoder", [PlainMaskDecoder, MaskedMaskDecoder])
def test_a_bfloat16_pass_is_finite(decoder):
    own = decoder(8, 16, count=5, layers=2, heads=2, hidden=16)
    with torch.autocast("cpu", torch.bfloat16):
        said = own(features())
    assert all(torch.isfinite(one.logits.float()).all() for one in said)
