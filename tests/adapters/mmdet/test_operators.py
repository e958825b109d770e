"""mmcv's operators over the bridge, against torchvision and loops over their definitions."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch.autograd import gradcheck

import ovdet.adapters.mmdet  # noqa: F401 - brings the operators

pytest.importorskip("mmcv", reason="mmcv is not installed: pip install 'ovdet[mmdet]'")

from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)

COUNTS = [0, 1, 60]
MANY = 10_000


def draw(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def draw_boxes(count, size=40.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * size
    sides = torch.rand(count, 2, generator=generator) * size / 2 + 1
    return torch.cat([corners, corners + sides], dim=1), torch.rand(count, generator=generator)


def draw_rois(count, size=40.0, dtype=torch.float32):
    boxes, _ = draw_boxes(count, size)
    return torch.cat([(torch.arange(count) % 2)[:, None], boxes], dim=1).to(dtype)


def overlap(a, b, offset=0):
    """Return the IoU of two boxes, by hand."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize("count", COUNTS)
def test_nms_as_torchvision(count):
    boxes, scores = draw_boxes(count)
    dets, kept = ops.nms(boxes, scores, 0.4)
    assert kept.tolist() == torchvision.ops.nms(boxes, scores, 0.4).tolist()
    torch.testing.assert_close(dets, torch.cat([boxes[kept], scores[kept, None]], dim=1))


@pytest.mark.parametrize("count", COUNTS)
def test_nms_with_whole_pixels_as_a_loop(count):
    boxes, scores = draw_boxes(count, size=12)
    kept = []
    for row in scores.argsort(descending=True).tolist():
        if all(overlap(boxes[row].tolist(), boxes[k].tolist(), 1) <= 0.5 for k in kept):
            kept.append(row)
    assert ops.nms(boxes, scores, 0.5, offset=1)[1].tolist() == kept


def test_nms_takes_half_scores_arrays_and_limits():
    boxes, scores = draw_boxes(30)
    kept = ops.nms(boxes, scores.half(), 0.4)[1]
    assert kept.tolist() == torchvision.ops.nms(boxes, scores.half().float(), 0.4).tolist()
    assert isinstance(ops.nms(boxes.numpy(), scores.numpy(), 0.4)[1], np.ndarray)
    few = ops.nms(boxes, scores, 0.4, score_threshold=0.5, max_num=3)[1]
    rows = (scores > 0.5).nonzero()[:, 0]
    assert few.tolist() == rows[torchvision.ops.nms(boxes[rows], scores[rows], 0.4)][:3].tolist()


@pytest.mark.parametrize("count", COUNTS[1:])  # mmcv itself takes the largest of the boxes
def test_batched_nms_as_torchvision(count):
    boxes, scores = draw_boxes(count)
    labels = torch.arange(count) % 3
    kept = torchvision.ops.batched_nms(boxes, scores, labels, 0.3)
    found = ops.batched_nms(boxes, scores, labels, {"type": "nms", "iou_threshold": 0.3})[1]
    assert found.tolist() == kept.tolist()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_as_its_definition(method, count):
    boxes, scores = draw_boxes(count)
    left = dict(enumerate(scores.tolist()))
    wanted = []
    while left:
        best = max(left, key=left.get)
        wanted.append((best, left.pop(best)))
        for row in list(left):
            iou = overlap(boxes[best].tolist(), boxes[row].tolist())
            decay = {"naive": 0.0, "linear": 1 - iou}.get(method)
            factor = math.exp(-(iou**2) / 0.5) if decay is None else decay if iou >= 0.3 else 1.0
            left[row] *= factor
            if left[row] < 1e-3:
                del left[row]
    dets, kept = ops.soft_nms(boxes, scores, 0.3, sigma=0.5, min_score=1e-3, method=method)
    assert kept.tolist() == [row for row, _ in wanted]
    expected = torch.tensor([score for _, score in wanted]).reshape(-1)
    torch.testing.assert_close(dets[:, 4], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(dets[:, :4], boxes[kept])
    assert scores.tolist() == draw_boxes(count)[1].tolist()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("ratio", "aligned"), [(0, True), (2, True), (2, False)])
def test_roi_align_as_torchvision(count, ratio, aligned):
    features, rois = draw(2, 3, 20, 22), draw_rois(count)
    found = ops.RoIAlign((4, 5), 0.5, ratio, aligned=aligned)(features, rois)
    wanted = torchvision.ops.roi_align(features, rois, (4, 5), 0.5, ratio, aligned)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_roi_align_gradient(count):
    features = draw(2, 2, 6, 5, dtype=torch.float64).requires_grad_()
    rois = draw_rois(count, 8.0, torch.float64)
    if count == 0:
        ops.roi_align(features, rois, (2, 2), 0.5, 2, "avg", True).sum().backward()
        assert features.grad.abs().sum() == 0
        return
    assert gradcheck(lambda f: ops.roi_align(f, rois, (2, 2), 0.5, 2, "avg", True), (features,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_roi_align_in_half(dtype):
    features, rois = draw(2, 3, 20, 22), draw_rois(5)
    found = ops.roi_align(features.to(dtype), rois, (4, 4), 0.5, 2, "avg", True)
    assert found.dtype is dtype
    wanted = torchvision.ops.roi_align(features.to(dtype).float(), rois, (4, 4), 0.5, 2, True)
    torch.testing.assert_close(found.float(), wanted, atol=2e-2, rtol=1e-2)


def test_roi_align_of_the_largest_is_told():
    with pytest.raises(NotImplementedError, match="pool_mode 'max' needs mmcv's compiled"):
        ops.RoIAlign(2, pool_mode="max")(draw(1, 1, 4, 4), draw_rois(1))


def pool_by_loops(features, rois, size, scale):
    result = torch.zeros(len(rois), features.shape[1], size, size, dtype=features.dtype)
    height, width = features.shape[2:]
    corners = (rois[:, 1:] + torch.tensor([0, 0, 1, 1])) * scale  # the last pixel is inside
    for r, (x1, y1, x2, y2) in enumerate(corners.tolist()):
        for i in range(size):
            for j in range(size):
                rows = [
                    min(max(v, 0), height)
                    for v in (
                        math.floor(i * (y2 - y1) / size + y1),
                        math.ceil((i + 1) * (y2 - y1) / size + y1),
                    )
                ]
                columns = [
                    min(max(v, 0), width)
                    for v in (
                        math.floor(j * (x2 - x1) / size + x1),
                        math.ceil((j + 1) * (x2 - x1) / size + x1),
                    )
                ]
                cell = features[int(rois[r, 0]), :, slice(*rows), slice(*columns)]
                if cell.numel():
                    result[r, :, i, j] = cell.amax(dim=(1, 2))
    return result


@pytest.mark.parametrize("count", COUNTS)
def test_roi_pool_as_its_definition(count):
    features, rois = draw(2, 3, 20, 22), draw_rois(count)
    found = ops.RoIPool(3, 0.5)(features, rois)
    torch.testing.assert_close(found, pool_by_loops(features, rois, 3, 0.5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", COUNTS)
def test_roi_pool_of_whole_pixels_as_torchvision(count):
    features, rois = draw(2, 3, 42, 40), draw_rois(count).round()
    found = ops.RoIPool((3, 4), 1.0)(features, rois)
    torch.testing.assert_close(found, torchvision.ops.roi_pool(features, rois, (3, 4), 1.0))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_roi_pool_gradient(count):
    features = draw(2, 2, 6, 5, dtype=torch.float64).requires_grad_()
    rois = draw_rois(count, 8.0, torch.float64)
    if count == 0:
        ops.roi_pool(features, rois, (2, 2), 0.5).sum().backward()
        assert features.grad.abs().sum() == 0
        return
    assert gradcheck(lambda f: ops.roi_pool(f, rois, (2, 2), 0.5), (features,))


def convolution(dtype=torch.float32, batch=2):
    """Return image, offset, mask and weight of a 3x3 convolution in two groups."""
    image, weight = draw(batch, 4, 5, 6, dtype=dtype), draw(6, 2, 3, 3, seed=1, dtype=dtype)
    offset, mask = draw(batch, 36, 3, 3, seed=2, dtype=dtype), draw(batch, 18, 3, 3, seed=3)
    return image, offset, mask.sigmoid().to(dtype), weight


HOW = {"stride": (2, 2), "padding": (1, 1), "dilation": (1, 1)}


@pytest.mark.parametrize("batch", [1, 2])
def test_deformable_convolution_as_torchvision(batch):
    image, offset, _, weight = convolution(batch=batch)
    found = ops.deform_conv2d(image, offset, weight, (2, 2), (1, 1), (1, 1), 2, 2)
    wanted = torchvision.ops.deform_conv2d(image, offset, weight, **HOW)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_deformable_convolution_without_offsets_is_a_convolution():
    image, offset, _, weight = convolution()
    found = ops.deform_conv2d(image, offset * 0, weight, (2, 2), (1, 1), (1, 1), 2, 2)
    wanted = F.conv2d(image, weight, stride=2, padding=1, groups=2)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_deformable_convolution_gradient():
    image, offset, _, weight = convolution(torch.float64, batch=1)
    leaves = [t.requires_grad_() for t in (image, offset, weight)]

    def run(*args):
        return ops.deform_conv2d(*args, (2, 2), (1, 1), (1, 1), 2, 2)

    assert gradcheck(run, leaves, fast_mode=True)


@pytest.mark.parametrize("bias", [None, torch.arange(6.0)])
def test_modulated_convolution_as_torchvision(bias):
    image, offset, mask, weight = convolution()
    found = ops.modulated_deform_conv2d(image, offset, mask, weight, bias, 2, 1, 1, 2, 2)
    wanted = torchvision.ops.deform_conv2d(image, offset, weight, bias, **HOW, mask=mask)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [None, torch.arange(6.0, dtype=torch.float64)])
def test_modulated_convolution_gradient(bias):
    parts = [*convolution(torch.float64, batch=1), *([] if bias is None else [bias.clone()])]
    leaves = [t.requires_grad_() for t in parts]

    def run(image, offset, mask, weight, bias=None):
        return ops.modulated_deform_conv2d(image, offset, mask, weight, bias, 2, 1, 1, 2, 2)

    assert gradcheck(run, leaves, fast_mode=True)


def test_modulated_convolution_reads_larger_offsets_in_the_order_of_memory():
    """As mmcv's im2col does: a pointer to one picture's offsets, and the strides of the output."""
    image, offset, mask, weight = convolution()
    large, more = draw(2, 36, 6, 6, seed=4), draw(2, 18, 6, 6, seed=5).sigmoid()
    for row in range(2):
        large[row].view(-1)[: offset[row].numel()] = offset[row].flatten()
        more[row].view(-1)[: mask[row].numel()] = mask[row].flatten()
    leaves = [t.requires_grad_() for t in (large, more)]
    found = ops.modulated_deform_conv2d(image, *leaves, weight, None, 2, 1, 1, 2, 2)
    small = [t.requires_grad_() for t in (offset, mask)]
    wanted = ops.modulated_deform_conv2d(image, *small, weight, None, 2, 1, 1, 2, 2)
    torch.testing.assert_close(found, wanted)
    found.square().sum().backward()
    wanted.square().sum().backward()
    for leaf, same in zip(leaves, small, strict=True):
        count = same[0].numel()
        torch.testing.assert_close(leaf.grad.flatten(1)[:, :count], same.grad.flatten(1))
        assert leaf.grad.flatten(1)[:, count:].abs().sum() == 0


def attention(queries, dtype=torch.float32):
    shapes = torch.tensor([[4, 5], [2, 3]])
    values = draw(2, 26, 2, 4, dtype=dtype)
    locations = draw(2, queries, 2, 2, 3, 2, seed=1, dtype=dtype).sigmoid() * 1.4 - 0.2
    weights = draw(2, queries, 2, 2, 3, seed=2, dtype=dtype).softmax(dim=-1)
    return values, shapes, torch.tensor([0, 20]), locations, weights


@pytest.mark.parametrize("queries", [0, 1, 7])
def test_deformable_attention_as_mmcvs_torch_version(queries):
    values, shapes, starts, locations, weights = attention(queries)
    found = MultiScaleDeformableAttnFunction.apply(values, shapes, starts, locations, weights, 64)
    assert found.shape == (2, queries, 8)
    if queries:
        wanted = multi_scale_deformable_attn_pytorch(values, shapes, locations, weights)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_deformable_attention_gradient():
    values, shapes, starts, locations, weights = attention(2, torch.float64)
    leaves = [t.requires_grad_() for t in (values, locations, weights)]

    def run(values, locations, weights):
        return MultiScaleDeformableAttnFunction.apply(
            values, shapes, starts, locations, weights, 64
        )

    assert gradcheck(run, leaves, fast_mode=True)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
def test_focal_loss_as_torchvision(count, gamma):
    logits = draw(count, 5) * 3
    target = torch.arange(count) % 6  # 5 is no class
    found = ops.sigmoid_focal_loss(logits, target, gamma, 0.25, None, "none")
    positive = F.one_hot(target, 6)[:, :5].float()
    wanted = torchvision.ops.sigmoid_focal_loss(logits, positive, 0.25, gamma)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_focal_loss_weighs_classes():
    logits, target = draw(4, 3), torch.tensor([0, 1, 2, 3])
    weight = torch.tensor([2.0, 0.0, 0.5])
    bare = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none")
    found = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, "none")
    torch.testing.assert_close(found, bare * torch.tensor([2.0, 0.0, 0.5, 1.0])[:, None])


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_focal_loss_gradient(reduction):
    logits = draw(4, 3, dtype=torch.float64).requires_grad_()
    target = torch.tensor([0, 1, 2, 3])
    assert gradcheck(
        lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, None, reduction), (logits,)
    )


def spread(count):
    """Return pairs of a long and a short box that share 60 to 97.5 %, far from all other pairs."""
    row = torch.arange(count // 2)
    corners = torch.stack([row % 100, row // 100], dim=1) * 32.0
    long = torch.full((count // 2, 2), 10.0)
    short = torch.stack([6 + row % 16 * 0.25, long[:, 1]], dim=1)
    boxes = torch.cat([corners, corners + long], 1), torch.cat([corners, corners + short], 1)
    scores = 1 - torch.arange(count) / (2 * count)  # all long ones before all short ones
    return torch.cat(boxes), scores, short[:, 0] / 10


def test_ten_thousand_boxes_through_nms():
    boxes, scores = draw_boxes(MANY, size=200.0)
    kept = ops.nms(boxes, scores, 0.5)[1]
    assert kept.tolist() == torchvision.ops.nms(boxes, scores, 0.5).tolist()
    pairs, scores, overlaps = spread(MANY)
    kept = ops.nms(pairs, scores, 0.9)[1]
    alone = [MANY // 2 + i for i, iou in enumerate(overlaps.tolist()) if iou <= 0.9]
    assert kept.tolist() == [*range(MANY // 2), *alone]


def test_ten_thousand_boxes_through_soft_nms():
    boxes, scores, overlaps = spread(MANY)
    dets, kept = ops.soft_nms(boxes, scores, 0.3, min_score=0.0, method="linear")
    wanted = scores.clone()
    wanted[MANY // 2 :] *= 1 - overlaps
    assert sorted(kept.tolist()) == list(range(MANY))
    torch.testing.assert_close(dets[:, 4], wanted[kept], atol=1e-5, rtol=0)
    assert (dets[:, 4].diff() <= 0).all()


def test_ten_thousand_boxes_through_the_poolings():
    features, rois = draw(2, 1, 20, 22), draw_rois(MANY)
    found = ops.RoIAlign((2, 2), 0.5, 2, aligned=True)(features, rois)
    wanted = torchvision.ops.roi_align(features, rois, (2, 2), 0.5, 2, aligned=True)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    whole = rois.round()
    found = ops.RoIPool((1, 1), 1.0)(draw(2, 1, 42, 40), whole)
    torch.testing.assert_close(found, torchvision.ops.roi_pool(draw(2, 1, 42, 40), whole, (1, 1)))


def test_ten_thousand_rows_and_queries():
    logits, target = draw(MANY, 3) * 3, torch.arange(MANY) % 4
    found = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none")
    positive = F.one_hot(target, 4)[:, :3].float()
    wanted = torchvision.ops.sigmoid_focal_loss(logits, positive, 0.25, 2.0)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    values, shapes, starts, locations, weights = attention(MANY)
    found = MultiScaleDeformableAttnFunction.apply(values, shapes, starts, locations, weights, 64)
    wanted = multi_scale_deformable_attn_pytorch(values, shapes, locations, weights)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("queries", [0, 1])
def test_deformable_attention_gradient_of_none_and_one(queries):
    values, shapes, starts, locations, weights = attention(queries, torch.float64)
    leaves = [t.requires_grad_() for t in (values, locations, weights)]
    output = MultiScaleDeformableAttnFunction.apply(
        leaves[0], shapes, starts, leaves[1], leaves[2], 64
    )
    output.sum().backward()
    assert [leaf.grad.shape for leaf in leaves] == [leaf.shape for leaf in leaves]
    assert (leaves[0].grad.abs().sum() > 0) == (queries > 0)


@pytest.mark.parametrize("count", [0, 1])
def test_focal_loss_gradient_of_none_and_one(count):
    logits = draw(count, 3, dtype=torch.float64).requires_grad_()
    target = torch.arange(count)
    ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "sum").backward()
    leaf = logits.detach().clone().requires_grad_()
    positive = F.one_hot(target, 4)[:, :3].double()
    torchvision.ops.sigmoid_focal_loss(leaf, positive, 0.25, 2.0, "sum").backward()
    torch.testing.assert_close(logits.grad, leaf.grad)


@pytest.mark.parametrize("count", COUNTS)
def test_matched_boxes_as_a_loop(count):
    boxes, scores = draw_boxes(count, size=12)
    left = scores.argsort(descending=True).tolist()
    wanted = []
    while left:
        best = left[0]
        group = [
            r for r in left if r == best or overlap(boxes[best].tolist(), boxes[r].tolist()) >= 0.4
        ]
        left = [row for row in left if row not in group]
        wanted.append(group)
    found = ops.nms_match(torch.cat([boxes, scores[:, None]], dim=1), 0.4)
    assert [group.tolist() for group in found] == wanted


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_masked_convolution_is_a_convolution_at_its_places(share):
    layer = ops.MaskedConv2d(3, 4, (3, 5), padding=(1, 2))
    image = draw(1, 3, 8, 9)
    generator = torch.Generator().manual_seed(5)
    mask = torch.rand(1, 8, 9, generator=generator) < share
    whole = F.conv2d(image, layer.weight, layer.bias, padding=(1, 2))
    torch.testing.assert_close(layer(image, mask), whole * mask, atol=1e-5, rtol=1e-5)


def reassemble(features, masks, size, groups, scale):
    """Return CARAFE as its definition says, cell by cell."""
    count, channels, height, width = features.shape
    cells, large = size * size, (height * scale, width * scale)
    around = F.unfold(features, size, padding=size // 2).view(count, channels, cells, height, width)
    near = around.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)
    shares = masks.view(count, groups, 1, cells, *large)
    grouped = near.view(count, groups, channels // groups, cells, *large)
    return (grouped * shares).sum(dim=3).flatten(1, 2)


@pytest.mark.parametrize("operator", [ops.carafe, ops.carafe_naive])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_carafe_as_its_definition(operator, batch):
    features, masks = draw(batch, 4, 5, 6), draw(batch, 18, 10, 12, seed=1)
    found = operator(features, masks, 3, 2, 2)
    torch.testing.assert_close(found, reassemble(features, masks, 3, 2, 2), atol=1e-5, rtol=1e-5)


def test_carafe_gradient():
    features = draw(1, 4, 3, 4, dtype=torch.float64).requires_grad_()
    masks = draw(1, 18, 6, 8, seed=1, dtype=torch.float64).requires_grad_()
    assert gradcheck(lambda f, m: ops.carafe(f, m, 3, 2, 2), (features, masks), fast_mode=True)
