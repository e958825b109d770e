"""ZegFormer: its equations on the tiny config, written out."""

import copy

import pytest
import torch
import torch.nn.functional as F
from contracts import ASKED, LEARNT, ROOT, build_tiny
from torch import nn

from ovdet.ops import crop_regions
from ovdet.structures import IGNORED, Regions, Text

CONFIG = ROOT / "configs/methods/zegformer/zegformer_tiny_stickers.py"
SCALE = 28.0


@pytest.fixture(scope="module")
def case():
    return build_tiny(CONFIG)


class Words(nn.Module):
    """Text whose names differ more than those of an untrained tower."""

    def forward(self, vocabulary):
        generator = torch.Generator().manual_seed(3)
        rows = torch.randn(len(vocabulary), 128, generator=generator)
        return Text(F.normalize(rows, dim=1))

    def encode_words(self, words):
        return self(words).classes


def lively(case):
    """Weights whose queries and names differ, so that a wrong equation shows."""
    model = copy.deepcopy(case.model).eval()
    model.text = Words()
    torch.manual_seed(1)
    with torch.no_grad():
        model.masks.decoder.place.mul_(4)
        for part in (model.masks.decoder.draw.last, model.branches[0].embedder.project):
            part.weight.copy_(torch.randn_like(part.weight) / 4)
    return model


def crops_of(model, images, masks):
    """Fill with grey, cut to the tight box, stretch to 64 px, ask the encoder."""
    drawn = F.interpolate(masks[:, None], images.shape[-2:], mode="bilinear", align_corners=False)
    found = []
    for mask in drawn[:, 0] > 0.5:
        picture = torch.where(mask, images, torch.tensor(0.5))
        rows, columns = mask.nonzero().unbind(dim=1)
        box = [0, 0, images.shape[-1], images.shape[-2]]
        if len(rows):
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        region = Regions(torch.tensor([box], dtype=torch.float32), torch.zeros(1).long())
        found.append(crop_regions(picture, region, 64))
    return model.branches[1].embedder.encoder(torch.cat(found))


@torch.no_grad()
def test_answers_are_those_of_the_equations(case):
    model = lively(case)
    samples = case.samples[:1]
    (labels,) = model.segment(samples, LEARNT)
    flow = model.begin(samples, LEARNT)
    text, queries = flow.text.classes, flow.masks[-1]
    x = F.normalize(model.branches[0].embedder.project(queries.vectors[0]), dim=1)
    void = SCALE * x @ model.branches[0].classifier.background_vector[0]  # its length counts
    both = torch.cat([SCALE * x @ text.T, void[:, None]], dim=1)
    p_mask = both.softmax(dim=1)[:, :3]
    seen_by_clip = crops_of(model, flow.images, queries.logits[0].sigmoid())
    clip = torch.cat([SCALE * seen_by_clip @ text.T, void[:, None]], dim=1)
    p_clip = clip.softmax(dim=1)[:, :3]
    p_clip[:, :2] = p_clip[:, :2].mean(dim=1, keepdim=True)  # cat and red car are seen, dog is not
    scores = torch.cat(
        [
            p_mask[:, :2] ** (2 / 3) * p_clip[:, :2] ** (1 / 3),
            p_mask[:, 2:] ** (1 / 3) * p_clip[:, 2:] ** (2 / 3),
        ],
        dim=1,
    )
    masks = F.interpolate(queries.logits, (64, 64), mode="bilinear", align_corners=False)[0]
    sums = torch.einsum("qc,qhw->chw", scores, masks.sigmoid())
    sums[:2] -= 0.1
    assert torch.equal(labels, sums.argmax(dim=0))
    assert len(labels.unique()) > 1, "one label everywhere would hide a wrong equation"


def test_losses_are_those_of_the_equations(case):
    model = copy.deepcopy(case.model)
    sample = copy.deepcopy(case.samples[0])
    sample.semantic = torch.full((64, 64), IGNORED)
    sample.semantic[:32] = 1  # one mask: red car
    sample.semantic[40:, :20] = 2  # a dog, unseen: no mask
    model.train()
    torch.manual_seed(0)
    losses = model([sample])
    flow = model.begin([sample], LEARNT.pick([0, 1]))
    for index, layer in enumerate(flow.masks):
        x = F.normalize(model.branches[0].embedder.project(layer.vectors[0]), dim=1)
        rows = torch.cat([flow.text.classes, model.branches[0].classifier.background_vector])
        logits = SCALE * x @ rows.T
        small = (layer.logits[0].detach().sigmoid(), F.max_pool2d(target()[None], 4)[0])
        cost = -logits.softmax(dim=1)[:, 1] + 20 * focal(*small) + dice(*small)
        query = int(cost.argmin())
        wanted = torch.full((len(logits),), 2)
        wanted[query] = 1
        entropy = F.cross_entropy(logits, wanted, torch.tensor([1, 1, 0.1]))
        large = F.interpolate(layer.logits, (64, 64), mode="bilinear", align_corners=False)
        mask = large[0, query : query + 1].sigmoid()
        for name, value in (
            ("class", entropy),
            ("mask", 20 * focal(mask, target())[0]),
            ("dice", dice(mask, target())[0]),
        ):
            torch.testing.assert_close(losses[f"loss_{name}_{index}"], value, atol=1e-4, rtol=1e-3)


def target():
    mask = torch.zeros(1, 64, 64)
    mask[:, :32] = 1
    return mask


def focal(p, t):
    """Alpha 0.25, gamma 2, the mean over pixels."""
    inside = -0.25 * (1 - p) ** 2 * p.log() * t
    outside = -0.75 * p**2 * (1 - p).log() * (1 - t)
    return (inside + outside).mean(dim=(1, 2))


def dice(p, t):
    return 1 - (2 * (p * t).sum(dim=(1, 2)) + 1) / (p.sum(dim=(1, 2)) + t.sum(dim=(1, 2)) + 1)


def test_text_and_image_tower_stay_as_they_are(case):
    model = copy.deepcopy(case.model).train()
    sum(model(case.samples).values()).backward()
    frozen = [*model.text.parameters(), *model.branches[1].parameters()]
    assert all(p.grad is None and not p.requires_grad for p in frozen)
    learnt = [model.trunk, model.masks, model.branches[0]]
    for part in learnt:
        assert all(p.grad is not None for p in part.parameters())
        assert any(p.grad.abs().sum() > 0 for p in part.parameters())


def test_pictures_without_a_mask_teach_the_void(case):
    model, samples = copy.deepcopy(case.model), copy.deepcopy(case.samples)
    for sample in samples:
        sample.semantic.fill_(IGNORED)
    losses = model(samples)
    assert losses["loss_mask_2"] == losses["loss_dice_2"] == 0
    assert losses["loss_class_2"] > 0


def test_another_vocabulary_needs_no_other_config(case):
    model = copy.deepcopy(case.model).eval()
    for names in (ASKED, LEARNT, ASKED.pick([0])):
        for labels in model.segment(case.samples, names):
            assert labels.shape == (64, 64)
            assert 0 <= labels.min() <= labels.max() < len(names)


def test_a_bfloat16_step_is_finite(case):
    model = copy.deepcopy(case.model).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(case.samples)
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_state_dict_goes_round(case):
    first, second = copy.deepcopy(case.model).eval(), build_tiny(CONFIG).model.eval()
    with torch.no_grad():
        for p in first.branches[0].parameters():
            p.add_(0.5)
    second.load_state_dict(first.state_dict())
    both = [model.segment(case.samples, LEARNT) for model in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
