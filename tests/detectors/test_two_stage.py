import pytest
import torch
from contracts import ASKED, LEARNT, ROOT, build_tiny, sample, without_weights
from mmengine.config import Config

from ovdet.ops import box_iou, unit_norm
from ovdet.registry import build
from ovdet.structures import InputError, Regions, Sample, Vocabulary

CONFIG = ROOT / "configs/base/models/two_stage_tiny.py"


@pytest.fixture
def case():
    return build_tiny(CONFIG)


def variant(**changes):
    """Return the tiny detector with some parts of its config replaced."""
    torch.manual_seed(0)
    config = without_weights(Config.fromfile(CONFIG).to_dict())["model"]
    model = build(config | changes, "model")
    model.vocabulary = LEARNT
    return model


def test_the_losses_of_two_stages(case):
    assert set(case.losses()) == {
        "loss_objectness",
        "loss_rpn_box",
        "loss_class",
        "loss_box",
        "loss_mask",
    }


def test_an_image_without_objects_can_be_learnt_from(case):
    case.samples[0].truth = Regions.empty()
    losses = case.losses()
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["loss_mask"] > 0


def test_a_batch_without_objects_can_be_learnt_from(case):
    for one in case.samples:
        one.truth = Regions.empty()
    total = case.total()
    total.backward()
    assert torch.isfinite(total)


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


def test_no_vocabulary_is_told(case):
    case.model.vocabulary = None
    with pytest.raises(InputError, match="has no vocabulary"):
        case.model(case.samples, mode="predict")


@torch.no_grad()
def test_best_first_and_within_the_limits(case):
    found = case.model.eval().predict(case.samples, ASKED, threshold=0.2, top_k=7)
    for one in found:
        assert 0 < len(one) <= 7
        assert one.scores.tolist() == sorted(one.scores.tolist(), reverse=True)
        assert one.scores.min() > 0.2
        assert one.masks.shape[0] == len(one)
        assert 0 <= one.masks.min() <= one.masks.max() <= 1


@torch.no_grad()
def test_given_boxes_are_named_wherever_they_stand(case):
    model = case.model.eval()
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62], [10, 10, 50, 50]])
    regions = Regions(boxes, torch.tensor([1, 0, 1]))
    scores = model.name_regions(case.samples, regions, ASKED)
    assert scores.shape == (3, len(ASKED))
    assert 0 <= scores.min() <= scores.max() <= 1
    alone = Regions(boxes[2:], torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(model.name_regions(case.samples[1:], alone, ASKED), scores[2:])
    assert model.name_regions(case.samples, regions[:0], ASKED).shape == (0, len(ASKED))


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


@torch.no_grad()
def test_boxes_come_back_in_px_of_the_stored_image(case):
    model, one = case.model.eval(), case.samples[0]
    half = Sample(one.image, 1, original_size=(128, 32), scale=(2.0, 0.5))
    plain = model.predict([one], ASKED)[0].boxes
    scaled = model.predict([half], ASKED)[0].boxes
    torch.testing.assert_close(scaled, plain / torch.tensor([2.0, 0.5, 2.0, 0.5]))


def test_the_flow_answers_questions(case):
    model = case.model.eval()
    flow = model.begin(case.samples, LEARNT)
    regions = Regions(torch.tensor([[4.0, 4, 30, 30]]), torch.tensor([1]))
    embeddings = flow.embed(regions, 0)
    assert embeddings.shape == (1, flow.text.classes.shape[1])
    words = flow.encode_words(["kite", "lamp"])
    torch.testing.assert_close(words.norm(dim=1), torch.ones(2))


def test_boxes_alone():
    model = variant(masks=None)
    samples = [sample(model, 0)]
    assert "loss_mask" not in model(samples, mode="loss")
    assert model.eval().predict(samples, ASKED)[0].masks is None


class Watcher(torch.nn.Module):
    """Keeps the flow it was shown."""

    def forward(self, flow):
        self.flow = flow
        return {"loss_watch": flow.proposals.scores.sum() * 0}


def test_from_images_without_boxes_only_objectives_learn(case):
    watcher = Watcher()
    case.model.objectives.append(watcher)
    for one in case.samples:
        one.boxed = False
    assert set(case.losses()) == {"loss_watch"}
    assert set(watcher.flow.proposals.owner.tolist()) == {0, 1}
    assert len(watcher.flow.regions) == 0


def test_boxed_images_beside_others_learn_as_ever(case):
    watcher = Watcher()
    case.model.objectives.append(watcher)
    case.samples[0].boxed = False
    case.samples[1].truth = case.samples[1].truth.with_(labels=torch.tensor([1, 1]))
    assert {"loss_class", "loss_box", "loss_mask", "loss_objectness"} <= set(case.losses())
    flow = watcher.flow
    assert set(flow.regions.owner.tolist()) == {1}
    assert set(flow.regions.labels.tolist()) <= {1, len(LEARNT)}
    assert flow.proposals.owner.tolist() == sorted(flow.proposals.owner.tolist())
    assert flow.classify(flow.embeddings, 0).shape == flow.logits[0].shape


@torch.no_grad()
def test_proposals_are_scored_best_first(case):
    flow = case.model.eval().begin(case.samples, LEARNT)
    proposals, losses = case.model.proposals(flow.features, flow.images)
    assert losses == {}
    for index in range(2):
        scores = proposals.of_image(index).scores
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        assert 0 <= scores.min() <= scores.max() <= 1


@torch.no_grad()
def test_what_a_box_shows_without_what_is_elsewhere(case):
    model = case.model.eval()
    picture = case.samples[0]
    regions = Regions(torch.tensor([[4.0, 4, 24, 24]]), torch.zeros(1, dtype=torch.int64))
    flow = model.begin([picture], ASKED)
    flow.proposals, _ = model.proposals(flow.features, flow.images)
    apart = box_iou(regions.boxes, flow.proposals.boxes)[0] < 0.1
    assert 0 < apart.sum() < len(apart), "both kinds of proposals must be there to be told apart"
    others = flow.embed(flow.proposals[apart], 0).mean(dim=0)
    expected = unit_norm(flow.embed(regions, 0) - 0.9 * others)
    torch.testing.assert_close(model.embed_boxes([picture], regions), expected)


@torch.no_grad()
def test_a_synonym_takes_nothing_from_its_class(case):
    model = case.model.eval()
    plain = model.predict(case.samples, Vocabulary.of(["cat"]), threshold=0.0)
    twice = Vocabulary(("cat", "Cat"), groups=(0, 0))  # of one vector: cleaned, they are one word
    grouped = model.predict(case.samples, twice, threshold=0.0)
    for one, both in zip(plain, grouped, strict=True):
        cats = both[both.labels == 0]
        torch.testing.assert_close(cats.scores[:20], one.scores[:20])
