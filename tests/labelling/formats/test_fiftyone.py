import json

from quick_labels import NAMES, paint, store, task_of

from ovdet.labelling.formats.fiftyone import write_fiftyone


def test_the_layout_is_that_of_its_image_detection_dataset(tmp_path):
    objects = [{"category_id": 2, "bbox": [6, 4, 12, 8], "score": 0.9}]
    records = [
        {"index": 0, "size": [16, 24], "objects": objects},
        {"index": 1, "size": [16, 24], "objects": []},
    ]
    path = write_fiftyone(store(tmp_path / "out", task_of(paint(tmp_path / "in", 2)), records))
    assert json.loads((path / "labels.json").read_text()) == {
        "classes": list(NAMES),
        "labels": {
            "000": [{"label": 1, "bounding_box": [0.25, 0.25, 0.5, 0.5], "confidence": 0.9}],
            "001": [],
        },
    }
    assert sorted(one.name for one in (path / "data").iterdir()) == ["000.png", "001.png"]
