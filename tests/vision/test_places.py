import pytest
import torch
from torch import nn

from ovdet.vision import PlaceEncoder, SmallTrunk


class Colours(nn.Module):
    """A trunk whose last level are the mean colours of 8 px cells."""

    widths = (3,)
    dim = 3

    def forward(self, images):
        return [images, nn.functional.avg_pool2d(images, 8)]


def picture():
    image = torch.zeros(1, 3, 16, 24)
    image[:, 0, :, :8] = 1.0
    image[:, 1, :, 8:] = 0.5
    return image


def test_places_by_hand():
    places = PlaceEncoder(Colours()).places(picture())
    assert places.shape == (1, 3, 2, 3)
    assert places[0, :, 0].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_the_picture_is_the_mean_of_its_places_before_any_norm():
    mean = torch.tensor([1.0, 0.5 * 2, 0]) / 3
    expected = (mean / mean.norm())[None]
    torch.testing.assert_close(PlaceEncoder(Colours())(picture()), expected)


def test_a_linear_map_at_each_place():
    torch.manual_seed(0)
    encoder = PlaceEncoder(Colours(), dim=5)
    weight, bias = encoder.project.weight[:, :, 0, 0], encoder.project.bias
    red = weight @ torch.tensor([1.0, 0, 0]) + bias
    places = encoder.places(picture())
    torch.testing.assert_close(places[0, :, 1, 0], red / red.norm())
    assert encoder.dim == 5
    assert PlaceEncoder(Colours()).dim == 3


@pytest.mark.parametrize("size", [(64, 64), (50, 71)])
def test_any_size_and_unit_norm(size):
    encoder = PlaceEncoder(SmallTrunk((4, 8, 12)), dim=6).eval()
    images = torch.rand(2, 3, *size)
    places = encoder.places(images)
    assert places.shape == (2, 6, -(-size[0] // 8), -(-size[1] // 8))
    torch.testing.assert_close(places.norm(dim=1), torch.ones_like(places[:, 0]))
    torch.testing.assert_close(encoder(images).norm(dim=1), torch.ones(2))
