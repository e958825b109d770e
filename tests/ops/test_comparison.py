import math

import pytest
import torch

from ovdet.ops.comparison import Comparison
from ovdet.structures import InputError

EYE = torch.eye(3)


def test_probabilities_by_hand():
    rows = slice(None)
    one = Comparison(EYE[:1], EYE[:2], 2.0, bias=torch.tensor([0.0, 1.0]))
    expected = torch.tensor([[1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]])
    torch.testing.assert_close(one.probabilities(rows), expected)
    shared = Comparison(EYE[:1], EYE[:2], 2.0, softmax=True, background=torch.zeros(1, 3))
    total = math.exp(2) + 1 + 1
    expected = torch.tensor([[math.exp(2) / total, 1 / total]])
    torch.testing.assert_close(shared.probabilities(rows), expected)


@pytest.mark.parametrize("softmax", [False, True])
def test_keys_stand_for_the_probabilities(softmax):
    one = Comparison(torch.randn(4, 3), torch.randn(5, 3), 3.0, softmax)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(one.scores(one.keys(rows)), one.probabilities(rows))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("threshold", [1e-4, 0.3, 0.999])
def test_no_score_above_the_threshold_is_below_the_floor(softmax, threshold):
    one = Comparison(EYE, EYE, softmax=softmax)
    floor = torch.tensor(one.floor(threshold))
    assert threshold * 0.99 < one.scores(floor) <= threshold
    assert one.floor(-1.0) == -math.inf
    assert one.floor(1.0) == math.inf


def test_half_precision_becomes_wide():
    one = Comparison(EYE.half(), EYE.bfloat16(), softmax=True, background=EYE.half()).wide()
    assert {one.embeddings.dtype, one.classes.dtype, one.background.dtype} == {torch.float32}
    assert Comparison(EYE.double(), EYE).wide().classes.dtype == torch.float64


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": torch.zeros(2, 4)}, r"\[R, D\] and \[C, D\], got \[\[3, 3\], \[2, 4\]\]"),
        ({"scale": 0.0}, "scale must be above 0, got 0.0"),
        ({"background": EYE}, "a softmax alone"),
        ({"softmax": True, "background": torch.zeros(1, 2)}, r"\[N, 3\], got \[1, 2\]"),
        ({"bias": torch.zeros(2)}, r"bias must be \[3\], got \[2\]"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(InputError, match=message):
        Comparison(**({"embeddings": EYE, "classes": EYE} | given))


def test_the_best_of_a_group_alone_takes_its_share():
    classes = torch.tensor([[1.0, 0], [0.5, 0], [0, 1.0]])
    facts = {"softmax": True, "background": torch.zeros(1, 2), "groups": torch.tensor([4, 4, 0])}
    one = Comparison(torch.tensor([[2.0, 1.0]]), classes, **facts)
    total = math.exp(2) + math.exp(1) + 1  # not the second, which is the first's synonym
    expected = torch.tensor([[math.exp(2), math.exp(1), math.exp(1)]]) / total
    torch.testing.assert_close(one.probabilities(slice(None)), expected)
    torch.testing.assert_close(one.scores(one.keys(slice(None))), expected)


def test_a_group_of_one_each_changes_nothing():
    facts = {"softmax": True, "background": torch.randn(1, 3)}
    regions, classes = torch.randn(4, 3), torch.randn(5, 3)
    alone = Comparison(regions, classes, groups=torch.arange(5), **facts)
    expected = Comparison(regions, classes, **facts).probabilities(slice(None))
    torch.testing.assert_close(alone.probabilities(slice(None)), expected)


def test_groups_that_cannot_be():
    with pytest.raises(InputError, match="groups share a softmax alone"):
        Comparison(EYE, EYE, groups=torch.arange(3))
    with pytest.raises(InputError, match=r"groups must be \[3\], got \[2\]"):
        Comparison(EYE, EYE, softmax=True, groups=torch.arange(2))
