import numpy as np
import pytest

from ovdet.data.stickers.captions import CaptionStream
from ovdet.data.stickers.names import HELD_OUT
from ovdet.structures import InputError

pytestmark = pytest.mark.usefixtures("font")


def test_a_sample_depends_on_seed_and_index_only():
    stream = CaptionStream(size=48, seed=3)
    stream[0]
    first, again = stream[7], CaptionStream(size=48, seed=3)[7]
    assert np.array_equal(first.image, again.image)
    assert (first.caption, first.rewrites) == (again.caption, again.rewrites)
    assert not np.array_equal(first.image, CaptionStream(size=48, seed=4)[7].image)


def test_captions_name_what_is_shown():
    stream = CaptionStream(size=64, seed=0)
    single = 0
    for i in range(120):
        sample = stream[i]
        assert sample.image.shape == (64, 64, 3)
        assert sample.image.dtype == np.uint8
        shown = {thing.name for thing in sample.objects}
        assert not shown & set(HELD_OUT)
        if sample.objects:
            # the first object is told in every sentence
            assert all(
                sample.objects[0].name in text for text in (sample.caption, *sample.rewrites)
            )
        assert sample.caption not in sample.rewrites
        for thing in sample.objects:
            assert thing.mask.shape == (64, 64)
            x1, y1, x2, y2 = thing.box
            assert thing.mask[y1:y2, x1:x2].sum() == thing.mask.sum()
        single += " and " not in sample.caption
    assert single > 60


def test_names_and_number_can_be_chosen():
    stream = CaptionStream(names=("octopus", "cactus"), max_objects=1)
    names = {thing.name for i in range(20) for thing in stream[i].objects}
    assert names == {"octopus", "cactus"}


def test_the_share_of_portraits_can_be_chosen():
    groups, portraits = (CaptionStream(seed=5, portraits=share) for share in (0.0, 1.0))
    told = [[t.name in groups[i].caption for t in groups[i].objects] for i in range(12)]
    assert all(len(names) >= 2 and all(names) for names in told)
    assert not any(" and " in portraits[i].caption for i in range(12))


def test_distinct_captions():
    samples = CaptionStream(size=32, seed=1, names=("dog", "cat", "kite")).distinct(20)
    assert len({sample.caption for sample in samples}) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "size must be at least 16 px, got 4"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"portraits": 1.5}, "portraits must be a share from 0 to 1, got 1.5"),
        ({"max_objects": 0}, "max_objects must be 1 to"),
        ({"names": ("dog", "gryphon"), "max_objects": 1}, "names must be stickers, got 'gryphon'"),
    ],
)
def test_stream_refuses(options, message):
    with pytest.raises(InputError, match=message):
        CaptionStream(**options)


def test_negative_index():
    with pytest.raises(InputError, match="no index -1"):
        CaptionStream()[-1]
