import pytest
import torch
from kernels import DEVICE
from rois import LAYOUTS, boxes_of_all_kinds, by_torchvision, pyramid

from ovdet.ops import pyramid_roi_align, roi_align
from ovdet.ops.kernels import roi_align as kernel
from ovdet.structures import Regions

SOME = slice(16, None)  # the special boxes and a few of the random ones: the interpreter is slow


def given(count, channels=3, layout=torch.contiguous_format):
    levels = [m.to(DEVICE, memory_format=layout) for m in pyramid(count, channels)]
    return levels, boxes_of_all_kinds()[SOME].to(DEVICE)


def wanted_of(levels, regions, size, scales, samples, aligned=True):
    levels = [m.detach().cpu().double() for m in levels]
    regions = regions.to("cpu").with_(boxes=regions.boxes.cpu().double())
    return by_torchvision(levels, regions, size, scales, samples, aligned)


def close(found, wanted, tolerance=1e-5):
    torch.testing.assert_close(found.cpu().double(), wanted, rtol=tolerance, atol=tolerance)


@pytest.fixture
def launches(monkeypatch):
    """The kernels that ran, so that no test passes through the reference."""
    ran = []
    for name in ("pool", "spread"):
        whole = getattr(kernel, name)
        monkeypatch.setattr(
            kernel, name, lambda *a, _n=name, _f=whole, **k: ran.append(_n) or _f(*a, **k)
        )
    return ran


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_one_map(samples, aligned, launches):
    (maps,), regions = given(1)
    found = roi_align(maps, regions, (3, 4), scale=0.25, samples=samples, aligned=aligned)
    close(found, wanted_of([maps], regions, (3, 4), [0.25], samples, aligned))
    assert launches == ["pool"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [2, 6])
def test_a_pyramid(count, layout, launches):
    levels, regions = given(count, 5, layout)
    found = pyramid_roi_align(levels, regions, 4, 64)
    close(found, wanted_of(levels, regions, 4, [m.shape[-1] / 64 for m in levels], 2))
    assert found.is_contiguous(memory_format=layout)
    assert launches == ["pool"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_channels_and_cells_than_a_tile(layout):
    levels, regions = given(2, 140, layout)
    regions = regions[-2:]
    found = pyramid_roi_align(levels, regions, 9, 64, 1)
    close(found, wanted_of(levels, regions, 9, [0.5, 0.25], 1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    levels, regions = given(3)
    levels = [m.to(dtype).requires_grad_() for m in levels]
    found = pyramid_roi_align(levels, regions, 3, 64)
    wanted = wanted_of(levels, regions, 3, [m.shape[-1] / 64 for m in levels], 2)
    close(found, wanted, torch.finfo(dtype).eps)
    found.sum().backward()
    single = [m.detach().float().requires_grad_() for m in levels]
    pyramid_roi_align(single, regions, 3, 64).sum().backward()
    for half, whole in zip(levels, single, strict=True):
        torch.testing.assert_close(
            half.grad, whole.grad.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-6
        )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("exact", [False, True])
def test_gradients_are_the_references(samples, layout, exact, launches):
    levels, regions = given(3, 4, layout)
    weights = torch.randn(len(regions), 4, 3, 3, device=DEVICE)
    grads = differentiate(levels, regions, weights, samples, exact)
    wanted = differentiate([m.double() for m in levels], regions, weights.double(), samples, False)
    for found, reference in zip(grads, wanted, strict=True):
        close(found, reference.cpu())
    assert launches == ["pool", "spread"]


def differentiate(levels, regions, weights, samples, exact):
    levels = [m.detach().requires_grad_() for m in levels]
    torch.use_deterministic_algorithms(exact)
    try:
        pooled = pyramid_roi_align(levels, regions, 3, 64, samples)
        return torch.autograd.grad(pooled, levels, weights)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_on_request_the_order_of_regions_changes_no_bit(size):
    levels, regions = given(2)
    weights = torch.randn(len(regions), 3, 3, 3, device=DEVICE) * size
    first = differentiate(levels, regions, weights, 2, True)
    order = torch.randperm(len(regions), device=DEVICE)
    again = differentiate(levels, regions[order], weights[order], 2, True)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].abs().max() > 0.01 * size


def test_on_request_too_no_gradient_is_zero():
    levels, regions = given(2)
    weights = torch.zeros(len(regions), 3, 3, 3, device=DEVICE)
    assert all((g == 0).all() for g in differentiate(levels, regions, weights, 2, True))


@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
@pytest.mark.parametrize("exact", [False, True])
def test_a_gradient_that_is_not_finite_is_seen(bad, exact):
    levels, regions = given(2)
    weights = torch.ones(len(regions), 3, 3, 3, device=DEVICE)
    weights[0, 0, 0, 0] = bad
    grads = differentiate(levels, regions, weights, 2, exact)
    assert not all(torch.isfinite(g).all() for g in grads)


def test_no_region_and_no_image_read_nothing():
    levels, regions = given(2)
    assert pyramid_roi_align(levels, regions[:0], 3, 64).shape == (0, 3, 3, 3)
    lost = regions.with_(owner=torch.full_like(regions.owner, 7))
    assert (pyramid_roi_align(levels, lost, 3, 64) == 0).all()
    assert all(
        (g == 0).all()
        for g in differentiate(
            levels, lost, torch.ones(len(lost), 3, 3, 3, device=DEVICE), 2, False
        )
    )


@pytest.mark.parametrize("side", [torch.nan, torch.inf, -torch.inf])
def test_a_box_that_is_not_finite_reads_no_foreign_memory(side):
    levels, _ = given(2)
    boxes = torch.tensor([[0, 0, 9, 9], [0, 0, side, 9]], device=DEVICE)
    regions = Regions(boxes, torch.zeros(2, dtype=torch.int64, device=DEVICE))
    found = pyramid_roi_align(levels, regions, 3, 64, 0)
    assert torch.equal(found[:1], pyramid_roi_align(levels, regions[:1], 3, 64, 0))
    assert (found[1] == 0).all()
