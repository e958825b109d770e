"""LSeg: equations by hand, names in another order, what learns and what does not."""

import torch
import torch.nn.functional as F
from contracts import ASKED, LEARNT, ROOT, build_tiny, sample

from ovdet.heads import CosinePixelHead, SmoothedPixelHead
from ovdet.losses import PixelCrossEntropy
from ovdet.segmentors import PixelSegmentor
from ovdet.structures import IGNORED, Vocabulary
from ovdet.text import TextClasses, TinyTextTransformer
from ovdet.vision import DptTrunk, Reassemble, SmallTrunk, SmallVit, VitTaps


def segmentor(*, vit=False, smooth=False):
    torch.manual_seed(0)
    if vit:
        tower = SmallVit(dim=6, width=16, layers=3, heads=2, stem=(4, 4), grid=4)
        pyramid = Reassemble(VitTaps(tower, (0, 1, 2)), (8, 8, 8), (2, 1, 0.5))
    else:
        pyramid = SmallTrunk((4, 6, 8))
    encoder = TinyTextTransformer(dim=6, width=16, layers=1, embed_width=8)
    head = CosinePixelHead(scale=1 / 0.07, project=(8, 6))
    return PixelSegmentor(
        trunk=DptTrunk(pyramid, width=8),
        text=TextClasses(encoder, "none"),
        head=SmoothedPixelHead(head) if smooth else head,
        criterion=PixelCrossEntropy(),
    )


def samples():
    made = [sample(None, 0), sample(None, 1)]
    for index, one in enumerate(made):
        one.semantic = torch.full((64, 64), IGNORED)
        one.semantic[:20], one.semantic[20:30], one.semantic[30:40] = 0, 1 - index, 2
    return made


def test_the_loss_by_hand():
    model = segmentor()
    batch = samples()
    found = model.loss(batch, LEARNT)["loss_pixel"]
    images = torch.stack([one.image for one in batch])
    (level,) = model.trunk(images)
    pixels = F.conv2d(level, model.head.project.weight, model.head.project.bias)
    pixels = pixels / pixels.norm(dim=1, keepdim=True)
    text = model.text.encoder.encode(["cat", "red car"])
    logits = torch.einsum("bdhw,cd->bchw", pixels, text) / 0.07
    logits = F.interpolate(logits, (64, 64), mode="bilinear")
    labels = torch.stack([one.semantic for one in batch])
    log = logits.log_softmax(dim=1)
    terms = [-log[b, labels[b, y, x], y, x] for b in range(2) for y in range(30) for x in range(64)]
    torch.testing.assert_close(found, torch.stack(terms).mean(), atol=1e-4, rtol=1e-4)


def test_gradients_reach_all_but_the_text():
    for vit in (False, True):
        model = segmentor(vit=vit, smooth=True)
        model.loss(samples(), LEARNT)["loss_pixel"].backward()
        for name, parameter in model.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
        assert {n.split(".")[0] for n, p in model.named_parameters() if not p.requires_grad} == (
            {"text", "trunk"} if vit else {"text"}
        )
        assert model.trunk.steps[0].project.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_names_in_another_order_give_the_same_picture():
    model = segmentor(smooth=True).eval()
    for norm in model.modules():  # an untrained trunk sees the same everywhere
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.weight.normal_()
            norm.bias.normal_()
    image = samples()[:1]
    order = [3, 1, 4, 0, 2]
    turned = Vocabulary.of([ASKED.names[i] for i in order])
    first, second = model.segment(image, ASKED)[0], model.segment(image, turned)[0]
    assert torch.equal(torch.tensor(order)[second], first)
    assert len(first.unique()) > 1


def test_bfloat16_step():
    model = segmentor(smooth=True)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(samples(), LEARNT)["loss_pixel"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_of_two_names_with_one_row_the_closed_set_says_the_seen_one():
    """Wherever it stands: else the baseline would read some pairs one way, some the other."""
    model = build_tiny(ROOT / "configs/methods/lseg/lseg_rows_tiny_stickers.py").model.eval()
    image = samples()[:1]
    for order, seen in (([2, 0, 1], {1, 2}), ([0, 1, 2], {0, 1})):
        names = LEARNT.pick(order)
        rows = model.text(names).classes
        assert any(torch.equal(rows[order.index(2)], rows[order.index(i)]) for i in (0, 1))
        assert set(model.segment(image, names)[0].unique().tolist()) <= seen
