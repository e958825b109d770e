from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ovdet.data import CaptionDataset, ColorJitter, Draw, ReplayedStream
from ovdet.data.captions import sticker_names
from ovdet.structures import InputError


class Stream:
    def __init__(self):
        self.rendered = []

    def __getitem__(self, index):
        self.rendered.append(index)
        return SimpleNamespace(
            image=np.full((4, 4, 3), index % 256, np.uint8),
            caption=f"n {index}",
            rewrites=[f"m {index}"],
        )


def test_names_of_all_stickers_or_of_stickers_ov():
    every, few = sticker_names(), sticker_names(ov=True)
    assert len(few) == 65
    assert few[:3] == ["person", "bicycle", "car"]
    assert set(few) < set(every)


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


def test_replay_shows_each_picture_so_often_and_renders_it_once():
    stream = Stream()
    replayed = ReplayedStream(stream, repeats=2, window=6, seed=3)
    shown = [int(replayed[i].caption.split()[1]) for i in range(24)]
    # A pass is six pictures, of which three are new: 0-5, 3-8, 6-11, 9-14.
    assert [sorted(shown[i : i + 6]) for i in range(0, 24, 6)] == [
        list(range(first, first + 6)) for first in (0, 3, 6, 9)
    ]
    assert sorted(stream.rendered) == list(range(15))


def test_replay_tells_another_sentence_each_time():
    replayed = ReplayedStream(Stream(), repeats=2, window=4)
    items = [replayed[i] for i in range(8)]
    assert {item.caption[0] for item in items[:4]} == {"n"}
    assert {item.caption[0] for item in items[4:]} == {"m"}
    assert all(item.rewrites[0][0] == "n" for item in items[4:])


def test_replay_starts_anywhere_with_the_same_items():
    whole = ReplayedStream(Stream(), repeats=3, window=9, seed=1)
    items = [whole[i] for i in range(40)]
    resumed = ReplayedStream(Stream(), repeats=3, window=9, seed=1)
    for i in range(31, 40):
        assert resumed[i].caption == items[i].caption
        assert np.array_equal(resumed[i].image, items[i].image)


def test_replay_needs_a_window_of_whole_repeats():
    with pytest.raises(InputError, match="multiple of repeats"):
        ReplayedStream(Stream(), repeats=4, window=6)
    with pytest.raises(InputError, match="above 0"):
        ReplayedStream(Stream(), repeats=0, window=6)
