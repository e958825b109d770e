import pytest
import torch

from ovdet.heads import DeformablePixels, PixelTrunk, PyramidPixels


def levels(widths=(4, 8, 12, 16), side=32):
    torch.manual_seed(0)
    return [torch.randn(2, c, side >> i, (side >> i) + 4 // 2**i) for i, c in enumerate(widths)]


def test_pyramid_as_transformers():
    from transformers.models.maskformer.modeling_maskformer import MaskFormerPixelDecoder

    theirs = MaskFormerPixelDecoder(
        in_features=16, lateral_widths=[4, 8, 12], feature_size=32, mask_feature_size=32
    )
    own = PyramidPixels((4, 8, 12, 16), width=32)
    copy_pyramid(own, theirs)
    given = levels()
    found = own(given)
    torch.testing.assert_close(found.pixels, theirs(given).last_hidden_state, atol=1e-5, rtol=1e-5)
    assert found.levels[0] is given[-1]


def copy_pyramid(own, theirs):
    state = theirs.state_dict()
    renamed = {}
    for key, value in state.items():
        part = key.removeprefix("fpn.")
        if part.startswith("stem."):
            renamed["stem.0." + part.removeprefix("stem.")] = value
        elif part.startswith("layers."):
            _, number, kind, *rest = part.split(".")
            place = len(own.bring) - 1 - int(number)  # theirs begins with the coarsest
            name = f"bring.{place}." if kind == "proj" else f"mix.{place}.0."
            renamed[name + ".".join(rest)] = value
        else:
            renamed[part.replace("mask_projection", "project")] = value
    own.load_state_dict(renamed)


def test_attention_needs_a_finer_level():
    with pytest.raises(ValueError, match="levels must be 1 to 1 of the trunk's, got 2"):
        DeformablePixels((8, 16), 16, levels=2)


def test_levels_come_out_finest_first():
    own = DeformablePixels((4, 8, 12, 16), 16, layers=1, heads=2, points=2, hidden=16)
    given = levels()
    found = own(given)
    assert found.pixels.shape == (2, 16, *given[0].shape[-2:])
    assert [one.shape[-2:] for one in found.levels] == [one.shape[-2:] for one in given[1:]]


def test_a_trunk_of_pixels():
    class Trunk(torch.nn.Module):
        def forward(self, images):
            return [images, images[:, :, ::2, ::2]]

    trunk = PixelTrunk(Trunk(), PyramidPixels((3, 3), width=8))
    (level,) = trunk(torch.rand(1, 3, 8, 8))
    assert level.shape == (1, 8, 8, 8)
