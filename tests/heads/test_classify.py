import math

import pytest
import torch
import torch.nn.functional as F

from ovdet.heads import CosineClassifier, SigmoidClassifier
from ovdet.ops import unit_norm


def unit(rows, dim=8, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return unit_norm(torch.randn(rows, dim, generator=generator, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize(("background", "columns"), [("learned", 4), ("zero", 4), ("none", 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_by_hand(background, columns, dtype):
    classifier = CosineClassifier(8, scale=20.0, background=background).to(dtype)
    regions, classes = unit(5, seed=1, dtype=dtype), unit(3, seed=2, dtype=dtype)
    logits = classifier(regions, classes)
    assert logits.shape == (5, columns)
    torch.testing.assert_close(logits[:, :3], 20 * regions @ classes.T)
    if background == "zero":
        assert logits[:, 3].tolist() == [0.0] * 5
    if background == "learned":
        vector = classifier.background_vector[0]
        torch.testing.assert_close(logits[:, 3], 20 * regions @ (vector / vector.norm()))


def test_a_word_for_the_background_is_kept_and_does_not_learn():
    word = unit(1, seed=3)
    classifier = CosineClassifier(8, scale=20.0, background="text", vector=word)
    regions, classes = unit(5, seed=1), unit(3, seed=2)
    logits = classifier(regions, classes)
    torch.testing.assert_close(logits, 20 * regions @ torch.cat([classes, word]).T)
    assert list(classifier.parameters()) == []
    assert torch.equal(classifier.state_dict()["background_vector"], word)


def test_the_temperature_learns_as_a_factor_that_starts_at_one():
    fixed = CosineClassifier(8, scale=20.0, background="zero")
    classifier = CosineClassifier(8, scale=20.0, background="zero", learn_scale=True)
    regions, classes = unit(5, seed=1), unit(3, seed=2)
    logits = classifier(regions, classes)
    torch.testing.assert_close(logits, fixed(regions, classes))
    novel = torch.zeros(3, dtype=torch.bool)
    classifier.loss(logits, torch.tensor([0, 1, 2, 3, 3]), novel).backward()
    assert classifier.log_temperature.grad.abs() > 0
    with torch.no_grad():
        classifier.log_temperature.fill_(math.log(2))
    torch.testing.assert_close(classifier(regions, classes), fixed(regions, classes) / 2)


def test_background_regions_may_weigh_less():
    classifier = CosineClassifier(8, background="zero", background_weight=0.5)
    logits = torch.tensor([[1.0, 0.0], [3.0, 0.0]])  # one class and the background
    loss = classifier.loss(logits, torch.tensor([0, 1]), torch.tensor([False]))
    of_class = math.log(1 + math.exp(-1))
    of_background = math.log(1 + math.exp(3))
    assert loss.item() == pytest.approx((of_class + 0.5 * of_background) / 2, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cosines_are_taken_in_full_precision(dtype):
    classifier = CosineClassifier(8, scale=100.0, background="text", vector=unit(1, seed=3))
    regions, classes = unit(5, seed=1).to(dtype), unit(3, seed=2)
    with torch.autocast("cpu", torch.bfloat16):
        logits = classifier(regions, classes)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits[:, :3], 100 * regions.float() @ classes.T)


def test_the_vocabulary_is_swapped_by_the_call():
    classifier = CosineClassifier(8)
    regions, first, second = unit(4), unit(3, seed=1), unit(70, seed=2)
    before = classifier(regions, first)
    assert classifier(regions, second).shape == (4, 71)
    torch.testing.assert_close(classifier(regions, first), before)


def test_novel_classes_leave_the_softmax_and_the_logits_stay():
    classifier = CosineClassifier(8, background="zero")
    logits = torch.tensor([[1.0, 9.0, 2.0, 0.0]], requires_grad=True)
    kept = logits.detach().clone()
    loss = classifier.loss(logits, torch.tensor([2]), torch.tensor([False, True, False]))
    loss.backward()
    total = math.exp(1) + math.exp(2) + math.exp(0)  # the novel 9 is not among them
    assert loss.item() == pytest.approx(-math.log(math.exp(2) / total), rel=1e-6)
    assert torch.equal(logits.detach(), kept)
    assert logits.grad[0, 1] == 0


def test_an_oracle_may_learn_novel_classes():
    classifier = CosineClassifier(8, background="zero", mask_novel=False)
    logits = torch.tensor([[1.0, 9.0, 2.0, 0.0]])
    labels, novel = torch.tensor([1]), torch.tensor([False, True, False])
    torch.testing.assert_close(
        classifier.loss(logits, labels, novel), F.cross_entropy(logits, labels)
    )


def test_background_is_learnt_as_the_last_column():
    classifier = CosineClassifier(8)
    logits = classifier(unit(4), unit(3, seed=1))
    loss = classifier.loss(logits, torch.full((4,), 3), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert classifier.background_vector.grad.abs().sum() > 0


def test_no_region_is_no_loss_but_a_graph():
    regions = torch.zeros(0, 8, requires_grad=True)
    classifier = CosineClassifier(8)
    loss = classifier.loss(
        classifier(regions, unit(1)), torch.zeros(0, dtype=torch.int64), torch.tensor([False])
    )
    loss.backward()
    assert loss.item() == 0
    assert regions.grad.shape == (0, 8)


@pytest.mark.parametrize("background", ["learned", "zero"])
def test_the_background_takes_its_share(background):
    classifier = CosineClassifier(8, scale=2.0, background=background)
    logits = classifier(unit(5), unit(3, seed=1))
    probabilities = classifier.probabilities(logits)
    assert probabilities.shape == (5, 3)
    torch.testing.assert_close(probabilities, logits.softmax(dim=1)[:, :3])
    assert (probabilities.sum(dim=1) < 1).all()


def test_without_background_one_class_is_certain():
    classifier = CosineClassifier(8, background="none")
    assert classifier.probabilities(classifier(unit(2), unit(1))).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"background": "black"}, "background must be one of .* got 'black'"),
        ({"scale": 0.0}, r"scale must be positive, got 0\.0"),
        ({"background_weight": 0.0}, r"background_weight must be positive, got 0\.0"),
        ({"background": "text"}, "a vector goes with background 'text' alone, got 'text'"),
        ({"vector": torch.zeros(1, 8)}, "a vector goes .* got 'learned'"),
        (
            {"background": "text", "vector": torch.zeros(1, 9)},
            r"vector must be \[1, 8\], got \[1, 9\]",
        ),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        CosineClassifier(8, **options)


def test_sigmoids_by_hand():
    classifier = SigmoidClassifier(scale=20.0)
    regions, classes = unit(5, seed=1), unit(3, seed=2)
    logits = classifier(regions, classes)
    torch.testing.assert_close(logits, 20 * regions @ classes.T)
    torch.testing.assert_close(classifier.probabilities(logits), 1 / (1 + (-logits).exp()))


def test_a_sum_over_the_classes_asked_and_a_mean_over_regions():
    logits = torch.tensor([[1.0, 9.0, -2.0], [0.0, 9.0, 3.0]], requires_grad=True)
    labels = torch.tensor([0, 3])  # a class, and the background
    loss = SigmoidClassifier().loss(logits, labels, torch.tensor([False, True, False]))
    loss.backward()

    def yes(x):
        return math.log(1 + math.exp(-x))

    expected = (yes(1) + yes(2) + yes(0) + yes(-3)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert logits.grad[:, 1].tolist() == [0, 0]


def test_no_region_is_no_sigmoid_loss_but_a_graph():
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = SigmoidClassifier().loss(logits, torch.zeros(0, dtype=torch.int64), torch.zeros(3) > 0)
    loss.backward()
    assert loss.item() == 0


def test_a_sigmoid_needs_a_scale():
    with pytest.raises(ValueError, match=r"scale must be positive, got -1"):
        SigmoidClassifier(scale=-1)


def test_a_free_background_keeps_its_length():
    classifier = CosineClassifier(3, scale=2.0, background="free")
    with torch.no_grad():
        classifier.background_vector.copy_(torch.tensor([[3.0, 4.0, 0.0]]))
    logits = classifier(torch.tensor([[1.0, 0, 0]]), torch.eye(3))
    assert logits.tolist() == [[2, 0, 0, 6]]
    classifier.loss(logits, torch.tensor([3]), torch.zeros(3, dtype=torch.bool)).backward()
    assert classifier.background_vector.grad.abs().sum() > 0
