import pytest
import torch
from contracts import ASKED, LEARNT, sample
from torch import nn

from ovdet.detectors import AllNames, DenseDetector, DenseSettings, Selection
from ovdet.ops import unit_norm
from ovdet.structures import DensePrediction, InputError, Regions, Sample, Text, Vocabulary

STRIDE, DIM = 8, 6
MANY = Vocabulary.of([f"thing {i * 37 % 101}" for i in range(70)])


class Words(nn.Module):
    """A name's vector depends on its letters alone."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(128, DIM, generator=torch.Generator().manual_seed(1)))

    def encode_words(self, words):
        sums = [sum(self.table[ord(c)] * (i + 1) for i, c in enumerate(word)) for word in words]
        return unit_norm(torch.stack(sums))

    def forward(self, vocabulary):
        return Text(classes=self.encode_words(vocabulary.names))


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, DIM, STRIDE, STRIDE)

    def forward(self, images):
        return [self.conv(images)]


class Head(nn.Module):
    """The cosine of every cell, and the cell itself as box."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, levels, text, images):
        self.calls += 1
        cells = levels[0].flatten(2).transpose(1, 2)  # [B, P, D]
        h, w = levels[0].shape[-2:]
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        corner = torch.stack([x, y], dim=-1).reshape(-1, 2).float() * STRIDE
        places = torch.cat([corner, corner + STRIDE], dim=1)
        boxes = places.expand(len(images), -1, -1)
        empty = DensePrediction(boxes, cells, places, cells[..., 0], unit_norm(cells))
        return DensePrediction(
            boxes, self.compare(empty, text), places, cells[..., 0], empty.embeddings
        )

    def compare(self, prediction, text):
        return 5 * prediction.embeddings @ text.classes.T

    def scores(self, logits, text):  # noqa: ARG002 - another head reads it
        return logits.sigmoid()


class Criterion(nn.Module):
    def forward(self, prediction, truth, asked, text):
        self.seen = (prediction, truth, asked, text)
        return {"loss_class": (prediction.logits * asked[:, None]).square().mean()}


class Mix(nn.Module):
    """Names of a chunk see each other, and the features see their mean."""

    def forward(self, levels, text):
        mean = text.classes.mean(dim=0)
        classes = unit_norm(text.classes + 0.3 * mean)
        return [level + mean[:, None, None] for level in levels], Text(classes=classes)


class Watcher(nn.Module):
    def forward(self, flow):
        self.flow = flow
        return {"loss_watch": flow.dense.logits.sum() * 0}


def detector(fusion=None, **settings):
    torch.manual_seed(0)
    chosen = settings.pop("selection", Selection(nms=None))
    model = DenseDetector(
        trunk=Trunk(),
        text=Words(),
        head=Head(),
        criterion=Criterion(),
        fusion=fusion,
        settings=DenseSettings(selection=chosen, **settings),
    )
    model.vocabulary = LEARNT
    return model


def samples(model):
    made = [sample(model, i) for i in range(2)]
    return [Sample(s.image, s.image_id, "", s.original_size, truth=s.truth) for s in made]


def same(one, other):
    assert torch.equal(one.scores, other.scores)
    assert torch.equal(one.boxes, other.boxes)


def test_no_vocabulary_is_told():
    model = detector()
    model.vocabulary = None
    with pytest.raises(InputError, match="has no vocabulary"):
        model(samples(model), mode="predict")


def test_the_loss_reaches_trunk_and_text():
    model = detector()
    model(samples(model), mode="loss")["loss_class"].backward()
    assert model.trunk.conv.weight.grad.abs().sum() > 0
    assert model.text.table.grad.abs().sum() > 0


def test_novel_names_are_not_asked_for():
    model = detector()
    model(samples(model), mode="loss")
    asked = model.criterion.seen[2]
    assert asked.tolist() == [[True, True, False]] * 2
    oracle = detector(names=AllNames(novel=True))
    oracle(samples(oracle), mode="loss")
    assert oracle.criterion.seen[2].all()


def test_images_without_boxes_give_the_criterion_nothing():
    model = detector(objectives=[Watcher()])
    given = samples(model)
    given[0].boxed = False
    assert set(model(given, mode="loss")) == {"loss_class", "loss_watch"}
    prediction, truth, asked, _ = model.criterion.seen
    assert len(prediction.boxes) == len(truth) == len(asked) == 1
    assert torch.equal(truth[0].labels, given[1].truth.labels)
    assert len(model.objectives[0].flow.dense.boxes) == 2
    given[1].boxed = False
    assert set(model(given, mode="loss")) == {"loss_watch"}


@torch.no_grad()
def test_scores_and_boxes_by_hand():
    model = detector().eval()
    given = samples(model)[:1]
    found = model.predict(given, ASKED, threshold=0.0, top_k=10_000)[0]
    cells = unit_norm(model.trunk(given[0].image[None])[0][0].flatten(1).T)  # [64, D]
    scores = (5 * cells @ model.text(ASKED).classes.T).sigmoid()
    assert len(found) == scores.numel()
    corner = (found.boxes[:, :2] / STRIDE).long()
    place = corner[:, 1] * 8 + corner[:, 0]
    torch.testing.assert_close(found.scores, scores[place, found.labels])
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    top = model.predict(given, ASKED, threshold=0.6, top_k=5)[0]
    assert len(top) == 5
    same(top, found[:5])
    assert len(model.predict(given, ASKED, threshold=1.0)[0]) == 0


@torch.no_grad()
def test_suppression_where_it_is_asked_for():
    model = detector(selection=Selection(nms=0.5, top=1000)).eval()
    wide = lambda levels, text, images: spread(Head(), levels, text, images)  # noqa: E731
    model.head.forward = wide
    found = model.predict(samples(model)[:1], ASKED)[0]
    assert len(found) == len(ASKED)  # all places claim the whole picture: one a class is left
    assert found.labels.unique().numel() == len(ASKED)


def spread(head, levels, text, images):
    prediction = head(levels, text, images)
    prediction.boxes = torch.tensor([0.0, 0, 64, 64]).expand_as(prediction.boxes)
    return prediction


@torch.no_grad()
@pytest.mark.parametrize("fusion", [None, Mix()])
def test_the_order_of_names_changes_nothing(fusion):
    model = detector(fusion, chunk=16).eval()
    given = samples(model)
    turned = list(reversed(range(len(MANY))))
    for one, other in zip(
        model.predict(given, MANY), model.predict(given, MANY.pick(turned)), strict=True
    ):
        same(one, other)
        assert one.labels.tolist() == [turned[label] for label in other.labels.tolist()]


@torch.no_grad()
def test_without_fusion_chunks_and_company_change_nothing_at_all():
    given = samples(None)
    whole = detector().eval().predict(given, MANY)
    for chunk in (1, 17, 70):
        cut = detector(chunk=chunk).eval().predict(given, MANY)
        for one, other in zip(whole, cut, strict=True):
            same(one, other)
            assert torch.equal(one.labels, other.labels)
    alone = detector().eval().predict(given, Vocabulary.of([MANY.names[3]]), top_k=10_000)
    every = detector(selection=Selection(nms=None, candidates=10_000)).eval()
    for one, other in zip(alone, every.predict(given, MANY, top_k=10_000), strict=True):
        named = other[other.labels == 3]
        assert len(one) == len(named)
        torch.testing.assert_close(one.scores, named.scores)


@torch.no_grad()
def test_with_fusion_each_chunk_goes_through_once():
    model = detector(Mix(), chunk=20).eval()
    cut = model.predict(samples(model), MANY)[0]
    assert model.head.calls == 4
    whole = detector(Mix()).eval().predict(samples(model), MANY)[0]
    assert not torch.equal(cut.scores, whole.scores)  # names see the names of their chunk


@torch.no_grad()
def test_fusion_joins_text_and_features_before_the_head():
    model = detector(Mix())
    flow = model.begin(samples(model), LEARNT)
    plain = detector().begin(samples(model), LEARNT)
    levels, text = Mix()(plain.features, plain.text)
    torch.testing.assert_close(flow.features[0], levels[0])
    torch.testing.assert_close(flow.text.classes, text.classes)


@torch.no_grad()
def test_boxes_come_back_in_px_of_the_stored_image():
    model = detector().eval()
    one = samples(model)[0]
    half = Sample(one.image, 1, original_size=(128, 32), scale=(2.0, 0.5))
    plain = model.predict([one], ASKED)[0].boxes
    scaled = model.predict([half], ASKED)[0].boxes
    torch.testing.assert_close(scaled, plain / torch.tensor([2.0, 0.5, 2.0, 0.5]))


@torch.no_grad()
def test_nothing_is_found_in_the_padding():
    model = detector().eval()
    wide = Sample(torch.rand(3, 40, 100), 9, original_size=(40, 100))
    found = model.predict([wide, samples(model)[0]], ASKED, top_k=10_000)[0]
    assert len(found) == 5 * 13 * len(ASKED)  # cells of 8 px that reach into 40 x 100 px
    assert found.boxes[:, 2].max() == 100
    assert found.boxes[:, 3].max() == 40


@torch.no_grad()
def test_quality_ranks_where_it_is_asked_for():
    model = detector(use_quality=True, selection=Selection(nms=None, candidates=10_000)).eval()
    found = model.predict(samples(model)[:1], ASKED, top_k=10_000)[0]
    plain = detector(selection=Selection(nms=None, candidates=10_000)).eval()
    raw = plain.predict(samples(model)[:1], ASKED, top_k=10_000)[0]
    cells = model.trunk(samples(model)[0].image[None])[0][0, 0].sigmoid()
    corner = (raw.boxes[:, :2] / STRIDE).long()
    expected = (raw.scores * cells[corner[:, 1], corner[:, 0]]).sqrt().sort(descending=True)[0]
    torch.testing.assert_close(found.scores, expected)


@torch.no_grad()
def test_embeddings_can_be_looked_for():
    model = detector().eval()
    given = samples(model)
    vocabulary = Vocabulary.of(sorted(ASKED.names))
    named = model.predict(given, vocabulary)
    like = model.find(given, model.text(vocabulary).classes)
    for one, other in zip(named, like, strict=True):
        same(one, other)
    with pytest.raises(InputError, match="needs names"):
        detector(Mix()).find(given, torch.zeros(1, DIM))


def test_a_chunk_holds_at_least_one_name():
    with pytest.raises(InputError, match="at least 1 name, got 0"):
        DenseSettings(chunk=0)


def test_nothing_to_learn_from_is_no_crash():
    model = detector()
    given = samples(model)
    for one in given:
        one.truth = Regions.empty()
    assert torch.isfinite(model(given, mode="loss")["loss_class"])


def test_a_head_that_cannot_represent_a_box_is_told():
    detector = DenseDetector(trunk=Trunk(), text=Words(), head=Head(), criterion=nn.Identity())
    regions = Regions(torch.tensor([[0.0, 0, 8, 8]]), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(InputError, match="with a Head has no embedding of what a box shows"):
        detector.embed_boxes([Sample(torch.rand(3, 16, 16), 0)], regions)
