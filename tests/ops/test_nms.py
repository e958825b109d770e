import pytest
import torch
import torchvision

from ovdet.ops import nms
from ovdet.ops.nms import SoftRule, batched_nms, multiclass_nms, soft_nms
from ovdet.structures import InputError


def drawn(count, classes, seed=0, size=60.0):
    """Return boxes, scores and labels, some boxes empty and some scores equal."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * size
    sides = torch.rand(count, 2, generator=generator) * 30
    sides[::17] = 0
    scores = torch.rand(count, generator=generator).mul(100).round() / 100
    labels = torch.randint(0, classes, (count,), generator=generator)
    return torch.cat([corner, corner + sides], dim=1), scores, labels


def class_by_class(boxes, scores, labels, threshold):
    """Return what stays by torchvision, asked for each class by itself; best first."""
    kept = torch.zeros(len(boxes), dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        kept[rows[torchvision.ops.nms(boxes[rows], scores[rows], threshold)]] = True
    order = scores.argsort(descending=True, stable=True)
    return order[kept[order]]


@pytest.mark.parametrize("classes", [1, 3, 40, 20_000])
@pytest.mark.parametrize("count", [0, 1, 300, 2500])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_as_torchvision_class_by_class(classes, count, threshold):
    given = drawn(count, classes)
    expected = class_by_class(*given, threshold)
    assert torch.equal(batched_nms(*given, threshold), expected)
    assert torch.equal(batched_nms(*given, threshold, top=50), expected[:50])
    assert len(batched_nms(*given, threshold, top=0)) == 0


def test_few_overlaps_at_a_time(monkeypatch):
    given = drawn(500, 30)
    monkeypatch.setattr(nms, "_PAIRS", 700)
    assert torch.equal(batched_nms(*given, 0.3), class_by_class(*given, 0.3))


def test_no_coordinate_loses_digits_to_the_number_of_classes():
    # Beside 10^9 px of offset these two boxes of IoU 1/3 would be one and the same.
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4]])
    labels = torch.full((2,), 1_000_000)
    far = torch.tensor([[0.0, 0, 1000, 1000]])
    boxes, labels = torch.cat([boxes, far]), torch.cat([labels, torch.zeros(1, dtype=torch.int64)])
    scores = torch.tensor([0.9, 0.8, 0.1])
    assert batched_nms(boxes, scores, labels, 0.4).tolist() == [0, 1, 2]
    assert batched_nms(boxes, scores, labels, 0.3).tolist() == [0, 2]


def test_synonyms_suppress_each_other():
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    scores, labels = torch.tensor([0.7, 0.9, 0.8]), torch.tensor([0, 1, 2])
    assert batched_nms(boxes, scores, labels, 0.5).tolist() == [1, 2, 0]
    groups = torch.tensor([5, 5, 7])
    assert batched_nms(boxes, scores, labels, 0.5, groups=groups).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_dtypes(dtype):
    boxes, scores, labels = drawn(200, 4)
    boxes, scores = boxes.to(dtype), scores.to(dtype)
    wide = (boxes.float(), scores.float()) if dtype is torch.float16 else (boxes, scores)
    expected = class_by_class(*wide, labels, 0.4)
    assert torch.equal(batched_nms(boxes, scores, labels, 0.4), expected)


def test_what_is_not_contiguous():
    boxes, scores, labels = drawn(300, 4)
    wide = boxes.repeat_interleave(2, dim=1)[:, ::2]
    assert torch.equal(
        batched_nms(wide, scores, labels, 0.4), batched_nms(boxes, scores, labels, 0.4)
    )


@pytest.mark.parametrize(
    ("regions", "classes", "top"), [(120, 30, 300), (60, 90, 20), (0, 5, 3), (5, 0, 3)]
)
@pytest.mark.parametrize("floor", [0.0, 0.6])
def test_pairs_as_all_of_them_suppressed(regions, classes, top, floor):
    boxes = drawn(regions, 2)[0]
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(regions, classes, generator=generator).mul(1000).round() / 1000
    rows, labels = (scores > floor).nonzero(as_tuple=True)
    expected = class_by_class(boxes[rows], scores[rows, labels], labels, 0.5)[:top]
    found = multiclass_nms(boxes, scores, 0.5, top=top, floor=floor)
    assert torch.equal(found[0], rows[expected])
    assert torch.equal(found[1], labels[expected])


def test_more_is_looked_at_where_much_goes():
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(2000, 1)
    boxes[-1] += 50
    scores = torch.linspace(1, 0.5, 2000)[:, None]
    assert multiclass_nms(boxes, scores, 0.5, top=2)[0].tolist() == [0, 1999]


def one_by_one(boxes, scores, rule):
    """Return Soft-NMS of one class as Bodla 2017, Fig. 2, writes it down."""
    scores, left, kept = scores.clone(), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: (scores[i].item(), -i))
        left.remove(best)
        kept.append(best)
        for other in list(left):
            overlap = torchvision.ops.box_iou(boxes[best, None], boxes[other, None])[0, 0]
            scores[other] *= rule.share(overlap.nan_to_num(0.0))
            if scores[other] < rule.least:
                left.remove(other)
    return kept, scores[kept]


@pytest.mark.parametrize("kind", ["hard", "linear", "gaussian"])
def test_soft_as_written_down(kind):
    rule = SoftRule(kind, overlap=0.3, least=0.05)
    boxes, scores, _ = drawn(40, 1)
    scores = scores + torch.arange(40) * 1e-4  # no ties
    places, lowered = soft_nms(boxes, scores, torch.zeros(40, dtype=torch.int64), rule)
    expected, values = one_by_one(boxes, scores, rule)
    assert places.tolist() == expected
    torch.testing.assert_close(lowered, values)


def test_soft_is_a_classs_own_affair():
    rule = SoftRule("linear", least=0.05)
    boxes, scores, labels = drawn(80, 5)
    scores = scores + torch.arange(80) * 1e-4
    places, lowered = soft_nms(boxes, scores, labels, rule)
    assert (lowered.diff() <= 0).all()
    for label in range(5):
        rows = (labels == label).nonzero().flatten()
        expected, values = one_by_one(boxes[rows], scores[rows], rule)
        own = labels[places] == label
        assert places[own].tolist() == rows[expected].tolist()
        torch.testing.assert_close(lowered[own], values)
    merged = soft_nms(boxes, scores, labels, rule, groups=torch.zeros(5, dtype=torch.int64))
    assert merged[0].tolist() == one_by_one(boxes, scores, rule)[0]


def test_soft_on_none_and_on_no_number():
    none = torch.zeros(0, dtype=torch.int64)
    assert len(soft_nms(torch.zeros(0, 4), torch.zeros(0), none, SoftRule())[0]) == 0
    scores = torch.tensor([torch.nan, 0.5])
    places, _ = soft_nms(torch.rand(2, 4), scores, torch.zeros(2, dtype=torch.int64), SoftRule())
    assert places.tolist() == [1]


BOXES, ZEROS = torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batched_nms(torch.zeros(2, 3), torch.zeros(2), ZEROS, 0.5), r"got \[2, 3\]"),
        (
            lambda: batched_nms(BOXES, torch.zeros(3), ZEROS, 0.5),
            r"scores must be \[2\], got \[3\]",
        ),
        (lambda: soft_nms(BOXES, torch.zeros(2), ZEROS[:1], SoftRule()), r"labels must be \[2\]"),
        (lambda: batched_nms(BOXES, torch.zeros(2), ZEROS, 1.5), r"in \[0, 1\], got 1.5"),
        (
            lambda: batched_nms(BOXES, torch.zeros(2), ZEROS, 0.5, top=-1),
            "at least 0 boxes, got -1",
        ),
        (lambda: multiclass_nms(BOXES, torch.zeros(3, 4), 0.5, top=1), r"\[2, C\], got \[3, 4\]"),
        (lambda: SoftRule("cubic"), "must be one of .* got 'cubic'"),
        (lambda: SoftRule(sigma=0.0), "sigma must be above 0, got 0.0"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
