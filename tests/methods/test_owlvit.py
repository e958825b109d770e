"""OWL-ViT: heads against transformers on the same weights, the set loss against a transcription."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from contracts import ASKED, LEARNT, sample
from mmdet_costs import match_costs
from safetensors.torch import save_file
from torch import nn
from torchvision.ops import box_convert, generalized_box_iou, sigmoid_focal_loss

from ovdet.detectors import DenseDetector, DenseSettings, PhraseNames, Selection
from ovdet.methods.owlvit import (
    OwlvitCriterion,
    OwlvitExamples,
    OwlvitHead,
    OwlvitLabeler,
    OwlvitRule,
    OwlvitTerms,
    OwlvitTrunk,
    average_models,
    box_bias,
    centre_place,
    choose_place,
    load_published,
    merge_objects,
    ngrams,
    rename_published,
)
from ovdet.ops import match_hungarian, unit_norm
from ovdet.structures import DensePrediction, InputError, Regions, Sample, Text, Vocabulary
from ovdet.text import TinyTextTransformer, TransformersText, TunedTextClasses
from ovdet.vision import ClipVit, ClipVitShape, SmallVit

SIDE, PATCH = 64, 16
WORDS = ["cat", "a red car", "kite"]


def published(version):
    """Return a random model of transformers, small."""
    import transformers

    kind = {"owlvit": "OwlViT", "owlv2": "Owlv2"}[version]
    text = {
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 16,
    }
    vision = {
        "hidden_size": 48,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": PATCH,
    }
    config = getattr(transformers, f"{kind}Config")(
        text_config=text, vision_config=vision, projection_dim=32
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForObjectDetection")(config).eval()
    with torch.no_grad():  # their own spread is too small to tell a wrong layer from a right one
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def ours(*, objectness=True):
    text = {
        "vocab_size": 49408,
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 16,
        "projection_dim": 32,
        "hidden_act": "quick_gelu",
    }
    shape = ClipVitShape(patch=PATCH, width=48, layers=2, heads=4, dim=32, grid=2)
    return DenseDetector(
        trunk=OwlvitTrunk(ClipVit(shape), size=SIDE),
        text=TunedTextClasses(TransformersText(config=text), templates="none"),
        head=OwlvitHead(48, 32, stride=PATCH, objectness=objectness),
        criterion=OwlvitCriterion(),
    ).eval()


@pytest.mark.parametrize("version", ["owlvit", "owlv2"])
@torch.no_grad()
def test_agrees_with_transformers(version, tmp_path):
    theirs = published(version)
    save_file(
        {k: v.contiguous() for k, v in theirs.state_dict().items()}, tmp_path / "w.safetensors"
    )
    detector = load_published(ours(objectness=version == "owlv2"), str(tmp_path / "w.safetensors"))
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    ids = detector.text.encoder.tokenizer(WORDS)
    centred = detector.trunk.vit.pixels(images)
    expected = theirs(input_ids=ids.repeat(2, 1), pixel_values=centred)
    text = detector.text(Vocabulary.of(WORDS))
    found = detector.head(detector.trunk(images), text, images)
    boxes = box_convert(found.boxes, "xyxy", "cxcywh") / SIDE
    torch.testing.assert_close(boxes, expected.pred_boxes, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert found.logits.std() > 0.01
    if version == "owlv2":
        torch.testing.assert_close(found.quality, expected.objectness_logits, atol=1e-4, rtol=1e-4)
    else:
        assert found.quality is None


def test_what_is_not_theirs_is_told():
    with pytest.raises(InputError, match=r"'backbone\.conv' is no weight of"):
        rename_published({"backbone.conv": torch.zeros(1)})
    name = "owlvit.vision_model.encoder.layers.0.self_attn.q_proj.weight"
    with pytest.raises(InputError, match=r"needs weights for q, k and v, got \['q'\]"):
        rename_published({name: torch.zeros(1, 1)})


def test_another_size_is_told(tmp_path):
    weights = {"owlvit.visual_projection.weight": torch.zeros(2, 3)}
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="holds another detector"):
        load_published(ours(), str(tmp_path / "w.safetensors"))


def test_boxes_start_at_their_token_with_its_size():
    start = box_bias(4, 8).sigmoid()
    place = 1 * 8 + 2  # row 1, column 2
    expected = torch.tensor([3 / 8, 2 / 4, 1 / 8, 1 / 4])
    torch.testing.assert_close(start[place], expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(start[-1, :2], torch.ones(2), atol=2e-4, rtol=0)
    assert torch.isfinite(box_bias(1, 1)).all()


def head(classes=3):
    torch.manual_seed(0)
    made = OwlvitHead(6, 4, stride=8)
    levels = [torch.randn(2, 6, 3, 5)]
    text = Text(classes=unit_norm(torch.randn(classes, 4)))
    return made, levels, text


def test_logits_by_hand():
    made, levels, text = head()
    prediction = made(levels, text, torch.zeros(2, 3, 24, 40))
    x = levels[0][1, :, 2, 3]  # row 2, column 3
    g = made.embed(x)
    g = g / (g.norm() + 1e-6)
    raw = made.scale(x)
    scale = raw + 1 if raw > 0 else raw.exp()  # elu(raw) + 1
    expected = (text.classes @ g + made.shift(x)) * scale
    torch.testing.assert_close(prediction.logits[1, 2 * 5 + 3], expected)
    again = made.compare(prediction, text.rows(torch.tensor([2, 0])))
    torch.testing.assert_close(again, prediction.logits[..., [2, 0]])
    assert prediction.places[2 * 5 + 3].tolist() == [24, 16, 32, 24]


def test_untrained_boxes_are_their_cells():
    made, levels, text = head()
    boxes = made(levels, text, torch.zeros(2, 3, 24, 40)).boxes[0]
    expected = box_bias(3, 5).sigmoid() * torch.tensor([40.0, 24, 40, 24])
    torch.testing.assert_close(boxes, box_convert(expected, "cxcywh", "xyxy"))


def test_objectness_teaches_nobody_else():
    made, levels, text = head()
    level = levels[0].requires_grad_()
    made([level], text, torch.zeros(2, 3, 24, 40)).quality.sum().backward()
    assert level.grad is None
    assert made.objectness[0].weight.grad.abs().sum() > 0


def test_tokens_are_multiplied_by_the_class_token():
    torch.manual_seed(0)
    vit = SmallVit(dim=8, width=16, layers=1, heads=2, stem=(4, 4), grid=4).eval()
    trunk = OwlvitTrunk(vit).eval()
    images = torch.rand(2, 3, 32, 24)
    tokens, grid = vit.last_tokens(images)
    expected = F.layer_norm(tokens[:, 1:] * tokens[:, :1], (16,))
    level = trunk(images)[0]
    assert grid == (4, 3)
    torch.testing.assert_close(level[1, :, 2, 1], expected[1, 2 * 3 + 1])
    assert not vit.proj.requires_grad


def test_pictures_are_padded_to_the_side_it_learnt():
    torch.manual_seed(0)
    vit = SmallVit(dim=8, width=16, layers=1, heads=2, stem=(4, 4), grid=4)
    before = vit.positional_embedding.detach().clone()
    trunk = OwlvitTrunk(vit, size=64).eval()
    assert vit.positional_embedding.shape == (65, 16)
    torch.testing.assert_close(vit.positional_embedding[0], before[0])
    image = torch.rand(1, 3, 40, 64)
    padded = torch.cat([image, torch.zeros(1, 3, 24, 64)], dim=2)
    assert torch.equal(trunk(image)[0], trunk(padded)[0])
    with pytest.raises(ValueError, match="at most 64 px a side, got 40 x 65"):
        trunk(torch.rand(1, 3, 40, 65))
    with pytest.raises(ValueError, match="multiple of the patch, got 60, 8"):
        OwlvitTrunk(vit, size=60)


# The set loss.


def regions(boxes, labels):
    owner = torch.zeros(len(boxes), dtype=torch.int64)
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Regions(boxes, owner, labels=torch.tensor(labels, dtype=torch.int64))


def prediction(classes=3, images=1, quality=True):
    generator = torch.Generator().manual_seed(0)
    places = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16], [8, 8, 16, 16]])
    noise = torch.rand(images, 4, 4, generator=generator)
    return DensePrediction(
        boxes=(places + noise).requires_grad_(),
        logits=torch.randn(images, 4, classes, generator=generator).requires_grad_(),
        places=places,
        quality=torch.randn(images, 4, generator=generator).requires_grad_() if quality else None,
    )


def unit(boxes):
    return box_convert(boxes, "xyxy", "cxcywh") / 16


@torch.no_grad()
def test_the_cost_is_mmdets():
    from mmengine.structures import InstanceData

    reference = match_costs()
    given = prediction()
    truth = regions([[1, 1, 7, 8], [9, 8, 16, 16]], [2, 0])
    terms = OwlvitTerms(classes=2.0, l1=5.0, giou=3.0)
    names = F.one_hot(truth.labels, 3).float()
    extent = torch.tensor([16.0, 16])
    found = OwlvitCriterion(terms).cost(given.logits[0], given.boxes[0], truth.boxes, names, extent)
    theirs = InstanceData(bboxes=given.boxes[0], scores=given.logits[0])
    gt = InstanceData(bboxes=truth.boxes, labels=truth.labels)
    meta = {"img_shape": (16, 16)}
    expected = reference.FocalLossCost(alpha=0.3, gamma=2, eps=1e-8, weight=2.0)(theirs, gt)
    expected += reference.BBoxL1Cost(box_format="xywh", weight=5.0)(theirs, gt, meta)
    expected += reference.IoUCost(iou_mode="giou", weight=3.0)(theirs, gt) + 3.0  # theirs is -GIoU
    torch.testing.assert_close(found, expected)


def transcription(given, truth, asked, index):
    """The losses of one image, written down again from the paper's words."""
    logits, boxes = given.logits[index], given.boxes[index]
    names = F.one_hot(truth.labels, logits.shape[1]).float()
    cost = OwlvitCriterion().cost(logits, boxes, truth.boxes, names, torch.tensor([16.0, 16]))
    pairs = match_hungarian(cost)
    targets = torch.zeros_like(logits)
    for p, g in pairs.tolist():
        targets[p, truth.labels[g]] = 1
    focal = sigmoid_focal_loss(logits, targets, alpha=0.3, gamma=2)
    count = max(len(truth), 1)
    near, wanted = boxes[pairs[:, 0]], truth.boxes[pairs[:, 1]]
    hit = torch.zeros(len(boxes))
    hit[pairs[:, 0]] = 1
    return {
        "loss_class": (focal * asked[index]).sum() / count,
        "loss_l1": (unit(near) - unit(wanted)).abs().sum() / count,
        "loss_giou": (1 - generalized_box_iou(near, wanted).diag()).sum() / count,
        "loss_objectness": sigmoid_focal_loss(given.quality[index], hit, alpha=0.3).sum() / count,
    }


def test_the_loss_is_normalised_an_image():
    given = prediction(images=2)
    truth = [regions([[1, 1, 7, 8], [9, 8, 16, 16]], [2, 0]), regions([[0, 0, 5, 5]], [1])]
    asked = torch.tensor([[True, True, True], [False, True, True]])
    losses = OwlvitCriterion()(given, truth, asked, Text(classes=torch.zeros(3, 4)))
    parts = [transcription(given, truth[i], asked, i) for i in range(2)]
    assert set(losses) == set(parts[0])
    for name, value in losses.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)
    sum(losses.values()).backward()
    for part in (given.boxes, given.logits, given.quality):
        assert part.grad.abs().sum() > 0
    assert given.logits.grad[1, :, 0].abs().sum() == 0  # not asked for


def test_without_objects_all_places_say_no():
    given = prediction(quality=False)
    losses = OwlvitCriterion()(
        given, [Regions.empty()], torch.ones(1, 3).bool(), Text(classes=torch.zeros(3, 4))
    )
    zeros = torch.zeros_like(given.logits)
    expected = sigmoid_focal_loss(given.logits, zeros, alpha=0.3, gamma=2).sum()
    torch.testing.assert_close(losses["loss_class"], expected)
    assert losses["loss_l1"] == losses["loss_giou"] == 0
    sum(losses.values()).backward()
    assert torch.isfinite(given.logits.grad).all()


def test_objects_on_each_other_share_their_names():
    box = [0, 0, 10, 10]
    given = regions([box, [20, 20, 30, 30], [0, 0, 10, 9.5], [0, 0, 10, 5]], [0, 1, 2, 2])
    boxes, names = merge_objects(given, torch.ones(4).bool(), 0.9)
    assert boxes.tolist() == [box, [20, 20, 30, 30], [0, 0, 10, 5]]
    assert names.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_what_nobody_asks_for_is_no_object():
    given = regions([[0, 0, 10, 10], [20, 20, 30, 30], [1, 1, 9, 9]], [0, 1, -1])
    boxes, names = merge_objects(given, torch.tensor([False, True]), 0.9)
    assert boxes.tolist() == [[20, 20, 30, 30]]
    assert names.tolist() == [[0, 1]]
    assert merge_objects(Regions.empty(), torch.ones(2).bool(), 0.9)[1].shape == (0, 2)


def test_only_the_most_object_like_places_learn_names():
    given = prediction()
    with torch.no_grad():
        given.quality.copy_(torch.tensor([[0.0, 3, 1, 2]]))
    truth = [regions([[0, 0, 8, 8]], [1])]  # place 0 fits best, but does not take part
    losses = OwlvitCriterion(kept=0.5)(
        given, truth, torch.ones(1, 3).bool(), Text(classes=torch.zeros(3, 4))
    )
    (losses["loss_class"] + losses["loss_giou"]).backward()
    assert given.logits.grad[0].abs().sum(dim=1).nonzero().flatten().tolist() == [1, 3]
    assert given.boxes.grad[0, [0, 2]].abs().sum() == 0
    with pytest.raises(ValueError, match=r"kept must be in \(0, 1\], got 0"):
        OwlvitCriterion(kept=0)


# Examples in place of names.


def seen(boxes, embeddings):
    boxes = torch.tensor([boxes], dtype=torch.float32)
    return DensePrediction(
        boxes, torch.zeros(1, boxes.shape[1], 0), boxes[0], embeddings=unit_norm(embeddings)[None]
    )


def test_the_example_is_the_fitting_box_least_like_the_picture():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [30, 30, 40, 40], [40, 40, 50, 50]]
    ground = torch.tensor([1.0, 0])
    rows = torch.stack([ground, torch.tensor([0.6, 0.8]), -ground, ground, ground])
    # IoU 1, 0.9, 0.5, 0, 0: the first two fit; the third would be least like the picture.
    assert choose_place(seen(boxes, rows), torch.tensor([0.0, 0, 10, 10])) == 1
    assert choose_place(seen(boxes, rows), torch.tensor([0.0, 0, 10, 10]), near=0.5) == 2
    assert choose_place(seen(boxes, rows), torch.tensor([0.0, 0, 10, 10]), near=1.0) == 0


def test_where_nothing_overlaps_the_nearest_box_is_taken():
    boxes = [[20, 0, 30, 10], [11, 0, 21, 10], [50, 0, 60, 10]]
    rows = torch.tensor([[1.0, 0], [1, 0], [-1, 0]])
    assert choose_place(seen(boxes, rows), torch.tensor([0.0, 0, 10, 10])) == 1


def test_the_centre_token():
    boxes = [[0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16], [8, 8, 16, 16]]
    assert centre_place(seen(boxes, torch.eye(4)), torch.tensor([6.0, 1, 14, 9])) == 1


class Pictures(torch.utils.data.Dataset):
    """Two pictures: a cat and a red car, a dog and a cat."""

    vocabulary = LEARNT

    def __init__(self):
        one, other = sample(None, 0), sample(None, 1)
        one.truth = one.truth.with_(labels=torch.tensor([0, 1]))
        other.truth = other.truth.with_(labels=torch.tensor([2, 0]))
        self.samples = [one, other]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def tiny(examples=None, **options):
    torch.manual_seed(0)
    vit = SmallVit(dim=16, width=32, layers=1, heads=2, stem=(8, 8), grid=8)
    model = DenseDetector(
        trunk=OwlvitTrunk(vit),
        text=TunedTextClasses(TinyTextTransformer(16, 16, 1, 2, 16, 8), bare=True),
        head=OwlvitHead(32, 16, stride=8),
        criterion=OwlvitCriterion(**options),
        settings=DenseSettings(selection=Selection(nms=None), examples=examples),
    )
    model.vocabulary = LEARNT
    return model


@torch.no_grad()
def test_examples_take_the_place_of_names():
    model = tiny(OwlvitExamples(Pictures())).eval()
    classes = model.examples(model.look, LEARNT)
    assert classes.shape == (3, 16)
    torch.testing.assert_close(classes.norm(dim=1), torch.ones(3))
    given = model.look([model.examples.dataset[1]])
    place = choose_place(given, model.examples.dataset[1].truth.boxes[0])
    torch.testing.assert_close(classes[2], unit_norm(given.embeddings[0, place]))
    found = model.predict([sample(model, 0)], LEARNT)[0]
    order = torch.tensor(sorted(range(3), key=lambda i: LEARNT.names[i]))
    like = model.find([sample(model, 0)], classes[order])[0]
    torch.testing.assert_close(found.scores, like.scores)
    assert torch.equal(found.labels, order[like.labels])


@torch.no_grad()
def test_several_examples_are_averaged():
    vocabulary = Vocabulary.of(["cat"])
    look = tiny().eval().look
    data = Pictures()
    twice = OwlvitExamples(data, OwlvitRule(shots=2))(look, vocabulary)
    each = [
        look([one]).embeddings[0, choose_place(look([one]), one.truth.boxes[row])]
        for one, row in zip(data.samples, (0, 1), strict=True)
    ]
    torch.testing.assert_close(twice[0], unit_norm(torch.stack(each).mean(dim=0)))


@torch.no_grad()
def test_examples_follow_the_weights():
    model = tiny(OwlvitExamples(Pictures())).eval()
    before = model.examples(model.look, LEARNT)
    assert model.examples(model.look, LEARNT) is before
    changed = {k: v + 0.1 if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict(changed)
    assert not torch.equal(model.examples(model.look, LEARNT), before)
    kept = model.examples(model.look, LEARNT)
    model.train()
    assert model.eval().examples(model.look, LEARNT) is not kept


@torch.no_grad()
def test_chance_knows_nothing_of_the_picture():
    look = tiny().eval().look
    rows = [
        OwlvitExamples(Pictures(), OwlvitRule(rule="random", seed=seed))(look, LEARNT)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_what_is_not_shown_is_told():
    with pytest.raises(InputError, match="'red car' is shown 1 times too few"):
        OwlvitExamples(Pictures(), OwlvitRule(shots=2))(tiny().look, LEARNT)
    with pytest.raises(ValueError, match="rule must be one of"):
        OwlvitRule(rule="best")
    with pytest.raises(ValueError, match="shots must be at least 1"):
        OwlvitRule(shots=0)


# The whole detector.


def test_gradients_reach_both_towers_and_all_heads():
    model = tiny().train()
    model([sample(model, i) for i in range(2)], mode="loss")
    losses = model([sample(model, i) for i in range(2)], mode="loss")
    sum(losses.values()).backward()
    dead = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not dead
    assert model.text.encoder.project.weight.grad.abs().sum() > 0
    assert model.trunk.vit.class_embedding.grad.abs().sum() > 0
    assert model.trunk.vit.proj.grad is None


def test_it_learns_one_picture_by_heart():
    model = tiny().train()
    given = [sample(model, 0)]
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(240):
        optimizer.zero_grad()
        sum(model(given, mode="loss").values()).backward()
        optimizer.step()
    found = model.eval().predict(given, Vocabulary.of(["cat", "lamp"]))[0]
    assert found.labels[:2].tolist() == [0, 0]
    overlap = [
        max(float(F.relu(1 - loss)) for loss in gaps(box, given[0].truth.boxes))
        for box in found.boxes[:2]
    ]
    assert min(overlap) > 0.5


def gaps(box, boxes):
    return 1 - generalized_box_iou(box[None], boxes)[0]


def test_a_half_precision_step_stays_finite():
    model = tiny().train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model([sample(model, i) for i in range(2)], mode="loss")
    sum(losses.values()).backward()
    for parameter in model.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


@torch.no_grad()
def test_another_vocabulary_and_a_round_trip():
    model, other = tiny().eval(), tiny().eval()
    for parameter in model.parameters():
        parameter.add_(0.01)
    other.load_state_dict(model.state_dict())
    given = [sample(model, 0)]
    one, two = model.predict(given, ASKED)[0], other.predict(given, ASKED)[0]
    torch.testing.assert_close(one.scores, two.scores)  # where a tensor lies moves last bits
    assert one.labels.max() < len(ASKED)


def test_the_mean_of_two_models(tmp_path):
    first, second = tiny(), tiny()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1.0)
    files = (str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"))
    for model, file in zip((first, second), files, strict=True):
        save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, file)
    mean = average_models(tiny(), files, share=0.25)
    torch.testing.assert_close(mean.head.embed.weight, first.head.embed.weight + 0.75)
    assert mean.trunk.vit.stem[1].num_batches_tracked.dtype is torch.int64
    with pytest.raises(InputError, match=r"share must be in \[0, 1\], got 2"):
        average_models(tiny(), files, share=2)
    save_file({"other": torch.zeros(1)}, files[1])
    with pytest.raises(InputError, match="hold different models"):
        average_models(tiny(), files)


def test_a_single_name_is_a_vocabulary():
    model = tiny().eval()
    found = model.predict(
        [Sample(torch.rand(3, 64, 64), 1, original_size=(64, 64))], ASKED.pick([0])
    )
    assert set(found[0].labels.tolist()) == {0}
    assert math.isfinite(float(found[0].scores.max()))


def test_the_predictions_of_others_are_refused():
    made, _, text = head()
    with pytest.raises(ValueError, match="must come from this head"):
        made.compare(prediction(), text)
    with pytest.raises(ValueError, match="needs a prediction with embeddings"):
        choose_place(prediction(), torch.zeros(4))


# Self-training.


def runs(caption, longest=10):
    return [caption[a:b] for a, b in ngrams(caption, longest)]


def test_what_a_caption_may_name():
    assert runs("A photo of a red car.") == [
        "photo of a red",
        "photo of a red car",
        "red",
        "red car",
        "car",
    ]
    assert runs("two cats, one dog's kite") == [
        "two cats",
        "cats",
        "one dog's",
        "one dog's kite",
        "dog's",
        "dog's kite",
        "kite",
    ]
    assert runs("red car kite", 1) == ["red", "car", "kite"]
    assert runs("the photo of it") == runs("") == []


class Finder(nn.Module):
    """Finds "kite" with 0.5 and "red car" with 0.2, in px of the stored image."""

    def __init__(self, best=0.5):
        super().__init__()
        self.best = best

    def predict(self, samples, vocabulary, *, threshold, top_k):  # noqa: ARG002
        self.asked = vocabulary.names
        scores = {"kite": self.best, "red car": 0.2, "a": 0.05}
        kept = [(s, n) for n, s in scores.items() if n in vocabulary.names and s >= threshold]
        kept = sorted(kept, reverse=True)[:top_k]
        boxes = torch.tensor([[1.0, 2, 3, 4]]).repeat(len(kept), 1)
        return [
            Regions(
                boxes,
                torch.zeros(len(kept), dtype=torch.int64),
                scores=torch.tensor([s for s, _ in kept]),
                labels=torch.tensor([vocabulary.names.index(n) for _, n in kept]),
            )
        ]


def captioned(caption):
    image = torch.zeros(3, 8, 8)
    captions = (caption,) if caption else ()
    return Sample(image, 7, original_size=(8, 8), scale=(2.0, 1.0), captions=captions, boxed=False)


def test_sure_finds_become_the_truth():
    finder = Finder()
    before = captioned("A red car and a Kite above a kite")
    after = OwlvitLabeler(finder)(before)
    assert "kite" in finder.asked
    assert len(set(finder.asked)) == len(finder.asked)
    assert after.boxed
    assert not before.boxed
    named = [after.captions[0][slice(*after.phrases[label])] for label in after.truth.labels]
    assert named == ["Kite", "red car"]
    assert after.truth.boxes.tolist() == [[2, 2, 6, 4]] * 2  # px of the network input
    torch.testing.assert_close(after.truth.scores, torch.tensor([0.5, 0.2]))


@pytest.mark.parametrize("caption", ["A red car", "the of", None])
def test_an_unsure_picture_gives_nothing(caption):
    after = OwlvitLabeler(Finder(best=0.29))(captioned(caption))
    assert (len(after.truth), after.phrases, after.boxed) == (0, (), False)


def test_what_was_found_can_be_learnt():
    model = tiny()
    model.names = PhraseNames()
    labelled = OwlvitLabeler(Finder())(captioned("A red car and a kite"))
    losses = model.train()([replace(labelled, image=torch.rand(3, 64, 64))], mode="loss")
    assert losses["loss_l1"] > 0
    assert all(torch.isfinite(value) for value in losses.values())
