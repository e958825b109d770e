"""Views of a picture put together again, with a look that tells each place by itself."""

import pytest
import torch
import torch.nn.functional as F

from ovdet.segmentors import PixelViews
from ovdet.structures import InputError


def cells(images):
    """Logits of a trunk that sees each cell of 4 px alone: two maps, mean red and mean blue."""
    return F.avg_pool2d(images, 4)[:, [0, 2]]


@pytest.fixture
def image():
    return torch.rand(3, 24, 40, generator=torch.Generator().manual_seed(0))


WAYS = {
    "whole": PixelViews(),
    "windows": PixelViews(window=16, step=8),
    "half a window": PixelViews(window=16),
    "windows that do not divide": PixelViews(window=14, step=7),  # 16 and 4
    "mirrored": PixelViews(flip=True),
    "mirrored windows": PixelViews(window=16, step=12, flip=True),
}


@pytest.mark.parametrize("views", WAYS.values(), ids=WAYS)
def test_a_look_without_neighbours_is_the_same_in_every_view(image, views):
    found = views.average(cells, image, 4)
    torch.testing.assert_close(found, cells(image[None])[0])


def test_overlaps_are_averaged_by_hand():
    answers = iter([torch.full((1, 1, 1, 2), 1.0), torch.full((1, 1, 1, 2), 4.0)])

    def look(images):
        return torch.cat([next(answers) for _ in images])

    found = PixelViews(window=8, step=4).average(look, torch.zeros(3, 4, 12), 4)
    assert found.tolist() == [[[1.0, 2.5, 4.0]]]


def test_scales_are_averaged_on_the_grid_of_the_first(image):
    seen = []

    def look(images):
        seen.append(tuple(images.shape[-2:]))
        return cells(images)

    found = PixelViews(scales=(1.0, 0.5, 1.26)).average(look, image, 4)
    assert seen == [(24, 40), (12, 20), (32, 52)]
    assert found.shape == (2, 6, 10)
    expected = cells(image[None])
    for size in seen[1:]:
        resized = F.interpolate(image[None], size, mode="bilinear", align_corners=False)
        expected = expected + F.interpolate(
            cells(resized), (6, 10), mode="bilinear", align_corners=False
        )
    torch.testing.assert_close(found, expected[0] / 3)


def test_a_picture_is_stretched_to_multiples():
    sizes = []

    def look(images):
        sizes.append(tuple(images.shape[-2:]))
        return cells(images)

    PixelViews().average(look, torch.rand(3, 37, 3), 8)
    assert sizes == [(40, 8)]


def test_a_window_is_never_larger_than_the_picture(image):
    sizes = set()

    def look(images):
        sizes.add(tuple(images.shape[-2:]))
        return cells(images)

    PixelViews(window=32).average(look, image, 4)
    assert sizes == {(24, 32)}


def test_windows_must_fall_on_the_grid():
    def look(images):
        return torch.zeros(len(images), 1, 3, 3)

    with pytest.raises(InputError, match=r"not a whole number of 8 / 3 px"):
        PixelViews(window=8, step=4).average(look, torch.zeros(3, 16, 16), 4)


def test_arguments_are_checked():
    with pytest.raises(InputError, match="window must be at least 1 px, got 0"):
        PixelViews(window=0)
    with pytest.raises(InputError, match="step must be 1 to 8 px, a window, got 9"):
        PixelViews(window=8, step=9)
    with pytest.raises(InputError, match="step must be 1 to None px"):
        PixelViews(step=9)
    with pytest.raises(InputError, match=r"scales must be positive, at least one, got \(\)"):
        PixelViews(scales=())
