"""MaskCLIP: its refined scores against the paper's equations, and MaskCLIP+'s labels by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.heads import CosinePixelHead, KeySmooth, PromptDenoise
from ovdet.losses import PixelCrossEntropy
from ovdet.methods.maskclip import MaskclipLabels
from ovdet.segmentors import PixelNames, PixelSegmentor, PixelSettings
from ovdet.structures import IGNORED, Flow, InputError, Sample, Text, Vocabulary
from ovdet.text import TextClasses, TinyTextTransformer
from ovdet.vision import SmallVit, ValuePath

NAMES = Vocabulary(("cat", "kite", "dog", "sky"), novel=(False, True, False, True))


class Look(nn.Module):
    """A teacher whose logits are what it was given, and whose trunk gives the picture."""

    def __init__(self, logits):
        super().__init__()
        self.weight = nn.Parameter(logits)

    def forward(self, levels, text, images):
        assert torch.equal(levels[0], images)
        assert text.classes.shape == (4, 3)
        return self.weight


class Whole(nn.Module):
    def forward(self, images):
        return [images]


def flow(student, height=1, width=2):
    images = torch.zeros(1, 3, 32, 32)
    sample = Sample(torch.zeros(3, height, width), 1)
    return Flow(images, [sample], NAMES, text=Text(torch.eye(4, 3)), pixels=student)


def labels(*values):
    """Labels of a padded picture of two pixels."""
    batch = torch.full((1, 32, 32), IGNORED)
    batch[0, 0, :2] = torch.tensor(values)
    return batch


def favouring(*best):
    """Logits [1, 4, 1, 2] whose classes rank as given, best first."""
    logits = torch.zeros(1, 4, 1, 2)
    for rank, name in enumerate(best):
        logits[0, name] = 9.0 - rank
    return logits


def method(best=(0, 3, 1, 2), **options):
    return MaskclipLabels(trunk=Whole(), head=Look(favouring(*best)), **options)


def test_pixels_of_unseen_classes_get_the_best_unseen_name():
    given = method()(labels(1, 2), flow(favouring(1)))
    # the teacher says cat, but only kite and sky are allowed: sky
    assert given[0, 0, :2].tolist() == [3, 2]
    assert (given[0, 1:] == IGNORED).all()
    assert (given[0, 0, 2:] == IGNORED).all()


def test_ignored_pixels_stay_ignored_where_unseen_ones_are_told_apart():
    assert method()(labels(IGNORED, 3), flow(favouring(1)))[0, 0, :2].tolist() == [IGNORED, 3]


def test_unlabelled_pixels_of_the_picture_alone_get_a_name():
    given = method(pixels="unlabelled")(labels(IGNORED, 2), flow(favouring(1)))
    assert given[0, 0, :3].tolist() == [3, 2, IGNORED]
    assert (given[0, 1:] == IGNORED).all()


def test_without_annotation_every_pixel_gets_any_name():
    given = method(pixels="all")(labels(2, IGNORED), flow(favouring(1)))
    assert given[0, 0, :3].tolist() == [0, 0, IGNORED]


def test_no_unseen_label_reaches_the_student():
    with pytest.raises(InputError, match="no unseen class in training, got 'kite'"):
        method(pixels="unlabelled")(labels(1, 2), flow(favouring(1)))
    seen = flow(favouring(1))
    seen.vocabulary = Vocabulary.of(NAMES.names)
    with pytest.raises(InputError, match="a class must be novel to be given to pixels, none is"):
        method()(labels(0, 2), seen)


def test_the_teacher_guides_and_then_the_student_teaches_itself():
    part, batch = method(guided=2), labels(1, 1)
    found = [part(batch, flow(favouring(1)))[0, 0, 0].item() for _ in range(4)]
    assert found == [3, 3, 1, 1]
    assert part.step == 4
    part.eval()
    part(batch, flow(favouring(1)))
    assert part.step == 4, "only training counts"
    assert method(guided=0)(batch, flow(favouring(1)))[0, 0, 0] == 1
    again = method(guided=2)
    again.load_state_dict(part.state_dict())
    assert again.train()(batch, flow(favouring(1)))[0, 0, 0] == 1, "a continued run stays on"


def test_the_teachers_refinements_count():
    class Turn(nn.Module):
        def forward(self, logits, images, levels):
            assert torch.equal(images, levels[0])
            return -logits

    given = method((0, 3, 1, 2), refinements=[Turn()])(labels(1, 1), flow(favouring(1)))
    assert given[0, 0, 0] == 1  # now the worst of the allowed


def test_labels_have_no_graph():
    student = favouring(1).requires_grad_()
    assert not method(guided=0)(labels(1, 1), flow(student)).requires_grad
    assert not any(p.requires_grad for p in method().parameters())


def test_no_picture():
    empty = Flow(torch.zeros(0, 3, 32, 32), [], NAMES, text=Text(torch.eye(4, 3)))
    empty.pixels = torch.zeros(0, 4, 1, 2)
    part = MaskclipLabels(trunk=Whole(), head=Look(torch.zeros(0, 4, 1, 2)))
    given = part(torch.zeros(0, 32, 32, dtype=torch.int64), empty)
    assert given.shape == (0, 32, 32)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"pixels must be one of .* got 'some'"):
        method(pixels="some")
    with pytest.raises(ValueError, match="guided must be at least 0 steps, got -1"):
        method(guided=-1)


def segmentor(refinements=(), settings=None, criterion=None, **head):
    torch.manual_seed(0)
    tower = TinyTextTransformer(dim=8, width=8, layers=1, heads=2, embed_width=4)
    trunk = SmallVit(
        dim=8, width=16, layers=2, heads=2, stem=(4, 8), grid=4, readout=ValuePath(), keys=True
    )
    return PixelSegmentor(
        trunk=trunk,
        text=TextClasses(tower),
        head=CosinePixelHead(**head),
        refinements=refinements,
        settings=settings,
        criterion=criterion,
    ).eval()


@torch.no_grad()
def test_refined_scores_are_the_papers():
    """Values without attention, unit norm, cosines; denoised, then smoothed by keys."""
    model = segmentor([PromptDenoise(0.3), KeySmooth(1.0)], scale=100.0)
    images = torch.rand(1, 3, 16, 24)
    text = model.text(NAMES)
    tokens, _ = model.trunk.before_last(images)
    block = model.trunk.resblocks[-1]
    inputs = block.ln_1(tokens)[0, 1:]
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    keys = inputs @ weight[16:32].T + bias[16:32]
    values = block.attn.out_proj(inputs @ weight[32:].T + bias[32:])
    places = F.normalize(model.trunk.ln_post(values) @ model.trunk.proj, dim=-1)
    scores = places @ text.classes.T  # [6, 4]
    sure = (100 * scores).softmax(dim=1).amax(dim=0)
    gone = (sure < 0.3) & (sure < sure.max())
    scores = torch.where(gone, torch.tensor(-100.0), scores)
    alike = F.normalize(keys, dim=1) @ F.normalize(keys, dim=1).T
    smooth = (alike @ (100 * scores).softmax(dim=1)).clamp(min=1e-12)
    expected = smooth / smooth.sum(dim=1, keepdim=True)
    found = model.look(images, text)[0].flatten(1).T.exp()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def student():
    teacher = segmentor()
    part = MaskclipLabels(trunk=teacher.trunk, head=teacher.head, pixels="novel", guided=1)
    settings = PixelSettings(names=PixelNames(novel=True), labels=part)
    return segmentor(settings=settings, criterion=PixelCrossEntropy(), unit=False, scale=1.0)


def batch():
    torch.manual_seed(1)
    return [
        Sample(
            torch.rand(3, 32, 32),
            i + 1,
            original_size=(32, 32),
            semantic=torch.randint(-1, 4, (32, 32)),
        )
        for i in range(2)
    ]


def test_the_student_learns_and_the_teacher_does_not():
    model = student().train()
    before = {k: v.clone() for k, v in model.labels.state_dict().items() if k != "step"}
    for _ in range(2):  # guided, then by itself
        losses = model.loss(batch(), NAMES)
        losses["loss_pixel"].backward()
    assert model.trunk.proj.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.labels.parameters())
    assert all(torch.equal(model.labels.state_dict()[k], v) for k, v in before.items())
    assert model.labels.step == 2
    assert model.segment(batch(), Vocabulary.of(["zebra"]))[0].shape == (32, 32)


def test_a_step_in_half_precision():
    model = student().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(batch(), NAMES)["loss_pixel"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
