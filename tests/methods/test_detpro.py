import pytest
import torch

from ovdet.methods.detpro import DetproPrompts
from ovdet.ops import unit_norm
from ovdet.structures import Flow, InputError, Regions, Text, Vocabulary

NAMES = Vocabulary(("cat", "dog", "cup", "kite"), novel=(False, False, False, True))
BACKGROUND = len(NAMES)


def flow(labels, overlaps, embeddings, contexts):
    """Return a flow of regions and of K contexts' classes, [C, K, D]."""
    boxes = torch.tensor([[0.0, 0, 4, 4]]).expand(len(labels), 4)
    regions = Regions(
        boxes,
        torch.zeros(len(labels), dtype=torch.int64),
        scores=torch.tensor(overlaps, dtype=torch.float32),
        labels=torch.tensor(labels, dtype=torch.int64),
        embeddings=embeddings,
    )
    text = Text(unit_norm(contexts.sum(dim=1)), contexts)
    return Flow(torch.zeros(1, 3, 0, 0), [], NAMES, text=text, regions=regions)


def draw(regions, contexts, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(regions, 6, generator=generator, dtype=dtype)
    each = torch.randn(len(NAMES), contexts, 6, generator=generator, dtype=dtype)
    return unit_norm(seen), unit_norm(each).requires_grad_()


def transcribed(record, bands, scale, soft=True):
    """The card's equations, a loop over contexts and regions, novel classes left out."""
    base = [i for i, held in enumerate(NAMES.novel) if not held]
    total = 0.0
    for k, low in enumerate(bands):
        high = bands[k + 1] if k + 1 < len(bands) else 2.0
        classes = record.text.tokens[base, k]
        rows = list(
            zip(record.regions.labels.tolist(), record.regions.scores.tolist(), strict=True)
        )
        positive = [r for r, (c, iou) in enumerate(rows) if c != BACKGROUND and low <= iou < high]
        negative = [r for r, (c, iou) in enumerate(rows) if c == BACKGROUND and 0.1 <= iou < 0.5]
        negative = negative if soft else []
        every = len(positive) + len(negative)
        losses, weights = [], []
        for r in positive + negative:
            log = (scale * record.regions.embeddings[r] @ classes.T).log_softmax(dim=0)
            label = rows[r][0]
            if label == BACKGROUND:
                losses.append(-log.sum() / len(base))
                weights.append(1 / (2 * len(negative) / every))
            else:
                losses.append(-log[base.index(label)])
                count = sum(rows[p][0] == label for p in positive)
                weights.append(1 / (count / every * len(base)))
        if losses:
            weighted = sum(w * loss for w, loss in zip(weights, losses, strict=True))
            total = total + weighted / sum(weights)
    return total


LABELS = [0, 0, 1, 2, 2, 2, 4, 4, 4, 4]
OVERLAPS = [0.55, 0.95, 0.72, 0.58, 1.0, 0.91, 0.0, 0.1, 0.3, 0.49]


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("bands", [(0.5,), (0.5, 0.9), (0.5, 0.6, 0.7, 0.8, 0.9)])
def test_the_loss_is_the_transcribed_one(bands, soft):
    seen, contexts = draw(len(LABELS), len(bands))
    record = flow(LABELS, OVERLAPS, seen, contexts)
    objective = DetproPrompts(4, bands=bands, scale=10.0, soft=soft)
    expected = transcribed(record, bands, 10.0, soft=soft)
    loss = objective(record)["loss_prompts"]
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, contexts)
    (wanted,) = torch.autograd.grad(expected, contexts)
    torch.testing.assert_close(gradient, wanted)


def test_a_novel_class_gets_no_gradient():
    seen, contexts = draw(len(LABELS), 1)
    DetproPrompts(4, bands=(0.5,))(flow(LABELS, OVERLAPS, seen, contexts))[
        "loss_prompts"
    ].backward()
    assert (contexts.grad[:3].abs().sum(dim=(1, 2)) > 0).all()
    assert contexts.grad[3].abs().sum() == 0


def test_doubt_is_the_best_answer_to_background():
    """Equal logits of all base classes cost the logarithm of their number, and no more is right."""
    seen, _ = draw(2, 1)
    same = unit_norm(torch.ones(len(NAMES), 1, 6, dtype=torch.float64)).requires_grad_()
    loss = DetproPrompts(4, bands=(0.5,))(flow([4, 4], [0.2, 0.3], seen, same))["loss_prompts"]
    torch.testing.assert_close(loss, torch.tensor(3.0, dtype=torch.float64).log())


def test_frequencies_are_those_of_all_that_was_seen():
    """After nine dogs a tenth dog weighs a tenth of the only cat."""
    seen, contexts = draw(2, 1)
    objective = DetproPrompts(4, bands=(0.5,), scale=5.0)
    dogs = unit_norm(torch.ones(9, 6, dtype=torch.float64))
    objective(flow([1] * 9, [0.8] * 9, dogs, contexts.detach()))
    loss = objective(flow([0, 1], [0.8, 0.8], seen, contexts))["loss_prompts"]
    log = (5.0 * seen @ contexts[:3, 0].T).log_softmax(dim=1)
    expected = -(10 * log[0, 0] + log[1, 1]) / 11
    torch.testing.assert_close(loss, expected)
    assert objective.counts.tolist() == [[1, 10, 0, 0, 0]]


def test_measuring_counts_nothing():
    seen, contexts = draw(2, 1)
    objective = DetproPrompts(4, bands=(0.5,)).eval()
    objective(flow([0, 1], [0.8, 0.8], seen, contexts))
    assert objective.counts.sum() == 0


def test_a_share_of_the_background_is_drawn():
    seen, contexts = draw(400, 1)
    objective = DetproPrompts(4, bands=(0.5,), share=0.25)
    torch.manual_seed(0)
    objective(flow([4] * 400, [0.3] * 400, seen, contexts))
    assert 70 <= objective.counts[0, -1] <= 130


def test_no_region_is_no_loss_but_a_graph():
    _, contexts = draw(0, 2)
    record = flow([], [], torch.zeros(0, 6), contexts)
    loss = DetproPrompts(4, bands=(0.5, 0.7))(record)["loss_prompts"]
    loss.backward()
    assert loss.item() == 0
    assert contexts.grad is not None


def test_bfloat16_takes_no_bits_from_the_scores():
    seen, contexts = draw(len(LABELS), 1, torch.float32)
    record = flow(LABELS, OVERLAPS, seen, contexts)
    expected = DetproPrompts(4, bands=(0.5,))(record)["loss_prompts"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = DetproPrompts(4, bands=(0.5,))(record)["loss_prompts"]
    assert torch.equal(loss, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bands": (0.5, 0.5)}, r"bands must ascend, got \[0.5, 0.5\]"),
        ({"bands": ()}, "bands must ascend"),
        ({"background": (0.1, 0.6)}, "must be a range below 0.5, got 0.1 to 0.6"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        DetproPrompts(4, **options)


def test_what_does_not_fit_is_told():
    seen, contexts = draw(2, 2)
    record = flow([0, 1], [0.8, 0.8], seen, contexts)
    with pytest.raises(InputError, match="one context a band: 1, got 2"):
        DetproPrompts(4, bands=(0.5,))(record)
    with pytest.raises(InputError, match="at most 3 classes, got 4"):
        DetproPrompts(3, bands=(0.5, 0.7))(record)
