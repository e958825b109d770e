from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ovdet.data import CaptionDataset, ColorJitter, Draw
from ovdet.structures import InputError


class Stream:
    def __getitem__(self, index):
        return SimpleNamespace(
            image=np.full((4, 4, 3), index % 256, np.uint8), caption=f"n {index}"
        )


def test_a_draw_is_the_item_of_its_number():
    sample = CaptionDataset(Stream())[Draw(51, 51, 0)]
    assert sample.captions == ("n 51",)
    assert torch.allclose(sample.image, torch.full((3, 4, 4), 51 / 255))
    assert sample.original_size == (4, 4)


def test_only_a_sized_stream_has_a_length():
    assert CaptionDataset(Stream()).endless
    assert len(CaptionDataset(Stream(), size=3)) == 3
    assert not CaptionDataset(Stream(), size=3).endless
    with pytest.raises(InputError, match="has no end"):
        len(CaptionDataset(Stream()))
    with pytest.raises(InputError, match="at least 1"):
        CaptionDataset(Stream(), size=0)


def test_transforms_use_the_draw():
    data = CaptionDataset(Stream(), transforms=[ColorJitter()])
    assert torch.equal(data[Draw(90, 1, 0)].image, data[Draw(90, 1, 0)].image)
    assert not torch.equal(data[Draw(90, 1, 0)].image, data[Draw(90, 2, 0)].image)
