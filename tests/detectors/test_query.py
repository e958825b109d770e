import pytest
import torch
from contracts import ASKED, LEARNT, ROOT, build_tiny, sample, without_weights
from mmengine.config import Config
from torch import nn

from ovdet.detectors import QuerySettings
from ovdet.registry import build
from ovdet.structures import Conditions, InputError, Regions, Sample, Vocabulary

CONFIG = ROOT / "configs/base/models/query_tiny.py"
MANY = Vocabulary.of([f"thing {i}" for i in range(8)])
LOSSES = {f"loss_{name}_{layer}" for name in ("class", "distance", "overlap") for layer in (0, 1)}
LOSSES |= {f"loss_proposal_{name}" for name in ("class", "distance", "overlap")}


class Asked(nn.Module):
    """Conditions of every class in turn; what is seen is added with the opposite sign."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(128, 96)

    def forward(self, conditions):
        sign = torch.where(conditions.seen, -1.0, 1.0)[:, None]
        return sign * self.project(conditions.vectors)

    def draw(self, flow):
        classes = flow.text.classes
        seen = torch.zeros(len(classes), dtype=torch.bool)
        return Conditions(torch.arange(len(classes)), classes, seen)


class Watcher(nn.Module):
    """Keeps the flow it was shown."""

    def forward(self, flow):
        self.flow = flow
        return {"loss_watch": flow.proposals.scores.sum() * 0}


def config():
    return without_weights(Config.fromfile(CONFIG).to_dict())["model"]


def moving(model):
    """Let untrained movers move: else all layers' boxes are the first guesses."""
    for mover in [*model.decoder.movers, model.proposals.mover]:
        nn.init.normal_(mover.layers.last.weight, std=0.1)
    return model


@pytest.fixture
def case():
    made = build_tiny(CONFIG)
    moving(made.model)
    return made


@pytest.fixture
def conditional():
    torch.manual_seed(0)
    changes = {
        "classifier": {"type": "ConditionClassifier", "width": 96, "layers": 2},
        "conditions": {"type": Asked},
    }
    model = moving(build(config() | changes, "model"))
    model.vocabulary = LEARNT
    return model


def test_the_losses_of_proposals_and_layers(case):
    assert set(case.losses()) == LOSSES


def test_a_batch_without_objects_can_be_learnt_from(case):
    for one in case.samples:
        one.truth = Regions.empty()
    total = case.total()
    total.backward()
    assert torch.isfinite(total)


def test_no_vocabulary_is_told(case):
    case.model.vocabulary = None
    with pytest.raises(InputError, match="has no vocabulary"):
        case.model(case.samples, mode="predict")


@torch.no_grad()
def test_best_first_and_within_the_limits(case):
    found = case.model.eval().predict(case.samples, ASKED, threshold=0.001, top_k=7)
    for one in found:
        assert 0 < len(one) <= 7
        assert one.scores.tolist() == sorted(one.scores.tolist(), reverse=True)
        assert one.scores.min() > 0.001
        assert one.labels.max() < len(ASKED)


@torch.no_grad()
def test_nothing_found_is_an_answer(case):
    found = case.model.eval().predict(case.samples, ASKED, threshold=1.0)
    assert [len(one) for one in found] == [0, 0]


@torch.no_grad()
def test_an_image_does_not_depend_on_its_company(case):
    model = case.model.eval()
    together = model.predict(case.samples, ASKED)
    alone = [model.predict([one], ASKED)[0] for one in case.samples]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.boxes, other.boxes, rtol=1e-3, atol=1e-2)


def test_images_of_different_sizes_in_one_batch(case):
    small = sample(case.model, 1)
    wide = Sample(torch.rand(3, 40, 100), 9, original_size=(40, 100), truth=small.truth[:0])
    case.samples.append(wide)
    assert torch.isfinite(case.total())
    found = case.model.eval().predict([wide, case.samples[0]], ASKED)
    assert found[0].boxes[:, 2].max() <= 100
    assert found[0].boxes[:, 3].max() <= 40
    sides = found[0].boxes[:, 2:] - found[0].boxes[:, :2]
    assert sides.min() > 0, "what lies in the padding is no box of the picture"


@torch.no_grad()
def test_boxes_come_back_in_px_of_the_stored_image(case):
    model, one = case.model.eval(), case.samples[0]
    half = Sample(one.image, 1, original_size=(128, 32), scale=(2.0, 0.5))
    plain = model.predict([one], ASKED)[0].boxes
    scaled = model.predict([half], ASKED)[0].boxes
    torch.testing.assert_close(scaled, plain / torch.tensor([2.0, 0.5, 2.0, 0.5]))


@torch.no_grad()
def test_finding_the_words_vectors_is_predicting(case):
    model = case.model.eval()
    words = model.text(ASKED).classes
    for one, other in zip(
        model.predict(case.samples, ASKED), model.find(case.samples, words), strict=True
    ):
        assert torch.equal(one.labels, other.labels)
        torch.testing.assert_close(one.scores, other.scores)


def test_from_images_without_boxes_only_objectives_learn(case):
    watcher = Watcher()
    case.model.objectives.append(watcher)
    for one in case.samples:
        one.boxed = False
    assert set(case.losses()) == {"loss_watch"}
    assert set(watcher.flow.proposals.owner.tolist()) == {0, 1}
    assert watcher.flow.decoded[0].matches is None


def test_boxed_images_beside_others_learn_as_ever(case):
    watcher = Watcher()
    case.model.objectives.append(watcher)
    case.samples[0].boxed = False
    assert set(case.losses()) == LOSSES | {"loss_watch"}
    for layer in watcher.flow.decoded:
        assert (layer.matches[0] == -1).all()
        assert sorted(layer.matches[1][layer.matches[1] >= 0].tolist()) == [0, 1]


def test_novel_columns_learn_nothing(case):
    """The text of a novel class moves no weight: another vector in its place changes nothing."""
    losses = case.losses()
    other = Vocabulary(("cat", "red car", "lamp"), novel=(False, False, True))
    case.model.vocabulary = other
    for name, value in case.losses().items():
        torch.testing.assert_close(value, losses[name])


def test_each_block_learns_from_the_objects_of_its_class(conditional):
    watcher = Watcher()
    conditional.objectives.append(watcher)
    samples = [sample(conditional, i) for i in range(2)]
    losses = conditional(samples, mode="loss")
    assert set(losses) == LOSSES | {"loss_watch"}
    for layer in watcher.flow.decoded:
        assert layer.logits.shape == (2, 3, conditional.proposals.count, 1)
        for image, one in enumerate(samples):
            for block in range(3):
                own = layer.matches[image, block]
                expected = (one.truth.labels == block).nonzero().flatten().tolist()
                assert sorted(own[own >= 0].tolist()) == expected


def as_table(found):
    """Return (label, score, box) of an image's regions, in an order of their own."""
    order = sorted(range(len(found)), key=lambda i: (int(found.labels[i]), -float(found.scores[i])))
    return found.labels[order], found.scores[order], found.boxes[order]


@torch.no_grad()
@pytest.mark.parametrize("chunk", [1, 3, 4, 8, 100])
def test_chunks_change_nothing(conditional, chunk):
    model, samples = conditional.eval(), [sample(conditional, i) for i in range(2)]
    calls = count_decodings(model)
    model.settings = QuerySettings(chunk=3)
    expected = model.predict(samples, MANY, top_k=1000)
    calls.clear()
    model.settings = QuerySettings(chunk=chunk)
    found = model.predict(samples, MANY, top_k=1000)
    assert calls == [min(chunk, 8 - start) for start in range(0, 8, chunk)], "none may be empty"
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in zip(as_table(one), as_table(other), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def count_decodings(model):
    """Note how many conditions each pass of the decoder has."""
    calls = []

    def note(_module, inputs):
        calls.append(len(inputs[2]))

    model.decoder.register_forward_pre_hook(note)
    return calls


@torch.no_grad()
def test_the_image_is_encoded_once(conditional):
    model, seen = conditional.eval(), []
    for part in (model.trunk, model.proposals.encoder):
        part.register_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    model.settings = QuerySettings(chunk=2)
    model.predict([sample(model, 0)], MANY)
    assert seen == ["PyramidTrunk", "QueryEncoder"]


@torch.no_grad()
def test_a_class_is_found_alone_as_among_others(conditional):
    model, samples = conditional.eval(), [sample(conditional, 0)]
    among = model.predict(samples, MANY, top_k=1000)[0]
    for label, name in enumerate(MANY.names):
        alone = model.predict(samples, Vocabulary.of([name]), top_k=1000)[0]
        own = among[among.labels == label]
        torch.testing.assert_close(alone.scores, own.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.boxes, own.boxes, rtol=1e-3, atol=1e-2)


@torch.no_grad()
def test_what_is_seen_is_asked_otherwise_than_what_is_said(conditional):
    model, samples = conditional.eval(), [sample(conditional, 0)]
    classes = model.text(MANY).classes
    said = model.find(samples, classes, seen=False)[0]
    seen = model.find(samples, classes)[0]
    mirrored = model.find(samples, -classes)[0]
    torch.testing.assert_close(said.scores, model.predict(samples, MANY)[0].scores)
    assert not torch.allclose(said.scores, seen.scores)
    assert torch.isfinite(mirrored.scores).all()


def test_a_chunk_has_at_least_one_condition():
    with pytest.raises(InputError, match="chunk must be at least 1 condition, got 0"):
        QuerySettings(chunk=0)
