import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_iou as reference_iou

from ovdet.ops import (
    box_area,
    box_iou,
    clip_boxes,
    decode_deltas,
    encode_deltas,
    enlarge_boxes,
    from_centre_side,
    generalized_box_iou,
    grid_cells,
    square_boxes,
    to_centre_side,
)

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def boxes(count, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 50
    side = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 30 + 1
    return torch.cat([corner, corner + side], dim=1).to(dtype)


def test_area_by_hand():
    given = torch.tensor([[0.0, 0, 2, 3], [5, 5, 5, 9], [4, 4, 2, 9]])
    assert box_area(given).tolist() == [6, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_iou_equals_torchvision(dtype):
    first, second = boxes(20, 1, dtype), boxes(30, 2, dtype)
    torch.testing.assert_close(box_iou(first, second), reference_iou(first, second))


def test_iou_by_hand():
    first = torch.tensor([[0.0, 0, 2, 2]])
    second = torch.tensor([[1.0, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6]])
    torch.testing.assert_close(box_iou(first, second), torch.tensor([[1 / 7, 1.0, 0.0]]))


def test_iou_of_nothing():
    assert box_iou(torch.zeros(0, 4), boxes(3)).shape == (0, 3)
    assert box_iou(boxes(3), torch.zeros(0, 4)).shape == (3, 0)
    assert box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_enlarge_keeps_the_centre_and_stays_inside():
    given = torch.tensor([[10.0, 20, 20, 30], [0, 0, 4, 4]])
    larger = enlarge_boxes(given, 1.5, height=100, width=100)
    assert larger.tolist() == [[7.5, 17.5, 22.5, 32.5], [0, 0, 5, 5]]


def test_clip_keeps_height_and_width_apart():
    given = torch.tensor([[-5.0, -5, 200, 200]])
    assert clip_boxes(given, height=40, width=60).tolist() == [[0, 0, 60, 40]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_deltas_equal_torchvision(dtype):
    sources, targets = boxes(40, 3, dtype), boxes(40, 4, dtype)
    coder = BoxCoder(WEIGHTS)
    deltas = encode_deltas(sources, targets, WEIGHTS)
    torch.testing.assert_close(deltas, coder.encode_single(targets, sources))
    wild = torch.randn(40, 4, dtype=dtype) * 30
    torch.testing.assert_close(
        decode_deltas(sources, wild, WEIGHTS), coder.decode_single(wild, sources)
    )


def test_decode_undoes_encode():
    sources, targets = boxes(40, 5), boxes(40, 6)
    back = decode_deltas(sources, encode_deltas(sources, targets, WEIGHTS), WEIGHTS)
    torch.testing.assert_close(back, targets, rtol=1e-4, atol=1e-3)


def test_a_huge_delta_stays_finite():
    wild = torch.full((1, 4), 1e4)
    assert torch.isfinite(decode_deltas(boxes(1), wild, WEIGHTS)).all()


def test_deltas_of_nothing():
    nothing = torch.zeros(0, 4)
    assert encode_deltas(nothing, nothing, WEIGHTS).shape == (0, 4)
    assert decode_deltas(nothing, nothing, WEIGHTS).shape == (0, 4)


def test_generalized_iou_by_hand():
    first = torch.tensor([[0.0, 0, 2, 2]])
    second = torch.tensor([[0.0, 0, 2, 2], [2, 0, 4, 2], [3, 0, 4, 2], [1, 0, 3, 2]])
    # The same; side by side: hull 8 of which 0 empty; a gap of 2 in a hull of 8; IoU 2 / 6.
    expected = torch.tensor([[1.0, 0.0, -2 / 8, 2 / 6]])
    torch.testing.assert_close(generalized_box_iou(first, second), expected)


def test_centre_and_side_by_hand():
    given = torch.tensor([[[2.0, 4, 8, 6]]])
    assert to_centre_side(given).tolist() == [[[5, 5, 6, 2]]]
    assert torch.equal(from_centre_side(to_centre_side(given)), given)


def test_cells_run_row_by_row():
    assert grid_cells(2, 2, 8).tolist() == [
        [0, 0, 8, 8],
        [8, 0, 16, 8],
        [0, 8, 8, 16],
        [8, 8, 16, 16],
    ]
    assert grid_cells(0, 3, 8).shape == (0, 4)


def test_squares_by_hand():
    given = torch.tensor([[10.0, 10, 20, 14], [0, 0, 10, 2], [0, 3, 40, 4], [5, 5, 5, 5]])
    expected = [[10.0, 7, 20, 17], [0, 0, 10, 10], [0, 0, 30, 20], [5, 5, 5, 5]]
    found = square_boxes(given, 20, 30)
    torch.testing.assert_close(found, torch.tensor(expected))
