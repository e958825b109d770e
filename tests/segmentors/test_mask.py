"""The mask assembly: what it learns from, and what it gives back for each of the three tasks."""

import pytest
import torch
from torch import nn

from ovdet.heads import (
    CosineClassifier,
    FirstScores,
    GeometricScores,
    MaskBranch,
    MaskCropEmbedder,
    MaskProposals,
    MaskSetCriterion,
    PlainMaskDecoder,
    PyramidPixels,
    QueryEmbedder,
)
from ovdet.segmentors import TASKS, MaskSegmentor, MaskSettings
from ovdet.structures import IGNORED, InputError, MaskQueries, Regions, Sample, Text, Vocabulary
from ovdet.text import TextClasses, TinyTextTransformer
from ovdet.vision import SmallImageEncoder, SmallTrunk

NAMES = Vocabulary(("cat", "kite", "dog"), novel=(False, True, False))
OTHERS = Vocabulary.of(["a small zebra", "lamp"])
LOSSES = {f"loss_{name}_{layer}" for name in ("class", "mask", "dice") for layer in (0, 1)}
DIM = 8


def words():
    return TextClasses(TinyTextTransformer(dim=DIM, width=8, layers=1, heads=2, embed_width=4))


def queries():
    classifier = CosineClassifier(DIM, scale=10.0, background="free")
    return MaskBranch(QueryEmbedder(8, DIM), classifier)


def crops(**settings):
    encoder = SmallImageEncoder(SmallTrunk((4, 8)), dim=DIM)
    classifier = CosineClassifier(DIM, scale=10.0, background="none")
    return MaskBranch(MaskCropEmbedder(encoder, size=16), classifier, **settings)


def segmentor(branches=None, scores=None, **facts):
    torch.manual_seed(0)
    own = MaskSegmentor(
        trunk=SmallTrunk((4, 8, 16)),
        text=words(),
        proposals=MaskProposals(
            PyramidPixels((8, 16), width=8),
            PlainMaskDecoder(16, 8, count=6, layers=2, heads=2, hidden=8),
        ),
        branches=branches or [queries()],
        scores=scores or FirstScores(),
        criterion=MaskSetCriterion(),
        **facts,
    )
    own.vocabulary = NAMES
    return own


def sample(height=32, width=40, index=0, **facts):
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(index))
    semantic = torch.full((height, width), IGNORED)
    semantic[:8, :16], semantic[8:16], semantic[16:] = 0, 1, 2
    masks = torch.stack([semantic == 0, semantic == 2])
    truth = Regions(
        torch.zeros(2, 4), torch.zeros(2).long(), labels=torch.tensor([0, 2]), masks=masks
    )
    facts = {"original_size": (height, width), "truth": truth, "semantic": semantic, **facts}
    return Sample(image, index + 1, "a.png", **facts)


@pytest.mark.parametrize("task", TASKS)
def test_learns_from_maps_or_objects(task):
    own = segmentor(task=task)
    losses = own([sample(), sample(24, 40, 1)])
    assert set(losses) == LOSSES
    sum(losses.values()).backward()
    dead = [name for name, p in own.named_parameters() if p.requires_grad and p.grad is None]
    assert not dead
    assert all(p.grad is None for p in own.text.parameters())


class Watcher(nn.Module):
    def forward(self, flow):
        self.flow = flow
        return {"loss_watch": flow.embeddings.sum() * 0}


def test_the_flow_tells_what_was_learnt():
    watcher = Watcher()
    own = segmentor(settings=MaskSettings(objectives=[watcher]))
    own([sample()])
    flow = watcher.flow
    assert flow.vocabulary.names == ("cat", "dog")
    assert flow.embeddings.shape == (6, DIM)
    assert flow.logits[0].shape == (6, 3)
    assert len(flow.masks) == 2
    for layer in flow.masks:
        assert sorted(layer.matches[0].tolist()) == [-1, -1, -1, -1, 0, 1]


@pytest.mark.parametrize("background", ["free", "learned"])
def test_novel_names_change_no_loss(background):
    branch = MaskBranch(QueryEmbedder(8, DIM), CosineClassifier(DIM, background=background))
    own = segmentor([branch])
    first = own([sample()])
    own.vocabulary = Vocabulary(("cat", "boat", "dog"), novel=(False, True, False))
    second = own([sample()])
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}


def test_images_without_labels_teach_objectives_alone():
    blank = {"semantic": None, "boxed": False}
    watcher = Watcher()
    watcher.forward = lambda flow: {"loss_watch": flow.regions.masks.sum()}
    own = segmentor(settings=MaskSettings(objectives=[watcher]))
    assert set(own([sample(**blank)])) == {"loss_watch"}
    both = own([sample(), sample(index=1, **blank)])
    assert set(both) == LOSSES | {"loss_watch"}


def test_an_image_without_a_mask_teaches_the_void():
    empty = sample(semantic=torch.full((32, 40), IGNORED))
    losses = segmentor()([empty])
    assert losses["loss_mask_1"] == losses["loss_dice_1"] == 0
    assert losses["loss_class_1"] > 0
    sum(losses.values()).backward()


@pytest.mark.parametrize("task", TASKS)
def test_a_bfloat16_step_is_finite(task):
    own = segmentor(task=task)
    with torch.autocast("cpu", torch.bfloat16):
        losses = own([sample()])
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in own.parameters() if p.grad is not None)


def test_every_pixel_gets_a_class_of_whatever_vocabulary():
    own = segmentor([queries(), crops(shares_void=True)], GeometricScores(mean_base=True)).eval()
    given = [sample(), sample(24, 40, 1, original_size=(48, 80), scale=(0.5, 0.5))]
    for names in (NAMES, OTHERS, Vocabulary.of(["one"])):
        first, second = own.segment(given, names)
        assert first.shape == (32, 40)
        assert second.shape == (48, 80)
        assert first.dtype is torch.int64
        assert 0 <= first.min() <= first.max() < len(names)


def test_labels_are_the_sums_of_scores_times_masks():
    own = segmentor().eval()
    given = [sample(), sample(24, 40, 1)]
    found = own.segment(given, OTHERS)
    with torch.no_grad():
        flow = own.begin(given, OTHERS)
        _, logits = own.branches[0](flow.features, flow.regions, flow.images, flow.text.classes)
        scores = logits.softmax(dim=1)[:, :-1].unflatten(0, (2, 6))
        masks = nn.functional.interpolate(flow.masks[-1].logits, (32, 64), mode="bilinear")
        sums = torch.einsum("bqc,bqhw->bchw", scores, masks.sigmoid())
    for labels, each, one in zip(found, sums, given, strict=True):
        height, width = one.image.shape[1:]
        assert torch.equal(labels, each[:, :height, :width].argmax(dim=0))


def test_seen_bias_moves_pixels_to_novel_names():
    plain, biased = striped([0, 2, 1]), striped([0, 2, 1], seen_bias=9.0)
    assert (biased.segment([wide()], NAMES)[0] == 1).all()
    assert not (plain.segment([wide()], NAMES)[0] == 1).all()
    same = biased.segment([wide()], OTHERS)[0]  # nothing is novel: all are lowered alike
    assert torch.equal(same, plain.segment([wide()], OTHERS)[0])


def test_instances_are_things_with_masks_of_the_stored_size():
    own = segmentor(settings=MaskSettings(stuff=["kite"], top=5)).eval()
    given = [sample(original_size=(64, 80), scale=(0.5, 0.5))]
    (found,) = own.segment(given, NAMES, "instance")
    assert len(found) == 5
    assert found.masks.shape == (5, 64, 80)
    assert found.masks.dtype is torch.bool
    assert 1 not in found.labels.tolist()
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    found.check("the prediction")
    every = segmentor(settings=MaskSettings(stuff=list(NAMES.names))).eval()
    assert len(every.segment(given, NAMES, "instance")[0]) == 0


class Stripes(nn.Module):
    """Three queries that are sure: each knows its name and a third of the canvas."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors

    def forward(self, levels):
        logits = torch.full((len(levels[0]), 3, 8, 12), -40.0)
        for query in range(3):
            logits[:, query, :, 4 * query : 4 * query + 4] = 40
        return [MaskQueries(self.vectors.expand(len(logits), -1, -1), logits)]


def striped(labels, **settings):
    """A segmentor that sees the names of ``labels`` side by side, left to right."""
    own = segmentor(settings=MaskSettings(**settings)).eval()
    own.masks = Stripes(own.text(NAMES).classes[list(labels)])
    own.branches[0].embedder.project = nn.Identity()
    own.branches[0].classifier.scale = 2000.0
    nn.init.zeros_(own.branches[0].classifier.background_vector)
    return own


def wide(**facts):
    return sample(32, 96, **facts)  # no padding


def test_stripes_are_named():
    (labels,) = striped([2, 0, 1]).segment([wide(original_size=(64, 192), scale=(0.5, 0.5))], NAMES)
    assert labels[:, [10, 100, 180]].unique(dim=0).tolist() == [[2, 0, 1]]


def test_segments_divide_the_picture():
    given = [wide(original_size=(64, 192), scale=(0.5, 0.5))]
    ((ids, classes),) = striped([0, 0, 1]).segment(given, NAMES, "panoptic")
    assert ids.shape == (64, 192)
    assert classes == {1: 0, 2: 0, 3: 1}
    assert ids[:, [10, 100, 180]].unique(dim=0).tolist() == [[1, 2, 3]]
    assert (ids > 0).all()
    ((ids, classes),) = striped([0, 0, 1], stuff=["cat"]).segment(given, NAMES, "panoptic")
    assert classes == {1: 0, 2: 1}
    assert ids[:, [10, 100, 180]].unique(dim=0).tolist() == [[1, 1, 2]]


def test_what_the_settings_do_not_list_is_countable():
    own = segmentor(settings=MaskSettings(stuff=["kite", "sky"]))
    assert own.things(NAMES) == (True, False, True)
    assert own.things(OTHERS) == (True, True)


def test_instances_are_as_sure_as_their_masks():
    (found,) = striped([0, 0, 1], stuff=["cat"], top=1).segment([wide()], NAMES, "instance")
    assert found.labels.tolist() == [1]
    torch.testing.assert_close(found.scores, torch.ones(1), atol=1e-2, rtol=0)
    assert found.boxes.tolist() == [[64, 0, 96, 32]]


def test_unsure_queries_are_void():
    own = segmentor(settings=MaskSettings(object_score=1.0)).eval()
    ((ids, classes),) = own.segment([sample()], NAMES, "panoptic")
    assert not ids.any()
    assert classes == {}


def test_queries_that_are_rather_nothing_are_void():
    own = segmentor(settings=MaskSettings(object_score=0.0)).eval()
    with torch.no_grad():
        flow = own.begin([sample()], NAMES)
        vectors = own.branches[0].embedder([], flow.regions, flow.images)
        own.branches[0].classifier.background_vector.copy_(50 * vectors.mean(0, keepdim=True))
    ((ids, _),) = own.segment([sample()], NAMES, "panoptic")
    assert not ids.any()


def test_a_branch_may_read_words_of_its_own():
    class Ones(nn.Module):
        def forward(self, vocabulary):
            return Text(torch.ones(len(vocabulary), DIM) / DIM**0.5)

    own = segmentor([queries(), crops(text=Ones())], GeometricScores(base_share=1, novel_share=1))
    with torch.no_grad():
        scores, _ = own.eval()._score(own.begin([sample()], NAMES))
    torch.testing.assert_close(scores, torch.full_like(scores, 1 / 3))


def test_no_samples_of_a_task_that_is_none():
    with pytest.raises(InputError, match="can be asked for semantic, instance, panoptic, got 'x'"):
        segmentor().segment([sample()], NAMES, "x")


def test_all_names_novel_is_refused():
    own = segmentor()
    own.vocabulary = Vocabulary(("a",), novel=(True,))
    with pytest.raises(InputError, match="at least one class must not be novel"):
        own([sample()])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"stuff": "road"}, "stuff must be a list of names, got the bare string 'road'"),
        ({"mask_threshold": 1.0}, r"mask_threshold must lie in \(0, 1\), got 1.0"),
        ({"seen_bias": -0.1}, r"seen_bias must lie in \[0, inf\], got -0.1"),
        ({"object_score": 2}, r"object_score must lie in \[0, 1\], got 2"),
        ({"overlap": -1}, r"overlap must lie in \[0, 1\], got -1"),
        ({"top": 0}, "top must be at least 1 instance, got 0"),
        ({"stride": 0}, "stride must be at least 1 px, got 0"),
    ],
)
def test_settings_out_of_range(facts, message):
    with pytest.raises(InputError, match=message):
        MaskSettings(**facts)


def test_a_state_dict_goes_round():
    first, second = segmentor([queries(), crops()]), segmentor([queries(), crops()])
    with torch.no_grad():
        for p in first.parameters():
            p.add_(0.5)
    second.load_state_dict(first.state_dict())
    given = [sample()]
    assert torch.equal(
        first.eval().segment(given, NAMES)[0], second.eval().segment(given, NAMES)[0]
    )
