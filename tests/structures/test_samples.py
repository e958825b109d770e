import pytest
import torch

from ovdet.structures import IGNORED, Sample, batch_images, batch_semantic


def sample(height, width, value=1.0, **facts):
    return Sample(torch.full((3, height, width), value), image_id=1, **facts)


def test_padding_is_right_and_below():
    batch = batch_images([sample(2, 5, 0.5), sample(4, 3, 0.25)])
    assert batch.shape == (2, 3, 4, 5)
    assert torch.equal(batch[0, :, :2], torch.full((3, 2, 5), 0.5))
    assert batch[0, :, 2:].abs().sum() == 0
    assert torch.equal(batch[1, :, :, :3], torch.full((3, 4, 3), 0.25))
    assert batch[1, :, :, 3:].abs().sum() == 0


@pytest.mark.parametrize(("stride", "expected"), [(1, (33, 64)), (32, (64, 64)), (16, (48, 64))])
def test_sides_are_multiples_of_the_stride(stride, expected):
    assert batch_images([sample(33, 64)], stride).shape[-2:] == expected


def test_dtype_stays():
    one = Sample(torch.zeros(3, 2, 2, dtype=torch.float16), image_id=1)
    assert batch_images([one]).dtype == torch.float16


def test_images_are_copied():
    one = sample(2, 2)
    batch_images([one]).zero_()
    assert one.image.min() == 1


def test_label_maps_are_padded_as_images_are():
    one = sample(2, 5, semantic=torch.full((2, 5), 3))
    other = sample(4, 3, semantic=torch.full((4, 3), 700))
    batch = batch_semantic([one, other, sample(1, 1)], stride=4)
    assert batch.shape == (3, *batch_images([one, other, sample(1, 1)], stride=4).shape[2:])
    assert (batch[0] == 3).nonzero().max(0).values.tolist() == [1, 4]
    assert (batch[0] == 3).sum() == 10
    assert (batch[1] == 700).sum() == 12
    assert (batch == IGNORED).sum() == batch.numel() - 22
    assert batch.dtype == torch.int64


def test_to_original_undoes_the_resize():
    half = sample(50, 100, scale=(0.5, 0.25), original_size=(200, 200))
    boxes = torch.tensor([[10.0, 5, 40, 25]])
    assert half.to_original(boxes).tolist() == [[20, 20, 80, 100]]


def test_to_original_clips_to_the_image():
    one = sample(10, 20, original_size=(10, 20))
    assert one.to_original(torch.tensor([[-3.0, -1, 25, 11]])).tolist() == [[0, 0, 20, 10]]


def test_to_original_of_nothing():
    assert sample(4, 4, original_size=(4, 4)).to_original(torch.zeros(0, 4)).shape == (0, 4)


def test_samples_do_not_share_their_defaults():
    first, second = sample(1, 1), sample(1, 1)
    assert first.truth is not second.truth
