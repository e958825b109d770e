import json

import numpy as np
import pytest
from colours import AREAS, NAMES, STEP, flag
from PIL import Image

from ovdet.apis import PanopticResult, Segment
from ovdet.apis.draw import class_colour
from ovdet.data.panoptic import PanopticDataset
from ovdet.evaluation.panoptic import evaluate_panoptic_files, read_ids
from ovdet.structures import InputError, Vocabulary

PIXELS, LABELS = flag()
IDS = np.where(LABELS < 0, 0, 1 + STEP * LABELS).astype(np.int32)
CLASSES = {1 + STEP * c: c for c in range(3)}
LARGE = {256**3: 0, 1 + STEP: 1, 1 + 2 * STEP: 2}
VOCABULARY = Vocabulary(NAMES, ids=(5, 9, 2, 4))


def result(ids=IDS, classes=CLASSES, **options):
    return PanopticResult(ids, classes, VOCABULARY, PIXELS, "in/flag.png", **options)


def test_segments_largest_first():
    found = list(result())
    assert found[0] == Segment(1, " red", 0, 105, (0, 0, 20, 6))
    assert found[1] == Segment(1 + STEP, "blue", 1, 94, (0, 6, 20, 12))
    assert found[2] == Segment(1 + 2 * STEP, "green", 2, 25, (4, 3, 9, 8))
    assert len(result()) == 3


def test_table():
    assert result().table().splitlines()[:2] == [
        "class  share     x1     y1     x2     y2",
        " red    44 %      0      0     20      6",
    ]
    assert result(IDS * 0, {}).table() == "nothing found"


def test_coco_entries():
    assert result().to_coco()[2] == {
        "id": 1 + 2 * STEP,
        "category_id": 2,
        "area": 25,
        "bbox": [4, 3, 5, 5],
        "iscrowd": 0,
    }


def test_ids_are_colours(tmp_path):
    """1 + 70,000 is 113 + 17 x 256 + 1 x 65,536."""
    result().save_ids(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.getpixel((10, 10)) == (113, 17, 1)
    assert (read_ids(tmp_path / "a.png") == IDS).all()


def test_what_is_written_is_a_data_set(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "in/flag.png")
    result().save(tmp_path / "found.json")
    record = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert record["annotations"][0]["file_name"] == "flag.png"
    assert [category["id"] for category in record["categories"]] == [5, 9, 2, 4]
    assert not any("isthing" in category for category in record["categories"])
    data = PanopticDataset(str(tmp_path / "found.json"), str(tmp_path / "found"), str(tmp_path))
    assert data.vocabulary.names == NAMES
    assert (data.ids(0) == IDS).all()
    sample = data.stored(0)
    assert (sample.semantic.numpy() == LABELS).all()
    assert sorted(sample.truth.masks.sum(dim=(1, 2)).tolist()) == sorted(AREAS[:3])


def test_what_is_countable_is_written(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "in/flag.png")
    things = (True, False, True, False)
    result(things=things).save(tmp_path / "found.json")
    data = PanopticDataset(str(tmp_path / "found.json"), str(tmp_path / "found"), str(tmp_path))
    assert data.things == things
    with pytest.raises(InputError, match="things must have one entry a class, 4, got 1"):
        result(things=(True,))


def test_it_is_the_same_as_itself(tmp_path):
    """PQ of a file against itself is 1."""
    result().save(tmp_path / "found.json")
    figures = evaluate_panoptic_files(tmp_path / "found.json", tmp_path / "found.json")
    assert figures["all/PQ"] == 1


def test_segments_of_a_class_differ_and_are_counted():
    ids = IDS.copy()
    ids[0:3] = 7
    found = result(ids, CLASSES | {7: 0})
    drawn = found.plot()
    base = np.array(class_colour(" red"))
    large = 0.6 * base + 0.4 * np.array([255, 0, 0])  # the larger one, 60 px, comes first
    small = 0.6 * 0.7 * base + 0.4 * np.array([255, 0, 0])
    assert np.abs(drawn[40, 500] - large).max() <= 1
    assert np.abs(drawn[5 * 32, 500] - small).max() <= 1


def test_pictures(tmp_path):
    result().save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as stored:
        assert stored.size[0] == 640
    with pytest.raises(InputError, match=r"the suffix must be \.json or a picture's"):
        result().save(tmp_path / "a.txt")
    assert result(IDS * 0, {}).plot().shape == (12 * 32, 640, 3)


@pytest.mark.parametrize(
    ("ids", "classes", "message"),
    [
        (IDS.T, CLASSES, r"ids must be \[12, 20\] as the picture, got \[20, 12\]"),
        (IDS, {1: 0, 1 + STEP: 1}, f"a class, {1 + 2 * STEP} has no class"),
        (IDS, CLASSES | {3: 0}, "a class, 3 has no pixel"),
        (IDS, CLASSES | {1: 4}, "classes must be 0 to 3, got 4"),
        (np.where(IDS == 1, -5, IDS), {-5: 0, 1 + STEP: 1, 1 + 2 * STEP: 2}, "lie in 1 to"),
        (np.where(IDS == 1, 256**3, IDS), LARGE, "in 1 to 16777215, got 70001 to 16777216"),
    ],
)
def test_bad_maps(ids, classes, message):
    with pytest.raises(InputError, match=message):
        result(ids, classes)
