import numpy as np
import pytest

from ovdet.data import read_annotations
from ovdet.structures import InputError, Vocabulary


def test_arrays_hold_the_file(coco, stored, folder):
    record, vocabulary = read_annotations(stored(coco), folder)
    assert record.image_ids.tolist() == [7, 3, 11]
    assert [list(record.of_image(i)) for i in range(3)] == [[0, 1], [2, 3], []]
    assert record.boxes[2].tolist() == [20.5, 10.0, 32.0, 24.0]
    assert record.labels.tolist() == [0, 2, 0, 1]
    assert record.crowd.tolist() == [False, False, False, True]
    assert record.segmentation(1) == coco["annotations"][1]["segmentation"]
    assert vocabulary.names == ("cat", "dog", "red car")
    assert vocabulary.novel == (False, False, True)
    assert vocabulary.ids == (5, 2, 9)


def test_annotations_may_stand_in_any_order(coco, stored, folder):
    coco["annotations"].reverse()
    record, _ = read_annotations(stored(coco), folder)
    assert [record.ids[list(record.of_image(i))].tolist() for i in range(3)] == [
        [102, 101],
        [104, 103],
        [],
    ]


def test_boxes_may_touch_the_edge_within_a_pixel(coco, stored, folder):
    coco["annotations"][0]["bbox"] = [-0.5, 4, 33, 8]
    record, _ = read_annotations(stored(coco), folder)
    assert record.boxes[0].tolist() == [0, 4, 32, 12]


CHANGES = [
    ({"bbox": [4, 4, -8, 8]}, "annotation 101: bbox must have width and height above 0"),
    ({"bbox": [4, 4, 0, 8]}, "annotation 101: bbox must have width and height above 0"),
    ({"bbox": [4, 4, float("nan"), 8]}, "annotation 101: bbox must be four finite numbers"),
    ({"bbox": [4, 4, float("inf"), 8]}, "annotation 101: bbox must be four finite numbers"),
    ({"bbox": [4, 4, 8]}, "annotation 101: bbox must be four finite numbers"),
    ({"bbox": None}, "annotation 101: bbox must be four finite numbers"),
    ({"bbox": ["4", 4, 8, 8]}, "annotation 101: bbox must be four finite numbers"),
    ({"bbox": [4, 4, 40, 8]}, "annotation 101: bbox must lie inside its image of 32 x 24 px"),
    ({"bbox": [32.2, 4, 0.5, 8]}, "annotation 101: bbox must lie inside its image"),
    ({"bbox": [-9, 4, 8, 8]}, "annotation 101: bbox must lie inside its image"),
    ({"category_id": 77}, "annotation 101: category_id 77 is unknown"),
    ({"category_id": "5"}, "annotation 101: category_id must be a whole number, got '5'"),
    ({"image_id": 77}, "annotation 101: image_id 77 is unknown"),
    ({"image_id": True}, "annotation 101: image_id must be a whole number, got True"),
    ({"id": 102}, "annotation 102: its id stands twice"),
    ({"id": None}, "annotation number 0 of the list: id must be a whole number"),
    ({"iscrowd": 2}, "annotation 101: iscrowd must be 0 or 1"),
    ({"area": -1}, "annotation 101: area must be a number >= 0"),
    ({"segmentation": [[1, 2, 3, 4]]}, "annotation 101: segmentation polygons must be"),
    ({"segmentation": [["a"] * 6]}, "annotation 101: segmentation polygons must be"),
    ({"segmentation": "xyz"}, "annotation 101: segmentation must be polygons or run lengths"),
    ({"segmentation": {"size": [1, 1], "counts": [1]}}, "101: segmentation size must be"),
    ({"segmentation": {"size": [24, 32], "counts": [1]}}, "101: segmentation runs must fill 768"),
    ({"segmentation": {"size": [24, 32], "counts": "o"}}, "101: segmentation counts end in the"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_bad_annotation_is_named_or_left_out(coco, stored, folder, change, message):
    coco["annotations"][0] |= change
    path = stored(coco)
    with pytest.raises(InputError, match=message) as caught:
        read_annotations(path, folder)
    assert "--skip-bad" in str(caught.value)
    record, _ = read_annotations(path, folder, skip_bad=True)
    assert record.skipped == 1
    assert len(record.ids) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_name": "none.png"}, r"image 7: file 'none\.png' is missing"),
        ({"file_name": 3}, "image 7: file_name must be text, got 3"),
        ({"file_name": "a\0b"}, "image 7: file_name must be text"),
        ({"file_name": "x" * 5000}, "image 7: file .* is missing"),
        ({"height": 0}, "image 7: height must be a whole number above 0, got 0"),
        ({"width": 32.5}, "image 7: width must be a whole number above 0, got 32.5"),
        ({"id": "7"}, "image number 0 of the list: id must be a whole number"),
    ],
)
def test_a_bad_image_takes_its_annotations_along(coco, stored, folder, change, message):
    coco["images"][0] |= change
    path = stored(coco)
    with pytest.raises(InputError, match=message + r".* \(and 2 more\)"):
        read_annotations(path, folder)
    record, _ = read_annotations(path, folder, skip_bad=True)
    assert record.ids.tolist() == [103, 104]
    assert record.skipped == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "must be a COCO object with a list 'images'"),
        ({"annotations": {}}, "must be a COCO object with a list 'annotations'"),
        ({"categories": []}, "categories: classes must hold at least one name"),
        ({"categories": [{"id": 5}]}, "category 5 must have a text 'name'"),
        ({"categories": [{"name": "a"}]}, "category 0 must have a whole number 'id'"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "got 'a' twice"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "ids must be distinct"),
        ({"images": []}, "and 3 more"),
    ],
)
def test_a_file_of_another_shape(coco, stored, folder, change, message):
    with pytest.raises(InputError, match=message):
        read_annotations(stored(coco | change), folder)


def test_nothing_left_is_an_error(coco, stored, folder):
    with pytest.raises(InputError, match="must hold at least one usable image"):
        read_annotations(stored(coco | {"images": []}), folder, skip_bad=True)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"3", b"[" * 100_000])
def test_a_file_that_is_no_record(folder, data):
    path = folder / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match="must be"):
        read_annotations(path, folder)


def test_a_vocabulary_orders_and_limits(coco, stored, folder):
    wanted = Vocabulary(("red car", "cat"))
    record, vocabulary = read_annotations(stored(coco), folder, vocabulary=wanted)
    assert vocabulary.names == ("red car", "cat")
    assert vocabulary.ids == (9, 5)
    assert vocabulary.novel == (True, False)
    assert record.ids.tolist() == [101, 102, 103]
    assert record.labels.tolist() == [1, 0, 1]


def test_a_vocabulary_of_other_names_fails(coco, stored, folder):
    wanted = Vocabulary(("cat", "Dog"))
    with pytest.raises(InputError, match="has no category for 1 of the names: 'Dog'"):
        read_annotations(stored(coco), folder, vocabulary=wanted)


def test_no_annotation_at_all(coco, stored, folder):
    record, _ = read_annotations(stored(coco | {"annotations": []}), folder)
    assert record.boxes.shape == (0, 4)
    assert record.starts.tolist() == [0, 0, 0, 0]
    assert record.boxes.dtype == np.float32
