import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import normalize

from ovdet.ops import blocks
from ovdet.ops.region_text import Comparison, region_text_topk
from ovdet.structures import InputError


def unit(*shape, seed=0):
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def by_matrix(probabilities, owner, image, count, threshold):
    """Return the best pairs of an image from the whole matrix, by a stable sort."""
    rows = (owner == image).nonzero().flatten()
    flat = probabilities[rows].flatten()
    order = flat.argsort(descending=True, stable=True)[:count]
    order = order[flat[order] > threshold]
    classes = probabilities.shape[1]
    return flat[order], rows[order // classes], order % classes


def check(found, probabilities, owner, images, count, threshold):
    assert found.scores.shape == found.regions.shape == found.labels.shape == (images, count)
    for image in range(images):
        scores, regions, labels = found.of_image(image)
        expected = by_matrix(probabilities, owner, image, count, threshold)[0]
        torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-7)
        # each pair really has its score, none comes twice, and each lies in the image
        torch.testing.assert_close(probabilities[regions, labels], scores, rtol=1e-5, atol=1e-7)
        assert len(set(zip(regions.tolist(), labels.tolist(), strict=True))) == len(scores)
        assert (owner[regions] == image).all()


@pytest.fixture(autouse=True)
def _blocks_for_softmax(monkeypatch):
    monkeypatch.setattr(blocks, "_LEAST_SHARED", 2**18)  # else the shapes here would be large


SHAPES = [(200, 3000, 64, 50), (7, 50, 16, 9), (300, 1203, 32, 300), (5, 20000, 32, 1000)]


@pytest.mark.parametrize(("regions", "classes", "width", "count"), SHAPES)
@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("threshold", [-1.0, 0.3])
@pytest.mark.parametrize("biased", [False, True])
def test_as_the_whole_matrix(regions, classes, width, count, softmax, threshold, biased):
    bias = torch.randn(classes, generator=torch.Generator().manual_seed(2)) if biased else None
    background = unit(2, width, seed=3) if softmax else None
    embeddings, names = unit(regions, width), unit(classes, width, seed=1)
    owner = torch.randint(-1, 2, (regions,), generator=torch.Generator().manual_seed(4))
    asked = Comparison(embeddings, names, 10.0, softmax, background, bias)
    found = region_text_topk([asked], owner, images=2, count=count, threshold=threshold)
    logits = 10 * embeddings.double() @ names.double().T + (0 if bias is None else bias)
    whole = logits.sigmoid()
    if softmax:
        rest = 10 * embeddings.double() @ background.double().T
        whole = torch.cat([logits, rest], dim=1).softmax(dim=1)[:, :classes]
    check(found, whole.float(), owner, 2, count, threshold)


@pytest.mark.parametrize("half", [True, False])
def test_rough_products_change_nothing(half, monkeypatch):
    monkeypatch.setattr(blocks, "_multiplies_half", lambda _: half)
    embeddings, names = unit(300, 48), unit(3000, 48, seed=1)
    owner = torch.zeros(300, dtype=torch.int64)
    found = region_text_topk([Comparison(embeddings, names, 5.0)], owner, images=1, count=200)
    check(found, (5 * embeddings @ names.T).sigmoid(), owner, 1, 200, -1)


@pytest.mark.parametrize("softmax", [False, True])
def test_ties_come_by_region_then_class(softmax):
    generator = torch.Generator().manual_seed(0)
    embeddings = unit(20, 64)[torch.randint(0, 20, (300,), generator=generator)]
    names = unit(60, 64, seed=1)[torch.randint(0, 60, (3000,), generator=generator)]
    owner = torch.zeros(300, dtype=torch.int64)
    asked = Comparison(embeddings, names, 10.0, softmax)
    found = region_text_topk([asked], owner, images=1, count=500)
    products = (embeddings.double() @ names.double().T).mul(1e9).round()  # equal where vectors are
    if softmax:
        products -= (10 * embeddings.double() @ names.double().T).logsumexp(1)[:, None].mul(1e8)
    order = products.round().flatten().argsort(descending=True, stable=True)[:500]
    assert torch.equal(found.regions[0], order // 3000)
    assert torch.equal(found.labels[0], order % 3000)


def test_all_alike_are_the_first():
    owner = torch.zeros(100, dtype=torch.int64)
    asked = Comparison(unit(1, 8).expand(100, 8), unit(1, 8, seed=1).expand(4000, 8), 3.0)
    found = region_text_topk([asked], owner, images=1, count=5)
    assert found.regions[0].tolist() == [0] * 5
    assert found.labels[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("regions", "classes"), [(0, 5), (3, 0), (0, 0), (1, 1)])
def test_few_or_none(regions, classes):
    owner = torch.zeros(regions, dtype=torch.int64)
    asked = Comparison(unit(regions, 4), unit(classes, 4))
    found = region_text_topk([asked], owner, images=2, count=3)
    assert len(found.of_image(0)[0]) == regions * classes
    assert len(found.of_image(1)[0]) == 0
    assert found.scores[1].tolist() == [-1] * 3


@pytest.mark.parametrize("classes", [5, 4000])
def test_a_region_or_a_name_that_is_no_number_takes_no_part(classes):
    embeddings, names = unit(100, 8), unit(classes, 8, seed=1)
    embeddings[3], names[2] = torch.nan, torch.nan
    owner = torch.zeros(100, dtype=torch.int64)
    found = region_text_topk([Comparison(embeddings, names, 4.0)], owner, images=1, count=50)
    whole = (4 * embeddings @ names.T).sigmoid().nan_to_num(nan=-1)
    check(found, whole, owner, 1, 50, -1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    embeddings, names = unit(100, 16).to(dtype), unit(4000, 16, seed=1).to(dtype)
    owner = torch.zeros(100, dtype=torch.int64)
    found = region_text_topk([Comparison(embeddings, names, 4.0)], owner, images=1, count=50)
    wide = torch.promote_types(dtype, torch.float32)
    assert found.scores.dtype == wide
    check(found, (4 * embeddings.to(wide) @ names.to(wide).T).sigmoid(), owner, 1, 50, -1)


def test_what_is_not_contiguous():
    embeddings, names = unit(16, 100).T, unit(4000, 32, seed=1)[:, ::2]
    owner = torch.zeros(200, dtype=torch.int64)[::2]
    found = region_text_topk([Comparison(embeddings, names, 4.0)], owner, images=1, count=50)
    check(found, (4 * embeddings @ names.T).sigmoid(), owner, 1, 50, -1)


def test_two_comparisons_are_fused():
    one = Comparison(unit(50, 8), unit(40, 8, seed=1), 10.0, softmax=True)
    other = Comparison(unit(50, 6, seed=2), unit(40, 6, seed=3), 5.0)
    owner = torch.arange(50) % 2
    found = region_text_topk(
        [one, other], owner, images=2, count=30, threshold=0.01, fuse=lambda p: (p[0] * p[1]).sqrt()
    )
    first = (10 * one.embeddings @ one.classes.T).softmax(dim=1)
    second = (5 * other.embeddings @ other.classes.T).sigmoid()
    check(found, (first * second).sqrt(), owner, 2, 30, 0.01)


def test_rows_are_taken_some_at_a_time(monkeypatch):
    monkeypatch.setattr("ovdet.ops.region_text._AT_ONCE", 130)
    asked, owner = Comparison(unit(50, 8), unit(40, 8, seed=1), 10.0), torch.arange(50) % 2
    found = region_text_topk([asked], owner, images=2, count=30)
    check(found, (10 * asked.embeddings @ asked.classes.T).sigmoid(), owner, 2, 30, -1)


def test_it_is_traced_without_being_run():
    with FakeTensorMode():
        asked = Comparison(torch.empty(70_000, 256), torch.empty(40_000, 256))  # over 2^31 pairs
        found = region_text_topk(
            [asked], torch.empty(70_000, dtype=torch.int64), images=2, count=300
        )
    assert found.scores.shape == found.regions.shape == found.labels.shape == (2, 300)
    assert found.regions.dtype == torch.int64


def test_the_operator_is_whole():
    asked, owner = Comparison(unit(5, 4), unit(6, 4, seed=1)), torch.zeros(5, dtype=torch.int64)
    region_text_topk([asked], owner, images=1, count=3)
    given = (asked.embeddings, asked.classes, owner, None, None, [1.0, 0.0, -1.0], [1, 3])
    torch.library.opcheck(torch.ops.ovdet.region_text_topk.default, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": torch.zeros(2, dtype=torch.int64)}, r"owner must be \[3\], got \[2\]"),
        ({"count": 0}, "count must be at least 1 pair, got 0"),
        ({"comparisons": []}, "need fuse"),
        ({"comparisons": [Comparison(torch.eye(3), torch.eye(3))] * 2}, "need fuse"),
        (
            {
                "comparisons": [
                    Comparison(torch.eye(3), torch.eye(3)),
                    Comparison(torch.eye(3), torch.eye(3)[:2]),
                ],
                "fuse": lambda parts: parts[0],
            },
            r"same R and C, got \[\(3, 2\), \(3, 3\)\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    given = {
        "comparisons": [Comparison(torch.eye(3), torch.eye(3))],
        "owner": torch.zeros(3, dtype=torch.int64),
        "images": 1,
        "count": 2,
    } | change
    with pytest.raises(InputError, match=message):
        region_text_topk(given.pop("comparisons"), given.pop("owner"), **given)


def test_groups_are_ranked_by_their_probabilities():
    facts = {"softmax": True, "groups": torch.tensor([0, 0, 1])}
    one = Comparison(torch.randn(6, 4), torch.randn(3, 4), 2.0, **facts)
    whole = one.probabilities(slice(None)).flatten()
    found = region_text_topk([one], torch.zeros(6, dtype=torch.int64), images=1, count=5)
    scores, order = whole.topk(5)
    torch.testing.assert_close(found.scores[0], scores)
    assert (found.regions[0] * 3 + found.labels[0]).tolist() == order.tolist()
