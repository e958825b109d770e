"""Training-free dense CLIP: whole models against the equations, and the controls of the idea."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.heads import CosinePixelHead
from ovdet.segmentors import PixelAnswers, PixelSegmentor, PixelSettings, PixelViews
from ovdet.structures import IGNORED, Sample, Vocabulary
from ovdet.text import TextClasses, TinyTextTransformer
from ovdet.vision import ClipVit, ClipVitShape, ProxyTower, SelfSelfAttention

NAMES = Vocabulary.of(["cat", "kite", "dog"])
SHAPE = ClipVitShape(patch=8, width=16, layers=2, heads=2, dim=8, grid=4)
READOUTS = {
    "clip": (SelfSelfAttention(("qk",)), ["qk"], 0.0, True),
    "sclip": (SelfSelfAttention(), ["qq", "kk"], 0.0, True),
    "naclip": (
        SelfSelfAttention(("kk",), sigma=5.0, residual=False, ffn=False),
        ["kk"],
        5.0,
        False,
    ),
}


def segmentor(trunk, settings=None, scale=40.0):
    torch.manual_seed(0)
    tower = TinyTextTransformer(dim=8, width=8, layers=1, heads=2, embed_width=4)
    head = CosinePixelHead(scale=scale)
    return PixelSegmentor(trunk=trunk, text=TextClasses(tower), head=head, settings=settings).eval()


def clip(readout):
    torch.manual_seed(0)
    return ClipVit(SHAPE, readout=readout, frozen=True)


@torch.no_grad()
@pytest.mark.parametrize("name", READOUTS)
def test_logits_are_the_papers(name):
    readout, pairs, sigma, finished = READOUTS[name]
    model = segmentor(clip(readout))
    images = torch.rand(1, 3, 16, 24)
    trunk = model.trunk
    x = trunk.before_last(images)[0][0]  # [7, 16], the class token first
    block = trunk.resblocks[-1]
    packed = block.ln_1(x) @ block.attn.in_proj_weight.T + block.attn.in_proj_bias
    parts = dict(zip("qkv", packed.split(16, dim=1), strict=True))
    omega = torch.zeros(7, 7)
    if sigma:
        at = torch.tensor([[p // 3, p % 3] for p in range(6)]).float()
        omega[1:, 1:] = (-(torch.cdist(at, at) ** 2) / (2 * sigma**2)).exp()
    heads = []
    for head in (slice(0, 8), slice(8, 16)):
        attention = sum(
            (parts[a][:, head] @ parts[b][:, head].T / 8**0.5 + omega).softmax(dim=1)
            for a, b in pairs
        )
        heads.append(attention @ parts["v"][:, head])
    read = block.attn.out_proj(torch.cat(heads, dim=1))
    if finished:
        read = x + read
        read = read + block.mlp(block.ln_2(read))
    places = F.normalize(trunk.ln_post(read) @ trunk.proj, dim=1)[1:]
    text = model.text(NAMES)
    expected = (40 * places @ text.classes.T).T.reshape(1, 3, 2, 3)
    torch.testing.assert_close(model.look(images, text), expected, atol=1e-3, rtol=1e-4)


def sample():
    image = F.interpolate(torch.rand(1, 3, 4, 6), (64, 96), mode="bilinear")[0]
    return Sample(image, 1, original_size=(64, 96))


def test_a_wide_neighbourhood_falls_back_to_keys_alone():
    one = sample()
    plain = SelfSelfAttention(("kk",), residual=False, ffn=False)
    wide = SelfSelfAttention(("kk",), sigma=1e4, residual=False, ffn=False)
    # Without the class token, which is the only one that is never near.
    logits = [segmentor(clip(r)).trunk(one.image[None])[-1] for r in (plain, wide)]
    assert (logits[0] - logits[1]).abs().max() < 0.2
    near = SelfSelfAttention(("kk",), sigma=0.3, residual=False, ffn=False)
    far = segmentor(clip(near)).trunk(one.image[None])[-1]
    assert (logits[0] - logits[1]).norm() < (logits[0] - far).norm()


def test_what_is_unsure_has_no_class_and_nothing_is_at_zero():
    found = {}
    for least in (0.0, 0.4, 1.0):
        settings = PixelSettings(answers=PixelAnswers(reject=least))
        found[least] = segmentor(clip(READOUTS["naclip"][0]), settings).segment([sample()], NAMES)[
            0
        ]
    shares = [(labels == IGNORED).float().mean() for labels in found.values()]
    assert shares[0] == 0
    assert shares[2] == 1
    assert shares == sorted(shares)


def test_a_proxy_sees_in_windows_and_learns_nothing():
    class Colours(nn.Module):
        def forward(self, images):
            return [F.avg_pool2d(images - 0.5, 4)]

    settings = PixelSettings(views=PixelViews(window=32, step=16, flip=True))
    model = segmentor(ProxyTower(clip(None), Colours()), settings)
    found = model.segment([sample()], NAMES)[0]
    assert found.shape == (64, 96)
    assert not any(p.requires_grad for p in model.parameters())


def test_state_goes_round_and_the_vocabulary_swaps():
    first, second = segmentor(clip(None)), segmentor(clip(None))
    second.trunk.proj.data.add_(1)
    second.load_state_dict(first.state_dict())
    one = sample()
    assert torch.equal(first.segment([one], NAMES)[0], second.segment([one], NAMES)[0])
    assert (second.segment([one], Vocabulary.of(["zebra"]))[0] == 0).all()
    assert second.segment([], NAMES) == []


def test_half_precision_stays_near():
    model, one = segmentor(clip(READOUTS["sclip"][0])), sample()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model.look(one.image[None], model.text(NAMES))
    assert torch.isfinite(logits).all()
