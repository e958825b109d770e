"""F-VLM is made of shared parts; the config must put them together as the paper does."""

import pytest
import torch
from contracts import ASKED, LEARNT, ROOT, build_tiny
from torch import nn

from ovdet.heads import TowerEmbedder
from ovdet.ops import pyramid_roi_align, unit_norm
from ovdet.structures import Regions, batch_images
from ovdet.vision import TowerPyramid

CONFIG = ROOT / "configs/methods/fvlm/fvlm_tiny_stickers.py"


@pytest.fixture(scope="module")
def case():
    return build_tiny(CONFIG)


def regions():
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62], [0, 0, 64, 64]])
    return Regions(boxes, torch.tensor([0, 1, 1]))


def softmax_beside_background(embeddings, classes, background, scale):
    rows = torch.cat([classes, background])
    return (scale * unit_norm(embeddings) @ rows.T).softmax(dim=1)


def transcribed(model, samples, vocabulary, alpha=0.35, beta=0.65):
    """Score regions by the paper's equations, one line each."""
    images = batch_images(samples, stride=32)
    classes = model.text(vocabulary).classes
    # With random weights each classifier's word comes from a text tower of its own.
    nothing = [branch.classifier.background_vector for branch in model.branches]
    tower, pool = model.trunk.trunk.module, model.branches[1].embedder.pool.module
    top = tower(images)[-1]
    grid = pyramid_roi_align([top], regions(), 4, 64)  # [R, c, 4, 4]
    cells = grid.flatten(2)
    attention = pool.weigh(grid).flatten(2).softmax(dim=2)
    view = pool.project((cells * attention).sum(dim=2))
    w = softmax_beside_background(view, classes, nothing[1], 28.0)
    found = model.branches[0].embedder(model.trunk(images), regions(), 64)
    z = softmax_beside_background(found, classes, nothing[0], 50.0)
    novel = torch.tensor(vocabulary.novel_mask)
    base_scores = z[:, :-1] ** (1 - alpha) * w[:, :-1] ** alpha
    novel_scores = z[:, :-1] ** (1 - beta) * w[:, :-1] ** beta
    scores = torch.where(novel, novel_scores, base_scores)
    every = torch.cat([scores, z[:, -1:]], dim=1)  # the background is the detector's
    return (every / every.sum(dim=1, keepdim=True))[:, :-1]


@pytest.mark.parametrize("vocabulary", [LEARNT, ASKED], ids=["learnt", "asked"])
def test_scores_are_the_papers(case, vocabulary):
    model = case.model.eval()
    with torch.no_grad():
        found = model.name_regions(case.samples, regions(), vocabulary)
        expected = transcribed(model, case.samples, vocabulary)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_no_region_no_score(case):
    with torch.no_grad():
        found = case.model.eval().name_regions(case.samples, Regions.empty(), ASKED)
    assert found.shape == (0, len(ASKED))


def test_only_the_detectors_own_parts_learn():
    model = build_tiny(CONFIG).model
    learnt = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert learnt == {"trunk", "proposals", "branches", "boxes", "masks"}
    of_trunk = [n for n, p in model.trunk.named_parameters() if p.requires_grad]
    assert of_trunk
    assert all(name.startswith("pyramid.") for name in of_trunk)
    assert not any(p.requires_grad for p in model.branches[1].parameters())


def test_a_step_in_half_precision_moves_the_heads_and_not_the_tower():
    case = build_tiny(CONFIG)
    model = case.model
    tower = {k: v.clone() for k, v in model.trunk.trunk.state_dict().items()}
    background = model.branches[0].classifier.background_vector.clone()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    before = model.branches[0].embedder.project.weight.detach().clone()
    with torch.autocast("cpu", torch.bfloat16):
        total = case.total()
    total.backward()
    optimizer.step()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert model.branches[0].classifier.log_temperature.item() != 0
    assert not torch.equal(model.branches[0].embedder.project.weight, before)
    after = model.trunk.trunk.state_dict()
    assert all(torch.equal(tower[k], after[k]) for k in tower)  # running statistics too
    assert torch.equal(model.branches[0].classifier.background_vector, background)


class Patches(nn.Module):
    """A ViT's outside: one level of tokens, and the same projected into the text space."""

    widths = (256,)

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 256, 16, 16)
        self.project = nn.Conv2d(256, 128, 1)

    def forward(self, images):
        tokens = self.patches(images)
        return [tokens, unit_norm(self.project(tokens).movedim(1, -1)).movedim(-1, 1)]


def test_a_vit_serves_as_well():
    case = build_tiny(CONFIG)
    model = case.model
    model.trunk = TowerPyramid(Patches(), width=64, extra=True)
    model.proposals.rpn.anchor_generator.sizes = ((32,), (64,))
    model.proposals.rpn.anchor_generator.cell_anchors = (
        model.proposals.rpn.anchor_generator.cell_anchors[1:]
    )
    model.proposals.levels = 2
    model.branches[0].embedder.levels = model.masks.levels = 1
    model.branches[1].embedder = TowerEmbedder()
    losses = case.losses()
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(p.grad is None for p in model.trunk.trunk.parameters())
    with torch.no_grad():
        found = model.eval().predict(case.samples, ASKED)
    assert [len(one) > 0 for one in found] == [True, True]
