import math

import pytest
import torch
import torch.nn.functional as F

from ovdet.methods.detic import DeticCaptions, DeticImageLabels
from ovdet.ops import unit_norm
from ovdet.structures import Flow, Regions, Sample, Vocabulary
from ovdet.text import TinyTextTransformer

NAMES = Vocabulary.of(["cat", "dog", "bus"])
BOXES = [[0.0, 0, 8, 8], [4, 4, 20, 24], [2, 2, 12, 12]]  # the second is the largest
# What the classifier thinks of each proposal, [P, C].
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-0.5, 0.25, 1.0], [0.0, 3.0, -2.0], [1.0, 1.5, -1.0]])


def sample(positive=(), *, boxed=False, captions=(), side=32):
    return Sample(torch.rand(3, side, side), 1, positive=positive, boxed=boxed, captions=captions)


def flow(samples, boxes=BOXES, logits=LOGITS):
    """Return a flow whose every picture has the same proposals; region i gets row i of logits."""
    each = Regions(torch.tensor(boxes).reshape(-1, 4), torch.zeros(len(boxes), dtype=torch.int64))
    record = Flow(torch.rand(len(samples), 3, 32, 32), samples, NAMES)
    record.proposals = Regions.gather([each] * len(samples))
    record.features = [torch.zeros(1, 2, 4, 4, requires_grad=True)]
    record.asked = []

    def embed(regions, branch):
        record.asked.append((regions, branch))
        place = torch.cat(
            [torch.arange(int((regions.owner == i).sum())) for i in range(len(samples))]
        )
        return logits[place]

    record.embed = embed
    record.classify = lambda embeddings, _branch: embeddings
    return record


def one_hot_loss(row, label):
    """Binary cross entropy by its definition: -log p of the label, -log(1 - p) of the others."""
    probabilities = [1 / (1 + math.exp(-x)) for x in row.tolist()]
    return sum(-math.log(p if c == label else 1 - p) for c, p in enumerate(probabilities))


LOSSES = [[one_hot_loss(row, label) for label in range(3)] for row in LOGITS]


@pytest.mark.parametrize(
    ("select", "label", "proposal"),
    [
        ("max_size", 0, 1),
        ("max_size", 1, 1),
        ("max_score", 0, 0),
        ("max_score", 1, 2),
        ("first", 2, 0),
        ("image", 1, 3),  # behind the three proposals
        ("min_loss", 0, min(range(3), key=lambda i: LOSSES[i][0])),
        ("min_loss", 2, min(range(3), key=lambda i: LOSSES[i][2])),
    ],
)
def test_which_proposal_learns(select, label, proposal):
    found = DeticImageLabels(select=select, weight=0.5)(flow([sample((label,))]))
    assert found["loss_image_labels"].item() == pytest.approx(
        0.5 * LOSSES[proposal][label], rel=1e-5
    )


def test_labels_one_at_a_time_then_a_mean_over_labels_and_pictures():
    samples = [sample((0, 1)), sample((2,))]
    loss = DeticImageLabels(weight=1.0)(flow(samples))["loss_image_labels"]
    of_first = (LOSSES[1][0] + LOSSES[1][1]) / 2  # the other label is a negative in each term
    assert loss.item() == pytest.approx((of_first + LOSSES[1][2]) / 2, rel=1e-5)


def test_only_the_best_proposals_take_part():
    record = flow([sample((0,))])
    loss = DeticImageLabels(count=1, weight=1.0)(record)["loss_image_labels"]
    assert loss.item() == pytest.approx(LOSSES[0][0], rel=1e-5)
    assert len(record.asked[0][0]) == 1
    assert record.asked[0][1] == 0


def test_boxed_and_unlabelled_pictures_are_left_out():
    samples = [sample((1,), boxed=True), sample((0,)), sample()]
    record = flow(samples)
    loss = DeticImageLabels(weight=1.0)(record)["loss_image_labels"]
    assert loss.item() == pytest.approx(LOSSES[1][0], rel=1e-5)
    assert record.asked[0][0].owner.tolist() == [1, 1, 1]


def test_the_whole_picture_is_asked_without_its_padding():
    record = flow([sample((0,), side=20)])
    DeticImageLabels(select="image")(record)
    assert record.asked[0][0].boxes[-1].tolist() == [0, 0, 20, 20]
    assert len(record.asked[0][0]) == 4


def test_no_proposal_leaves_the_whole_picture():
    record = flow([sample((0,))], boxes=[])
    loss = DeticImageLabels(weight=1.0)(record)["loss_image_labels"]
    assert loss.item() == pytest.approx(LOSSES[0][0], rel=1e-5)


def test_wsddn_against_its_equation():
    torch.manual_seed(0)
    part = DeticImageLabels(select="wsddn", weight=1.0, dim=3)
    loss = part(flow([sample((1,))]))["loss_image_labels"]
    logits = LOGITS[:3]
    shares = unit_norm(part.attend(logits)).softmax(dim=0)
    shown = (logits.sigmoid() * shares).sum(dim=0)
    expected = F.binary_cross_entropy(shown, torch.tensor([0.0, 1, 0]), reduction="sum")
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in part.parameters() if p.ndim == 2)


@pytest.mark.parametrize("samples", [[sample((0,), boxed=True)], [sample()]])
def test_nothing_to_learn_is_a_graph(samples):
    record = flow(samples)
    loss = DeticImageLabels()(record)["loss_image_labels"]
    loss.backward()
    assert loss.item() == 0
    assert record.features[0].grad is not None


@pytest.mark.parametrize("select", ["max_size", "max_score", "min_loss", "wsddn"])
def test_half_precision_stays_finite(select):
    wild = (LOGITS * 60).to(torch.bfloat16).requires_grad_()
    part = DeticImageLabels(select=select, dim=3 if select == "wsddn" else None)
    record = flow([sample((0, 2))], logits=wild)
    record.classify = lambda embeddings, _branch: embeddings.float()
    with torch.autocast("cpu", torch.bfloat16):
        loss = part(record)["loss_image_labels"]
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(wild.grad).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "largest"}, "select must be one of .* got 'largest'"),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"select": "wsddn"}, "dim goes with select 'wsddn' alone, got None"),
        ({"dim": 8}, "dim goes with select 'wsddn' alone, got 8 with 'max_size'"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        DeticImageLabels(**options)


def captions(**options):
    torch.manual_seed(0)
    encoder = TinyTextTransformer(dim=3, width=16, layers=1, heads=2)
    return DeticCaptions(encoder, **options)


def test_captions_against_the_equation():
    part = captions(scale=5.0, weight=1.0)
    samples = [sample(captions=("a cat",)), sample(boxed=True), sample(captions=("two dogs",))]
    student = unit_norm(torch.tensor([[1.0, 2, 3], [-1, 0, 1]])).requires_grad_()
    record = flow(samples)
    record.embed = lambda regions, branch: (record.asked.append((regions, branch)), student)[1]
    loss = part(record)["loss_captions"]
    logits = 5 * student @ part.encoder.encode(["a cat", "two dogs"]).T
    target = torch.eye(2)
    expected = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / 2
    torch.testing.assert_close(loss, expected)
    assert record.asked[0][0].owner.tolist() == [0, 2]
    assert record.asked[0][0].boxes.tolist() == [[0, 0, 32, 32]] * 2
    loss.backward()
    assert student.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in part.parameters())


def test_one_caption_is_drawn_of_several():
    part = captions(scale=5.0)
    record = flow([sample(captions=("a cat", "two dogs"))])
    record.embed = lambda _regions, _branch: unit_norm(torch.tensor([[1.0, 2, 3]]))
    seen = {part(record)["loss_captions"].item() for _ in range(20)}
    assert len(seen) == 2


def test_without_captions_there_is_a_graph():
    record = flow([sample((0,))])
    loss = captions().train()(record)["loss_captions"]
    loss.backward()
    assert loss.item() == 0
    assert record.features[0].grad is not None


def test_the_encoder_stays_in_evaluation_mode():
    part = captions().train()
    assert part.training
    assert not part.encoder.training
