import pytest

from ovdet.data import PhraseDataset, RandomFlip
from ovdet.structures import InputError

TEXT = "a cat and a red car"


@pytest.fixture
def record(coco):
    phrases = [
        {"start": 0, "end": 5, "annotation_ids": [101]},
        {"start": 10, "end": 19, "annotation_ids": [102, 101]},
        {"start": 12, "end": 15, "annotation_ids": []},
    ]
    coco["sentences"] = [
        {"id": 1, "image_id": 7, "text": TEXT, "phrases": phrases},
        {"id": 2, "image_id": 3, "text": "nothing", "phrases": []},
    ]
    return coco


def test_phrases_name_boxes(record, stored, folder):
    dataset = PhraseDataset(str(stored(record)), str(folder))
    assert len(dataset) == 2
    sample = dataset[0]
    assert sample.image_id == 7
    assert [TEXT[start:end] for start, end in sample.phrases] == ["a cat", "a red car", "red"]
    assert sample.truth.labels.tolist() == [0, 1, 1]
    cat, column = [4, 4, 12, 12], [0, 0, 2, 24]
    assert sample.truth.boxes.tolist() == [cat, column, cat]
    assert sample.captions == (TEXT,)
    assert len(dataset[1].truth) == 0
    assert dataset[1].captions == ("nothing",)


def test_a_sentence_may_tell_its_kind(record, stored, folder):
    assert PhraseDataset(str(stored(record)), str(folder))[0].source == ""
    record["sentences"][0]["kind"] = "side"
    assert PhraseDataset(str(stored(record)), str(folder))[0].source == "side"


def test_boxes_move_with_the_image(record, stored, folder):
    sample = PhraseDataset(str(stored(record)), str(folder), [RandomFlip(1.0)])[0]
    assert sample.truth.boxes[1].tolist() == [30, 0, 32, 24]
    assert sample.phrases == ((0, 5), (10, 19), (12, 15))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("sentences"), "with a list 'sentences', not empty"),
        (lambda r: r["sentences"].append(1), r"sentences\[2\]: image_id must be one of"),
        (lambda r: r["sentences"][1].update(image_id=1), r"sentences\[1\]: image_id must be one"),
        (lambda r: r["sentences"][1].update(text=None), r"sentences\[1\]: must have a 'text'"),
        (lambda r: r["sentences"][0].update(image_id=3), r"stands for a box of another image"),
    ],
)
def test_a_bad_sentence_is_named(record, stored, folder, change, message):
    change(record)
    with pytest.raises(InputError, match=message):
        PhraseDataset(str(stored(record)), str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 5}, r"sentences\[0\]: a phrase must have 0 <= start < end <= 19, got"),
        ({"end": 20}, "a phrase must have 0 <= start"),
        ({"end": 2.0}, "a phrase must have 0 <= start"),
        ({"annotation_ids": [999]}, r"annotation_ids must be ids of boxes, got \[999\]"),
        ({"annotation_ids": 101}, "annotation_ids must be ids of boxes, got 101"),
    ],
)
def test_a_bad_phrase_is_named(record, stored, folder, change, message):
    record["sentences"][0]["phrases"][0].update(change)
    with pytest.raises(InputError, match=message):
        PhraseDataset(str(stored(record)), str(folder))
