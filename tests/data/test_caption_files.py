import json

import numpy as np
import pytest

from ovdet.data import CaptionFileDataset, Draw, PickCaption
from ovdet.structures import InputError, Sample

ENTRIES = [
    {"file_name": "7.png", "id": 42, "captions": ["one", "two", "three"], "licence": 4},
    {"file_name": "3.png", "caption": "a cat"},
]


@pytest.fixture
def open_set(folder):
    def opened(entries, **options):
        (folder / "captions.json").write_text(json.dumps(entries))
        return CaptionFileDataset(str(folder / "captions.json"), str(folder), **options)

    return opened


def test_one_sample_an_image_with_all_its_sentences(open_set):
    dataset = open_set(ENTRIES)
    assert len(dataset) == 2
    assert [dataset[i].captions for i in range(2)] == [("one", "two", "three"), ("a cat",)]
    assert [dataset[i].image_id for i in range(2)] == [42, 1]
    assert dataset[0].image.shape == (3, 24, 32)
    assert dataset[0].original_size == (24, 32)


def test_one_sentence_is_picked_by_the_draw(open_set):
    dataset = open_set(ENTRIES, transforms=[PickCaption()])
    picked = [dataset[Draw(0, count, 0)].captions for count in range(40)]
    assert picked == [dataset[Draw(0, count, 0)].captions for count in range(40)]
    assert set(picked) == {("one",), ("two",), ("three",)}


def test_there_may_be_nothing_to_pick():
    sample = Sample(None, 1)
    assert PickCaption()(sample, np.random.default_rng(0)).captions == ()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "must be a list of captioned images"),
        ([], "must be a list of captioned images, not empty"),
        ([1], "entry 0 must have a text 'file_name'"),
        ([{"file_name": "7.png"}], r"entry 0 must have a 'caption' or a list .* got \[None\]"),
        ([{"file_name": "7.png", "captions": []}], "entry 0 must have a 'caption'"),
        ([{"file_name": "7.png", "captions": ["a", " "]}], "entry 0 must have a 'caption'"),
        ([{"file_name": "7.png", "captions": "abc"}], "entry 0 must have a 'caption'"),
        ([{"file_name": "8.png", "caption": "a"}], r"file '8\.png' is missing from"),
        ([{"file_name": "7.png", "caption": "a", "id": "4"}], "id must be a whole number, got '4'"),
    ],
)
def test_a_bad_entry_is_named(open_set, entries, message):
    with pytest.raises(InputError, match=message):
        open_set(entries)
