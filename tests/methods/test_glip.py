import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ovdet.detectors import CaptionNames, DenseDetector, DenseSettings, GroundingDetector, Selection
from ovdet.heads import TokenDotHead
from ovdet.methods.glip import GlipCriterion, GlipPromptText, GlipPromptTuning, objects_of
from ovdet.ops import assign_atss, centerness
from ovdet.structures import DensePrediction, InputError, Regions, Sample, Text, Vocabulary
from ovdet.text import TinyTextTransformer, TokenLayer, TokenText
from ovdet.vision import (
    BiAttention,
    BiFusion,
    DeepFusion,
    FusionBlock,
    LastLevels,
    LevelConv,
    PyramidTrunk,
    SmallTrunk,
)

WIDTH, DIM = 8, 12
MANY = Vocabulary.of([f"{kind} {i}" for i in range(7) for kind in ("kite", "dog", "old car")])


def tower():
    return TinyTextTransformer(dim=DIM, width=16, layers=1, heads=2, context=32, embed_width=8)


def fusion(blocks=2):
    made = [
        FusionBlock(
            BiFusion(BiAttention(WIDTH, DIM, width=16, heads=2), WIDTH, DIM, scale=1 / blocks),
            TokenLayer(DIM, heads=2),
            LevelConv(WIDTH, groups=2),
        )
        for _ in range(blocks)
    ]
    return DeepFusion(made, meet=False)


def detector(*, fused, **settings):
    torch.manual_seed(0)
    trunk = LastLevels(SmallTrunk((4, 6, 8, 8)), count=2)
    model = DenseDetector(
        trunk=PyramidTrunk(trunk, width=WIDTH),
        text=TokenText(tower(), [] if fused else [TokenLayer(DIM, heads=2)]),
        head=TokenDotHead(WIDTH, DIM, (24, 48)),
        criterion=GlipCriterion(),
        fusion=fusion() if fused else None,
        settings=DenseSettings(
            selection=Selection(threshold=0.0, nms=0.6, top=20),
            names=CaptionNames(negatives=5),
            use_quality=True,
            **settings,
        ),
    )
    for name, p in model.named_parameters():
        if p.ndim > 1 and not name.startswith("trunk"):
            nn.init.normal_(p, std=0.3)  # so that words matter
    return model


def samples():
    torch.manual_seed(5)
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62]])
    truth = Regions(boxes, torch.zeros(2, dtype=torch.int64), labels=torch.tensor([0, 1]))
    made = []
    for text, phrases in (("a red kite above the dog", (8, 17)), ("the dog", (0, 0))):
        spans = ((2, 10), (17, 24)) if phrases[1] else ((0, 7),)
        image = torch.rand(3, 64, 64)
        own = truth if phrases[1] else truth[:1]
        made.append(Sample(image, 1, "", (64, 64), truth=own, captions=(text,), phrases=spans))
    return made


# The criterion


def case(logits=None):
    """Two images, anchors of two levels; the second image shows nothing."""
    torch.manual_seed(1)
    rows = torch.arange(4) * 16.0 + 8
    y, x = (v.flatten() for v in torch.meshgrid(rows, rows, indexing="ij"))
    fine = torch.stack([x - 12, y - 12, x + 12, y + 12], dim=1)
    coarse = torch.tensor([[-8.0, -8, 72, 72]])
    places = torch.cat([fine, coarse])
    own = torch.tensor([[1, 1], [1, 0], [1, 0]], dtype=torch.bool)
    text = Text(torch.randn(3, 4), torch.randn(3, 2, 4), own, own=own)
    if logits is None:
        logits = torch.randn(2, 17, 4, requires_grad=True)
    boxes = places + torch.rand(2, 17, 4, generator=torch.Generator().manual_seed(2))
    prediction = DensePrediction(
        boxes.requires_grad_(), logits, places, torch.randn(2, 17, requires_grad=True)
    )
    objects = Regions(
        torch.tensor([[2.0, 3, 28, 30], [2, 3, 28, 30], [30, 34, 62, 60]]),
        torch.zeros(3, dtype=torch.int64),
        labels=torch.tensor([0, 1, 2]),
    )
    asked = torch.tensor([[True, True, True], [True, False, True]])
    return prediction, [objects, Regions.empty()], asked, text


def focal(logit, target):
    p = 1 / (1 + math.exp(-logit))
    if target:
        return -0.25 * (1 - p) ** 2 * math.log(p)
    return -0.75 * p**2 * math.log(1 - p)


def test_losses_by_hand():
    prediction, truth, asked, text = case()
    losses = GlipCriterion()(prediction, truth, asked, text)
    boxes = truth[0].boxes[[0, 2]]
    named = [{0, 1}, {2}]  # the first object is what two phrases stand for
    owners = [0, 0, 1, 2]
    matches = assign_atss(prediction.places, [16, 1], boxes).tolist()
    positive = [p for p, g in enumerate(matches) if g >= 0]
    assert positive
    align = 0.0
    for image in range(2):
        for p in range(17):
            for n, c in enumerate(owners):
                if not asked[image, c]:
                    continue
                is_named = image == 0 and matches[p] >= 0 and c in named[matches[p]]
                align += focal(prediction.logits[image, p, n].item(), is_named)
    assert losses["loss_align"].item() == pytest.approx(align / len(positive), rel=1e-4)

    wanted = torch.stack([boxes[matches[p]] for p in positive])
    middle = centerness(prediction.places[positive], wanted)
    giou, centre = 0.0, 0.0
    for p, target, weight in zip(positive, wanted.tolist(), middle.tolist(), strict=True):
        giou += weight * (1 - generalized(prediction.boxes[0, p].tolist(), target))
        quality = 1 / (1 + math.exp(-prediction.quality[0, p].item()))
        centre -= weight * math.log(quality) + (1 - weight) * math.log(1 - quality)
    assert losses["loss_box"].item() == pytest.approx(2 * giou / middle.sum().item(), rel=1e-4)
    assert losses["loss_center"].item() == pytest.approx(centre / len(positive), rel=1e-4)


def generalized(a, b):
    def area(box):
        return max(0, box[2] - box[0]) * max(0, box[3] - box[1])

    inner = area([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])])
    outer = area([min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])])
    union = area(a) + area(b) - inner
    return inner / union - (outer - union) / outer


def test_soft_targets_share_the_tokens_of_what_names_an_object():
    prediction, truth, asked, text = case(torch.zeros(2, 17, 4))
    own = [replace(truth[0][:1]), Regions.empty()]  # two tokens of class 0
    hard = GlipCriterion()(prediction, own, asked, text)["loss_align"]
    soft = GlipCriterion(positive="soft")(prediction, own, asked, text)["loss_align"]
    count = (assign_atss(prediction.places, [16, 1], own[0].boxes) >= 0).sum().item()
    each = math.log(2) * 0.25  # entropy and (1 / 2)^2, before alpha
    # 2 * count tokens with target 1: alpha 0.25; with target 1 / 2: alpha 0.25 / 2 + 0.75 / 2
    assert (hard - soft).item() == pytest.approx(2 * (0.25 - 0.5) * each, rel=1e-4)
    assert count > 0


def test_nothing_there_is_a_loss_all_the_same():
    prediction, _, asked, text = case()
    losses = GlipCriterion()(prediction, [Regions.empty()] * 2, asked, text)
    assert losses["loss_box"].item() == losses["loss_center"].item() == 0
    assert losses["loss_align"].item() > 0
    sum(losses.values()).backward()
    assert prediction.logits.grad.abs().sum() > 0
    assert (prediction.boxes.grad == 0).all()


def test_what_is_not_asked_teaches_nothing():
    prediction, truth, asked, text = case()
    GlipCriterion()(prediction, truth, asked, text)["loss_align"].backward()
    assert (prediction.logits.grad[1, :, 2] == 0).all()
    assert (prediction.logits.grad[0] != 0).all()


def test_a_box_that_two_phrases_share_is_one_object():
    boxes, named = objects_of(case()[1][0], 4)
    assert boxes.tolist() == [[2, 3, 28, 30], [30, 34, 62, 60]]
    assert named.tolist() == [[True, True, False, False], [False, False, True, False]]
    assert objects_of(Regions.empty(), 4)[1].shape == (0, 4)


def test_another_map_is_refused():
    with pytest.raises(ValueError, match="got 'hard'"):
        GlipCriterion(positive="hard")


# The whole


@pytest.mark.parametrize("fused", [True, False])
def test_gradients_reach_all_that_learns_and_nothing_frozen(fused):
    model = GroundingDetector(detector(fused=fused)).train()
    sum(model(samples(), mode="loss").values()).backward()
    dead = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not dead
    encoder = model.detector.text.encoder
    assert all(p.grad is None and not p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize("fused", [True, False])
def test_half_precision_gives_no_nan(fused):
    model = GroundingDetector(detector(fused=fused)).train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(samples(), mode="loss")
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def plain(model, vocabulary, **options):
    with torch.no_grad():
        bare = [replace(s, phrases=()) for s in samples()]
        return model.eval().predict(bare, vocabulary, **options)


def by_name(found, vocabulary):
    return [
        (vocabulary.names[c], s, tuple(b))
        for c, s, b in zip(
            found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("chunk", [None, 5])
def test_any_order_of_the_names_gives_the_same_detections(fused, chunk):
    model = detector(fused=fused, chunk=chunk)
    wanted = [by_name(found, MANY) for found in plain(model, MANY)]
    turned = MANY.pick([i * 8 % 21 for i in range(21)])
    assert turned.names != MANY.names
    assert [by_name(found, turned) for found in plain(model, turned)] == wanted
    assert all(len(found) == 20 for found in wanted)


def test_without_a_fusion_chunks_change_nothing():
    whole, cut = (detector(fused=False, chunk=chunk) for chunk in (None, 5))
    for one, other in zip(plain(whole, MANY), plain(cut, MANY), strict=True):
        assert by_name(one, MANY) == by_name(other, MANY)


def test_without_a_fusion_a_name_keeps_its_scores_among_others():
    model = detector(fused=False)
    among = plain(model, MANY, top_k=10_000)[0]
    alone = plain(model, MANY.pick([3]), top_k=10_000)[0]
    mine = among[among.labels == 3]
    shared = min(len(mine), len(alone))
    assert shared > 10
    torch.testing.assert_close(mine.scores[:shared], alone.scores[:shared], atol=1e-6, rtol=1e-5)


def test_with_a_fusion_chunks_do_change_scores():
    whole, cut = (detector(fused=True, chunk=chunk) for chunk in (None, 5))
    one, other = plain(whole, MANY)[0], plain(cut, MANY)[0]
    assert not torch.allclose(one.scores, other.scores, atol=1e-4)


def test_a_vocabulary_longer_than_the_context_goes_in_runs():
    model = detector(fused=True)
    runs = model.text.cut(Vocabulary.of(sorted(MANY.names)))
    assert len(runs) > 1, "32 tokens do not hold 21 names"
    sizes = []
    model.fusion.register_forward_pre_hook(lambda _, given: sizes.append(len(given[1].classes)))
    plain(model, MANY)
    assert sizes == [len(run) for run in runs]


@pytest.mark.parametrize("fused", [True, False])
def test_phrases_are_answered_alike_alone_and_in_a_batch(fused):
    model = GroundingDetector(detector(fused=fused)).eval()
    with torch.no_grad():
        both = model(samples(), mode="predict")
        alone = [model([one], mode="predict")[0] for one in samples()]
    for mine, wanted in zip(both, alone, strict=True):
        torch.testing.assert_close(mine.scores, wanted.scores, atol=1e-5, rtol=1e-4)
        assert len(mine) > 0


# Prompt tuning


def tuned(names=("kite 1", "dog 1")):
    return GlipPromptTuning(detector(fused=True), names)


def test_only_offsets_learn_and_all_else_stays_still():
    model = tuned().train()
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        "detector.text.offsets.0",
        "detector.text.offsets.1",
    ]
    assert not any(part.training for part in model.detector.modules() if part is not model)
    model.vocabulary = Vocabulary.of(["kite 1", "dog 1"])
    bare = [replace(s, phrases=()) for s in samples()]
    model.detector.names.negatives = 0
    losses = model(bare, mode="loss")
    sum(losses.values()).backward()
    assert all(offset.grad.abs().sum() > 0 for offset in model.detector.text.offsets)
    assert not [p for p in model.parameters() if p.grad is not None and not p.requires_grad]


def test_offsets_of_nothing_change_nothing():
    slot = detector(fused=True).text
    part = GlipPromptText(slot, ["kite 1", "dog 1"])
    names = Vocabulary.of(["old car", "dog 1"])
    assert torch.equal(part(names).tokens, slot(names).tokens)


def test_an_offset_moves_its_own_tokens_alone():
    slot = detector(fused=True).text
    part = GlipPromptText(slot, ["kite 1", "dog 1"])
    with torch.no_grad():
        part.offsets[1].fill_(1.0)
    names = Vocabulary.of(["old car", "dog 1", "kite 1"])
    moved = part(names).tokens - slot(names).tokens
    real = part(names).token_mask[1]
    torch.testing.assert_close(moved[1][real], torch.ones(int(real.sum()), DIM))
    assert (moved[1][~real] == 0).all()
    assert (moved[[0, 2]] == 0).all()
    part.enabled = False
    assert torch.equal(part(names).tokens, slot(names).tokens)


def test_other_vocabularies_are_as_before():
    model, before = tuned(), detector(fused=True)
    with torch.no_grad():
        for offset in model.detector.text.offsets:
            offset.normal_()
    other = Vocabulary.of(["zebra", "lamp"])
    for one, wanted in zip(plain(model.detector, other), plain(before, other), strict=True):
        assert torch.equal(one.scores, wanted.scores)
    known = Vocabulary.of(["kite 1", "lamp"])
    one, wanted = plain(model.detector, known)[0], plain(before, known)[0]
    assert not torch.allclose(one.scores, wanted.scores, atol=1e-4)


def test_text_without_rows_of_their_own_is_refused():
    slot = TokenText(tower(), together=True)
    part = GlipPromptText(slot, ["kite 1"])
    with pytest.raises(InputError, match="'kite 1' must have 4 tokens in its row"):
        part(Vocabulary.of(["kite 1", "dog 1"]))


def test_names_may_come_from_a_file(tmp_path):
    MANY.save(tmp_path / "names.json")
    model = GlipPromptTuning(detector(fused=True), str(tmp_path / "names.json"))
    assert len(model.detector.text.offsets) == len(MANY)


def test_a_few_steps_of_tuning_lift_the_names_scores():
    torch.manual_seed(0)
    model = tuned().train()
    model.vocabulary = Vocabulary.of(["kite 1", "dog 1"])
    bare = [replace(s, phrases=()) for s in samples()]
    optimizer = torch.optim.AdamW(model.detector.text.parameters(), lr=0.05, weight_decay=0.25)
    losses = []
    for _ in range(12):
        loss = model(bare, mode="loss")["loss_align"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
