import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rois import LAYOUTS, boxes_of_all_kinds, by_torchvision, pyramid
from torch.autograd import gradcheck

from ovdet.ops import pyramid_roi_align, roi_align
from ovdet.ops.roi_align import level_of, roi_align_gradient
from ovdet.structures import InputError, Regions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("samples", [0, 1, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_one_map_is_torchvisions(samples, aligned, threads):
    (maps,), regions = pyramid(1), boxes_of_all_kinds()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    found = roi_align(maps, regions, (3, 4), scale=0.25, samples=samples, aligned=aligned)
    torch.set_num_threads(before)
    wanted = by_torchvision([maps], regions, (3, 4), [0.25], samples, aligned)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("count", [1, 2, 4, 6, 7])
def test_a_pyramid_is_torchvisions_level_by_level(count):
    levels, regions = pyramid(count), boxes_of_all_kinds()
    found = pyramid_roi_align(levels, regions, 7, 64)
    wanted = by_torchvision(levels, regions, 7, [m.shape[-1] / 64 for m in levels], 2, True)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_exported_pools_the_same(count, monkeypatch):
    levels, regions = pyramid(count), boxes_of_all_kinds()
    wanted = pyramid_roi_align(levels, regions, 7, 64)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(pyramid_roi_align(levels, regions, 7, 64), wanted)
    with pytest.raises(InputError, match="must have a level"):
        pyramid_roi_align([], regions, 7, 64)


def test_levels_are_chosen_as_torchvision_does():
    """A canonical side of 224 px reads level 4 of 2 to 5, so 448 px and more read the last."""
    from torchvision.ops.poolers import LevelMapper

    start = torch.rand(200, 2) * 100
    boxes = torch.cat([start, start + torch.rand(200, 2) ** 3 * 900], dim=1)
    chosen = level_of(boxes, 4, 448)
    assert torch.equal(chosen, LevelMapper(2, 5)([boxes]))
    assert chosen.unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_float32(dtype):
    levels, regions = [m.to(dtype) for m in pyramid(3)], boxes_of_all_kinds()
    found = pyramid_roi_align(levels, regions, 5, 64)
    wanted = pyramid_roi_align([m.float() for m in levels], regions, 5, 64)
    assert torch.equal(found, wanted.to(dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_changes_nothing_and_stays(layout):
    levels, regions = pyramid(3), boxes_of_all_kinds()
    given = [m.contiguous(memory_format=layout) for m in levels]
    found = pyramid_roi_align(given, regions, 5, 64)
    assert torch.equal(found, pyramid_roi_align(levels, regions, 5, 64))
    assert found.is_contiguous(memory_format=layout)
    slices = [torch.cat([m, m], dim=1)[:, ::2] for m in levels]
    torch.testing.assert_close(
        pyramid_roi_align(slices, regions, 5, 64),
        pyramid_roi_align([m.contiguous() for m in slices], regions, 5, 64),
    )


@pytest.mark.parametrize("samples", [0, 2])
def test_gradients(samples):
    levels = [m[:, :2, ::4, ::4].double().requires_grad_() for m in pyramid(2)]
    regions = boxes_of_all_kinds()

    def pool(*levels):
        return pyramid_roi_align(levels, regions, 2, 16, samples)

    assert gradcheck(pool, levels)


def test_the_gradient_alone_is_autograds():
    (maps,), regions = pyramid(1), boxes_of_all_kinds()
    maps.requires_grad_()
    pooled = roi_align(maps, regions, 3, scale=0.5, samples=2)
    weights = torch.rand_like(pooled)
    (wanted,) = torch.autograd.grad(pooled, maps, weights)
    found = roi_align_gradient(weights, regions, maps.shape, scale=0.5, samples=2)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_tracers_are_told(layout):
    levels = [m.contiguous(memory_format=layout).requires_grad_() for m in pyramid(2)]
    regions = boxes_of_all_kinds()
    arguments = (levels, regions.boxes, regions.owner, [2, 2], [0.5, 0.25], 32.0, 2, True)
    torch.library.opcheck(torch.ops.ovdet.roi_align.default, arguments)


def test_sizes_past_int32_are_known_without_memory():
    levels = [torch.empty(64, 256, 1024, 1024 // 2**i, device="meta") for i in range(2)]
    regions = Regions(torch.empty(10_000_000, 4), torch.zeros(10_000_000, dtype=torch.int64))
    assert pyramid_roi_align(levels, regions.to("meta"), 7, 1024).numel() > 2**31


def test_no_regions_no_cells():
    levels = [m.requires_grad_() for m in pyramid(2)]
    pooled = pyramid_roi_align(levels, Regions.empty(), 7, 64)
    pooled.sum().backward()
    assert pooled.shape == (0, 3, 7, 7)
    assert all(m.grad.abs().sum() == 0 for m in levels)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "must have a level to pool from, got none"),
        ([torch.zeros(3, 8, 8)], r"must be \[B, c, h, w\] .* got \[3, 8, 8\] .* at level 0"),
        ([torch.zeros(1, 3, 8, 8).long()], r"floating type, got .* of torch.int64 at level 0"),
        (
            [torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 4, 4)],
            r"agree in images, channels and type, got \[2, 4, 4, 4\] .* level 1 beside \[2, 3, 8",
        ),
    ],
)
def test_what_is_no_pyramid(levels, message):
    with pytest.raises(InputError, match=message):
        pyramid_roi_align(levels, Regions.empty(), 7, 64)


def test_an_owner_that_is_no_image():
    regions = Regions(torch.zeros(2, 4), torch.tensor([0, 2]))
    with pytest.raises(InputError, match=r"owners must be in \[0, 2\), .* got 2"):
        roi_align(torch.zeros(2, 3, 8, 8), regions, 2)


def test_torchvision_comes_when_it_is_used():
    code = (
        "import torch; from ovdet.ops import roi_align; from ovdet.structures import Regions;"
        "maps = torch.ones(1, 1, 4, 4, requires_grad=True);"
        "place = Regions(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([0]));"
        "roi_align(maps, place, 2).sum().backward(); print(float(maps.grad.sum()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "4.0", done.stderr
