import json
from xml.etree import ElementTree

import pytest
from quick_labels import NAMES, paint, store, task_of

from ovdet.labelling.formats import writers

OBJECTS = [
    {"category_id": 3, "bbox": [6, 4, 12, 8], "score": 0.9},
    {"category_id": 1, "bbox": [0, 0, 24, 16], "score": 0.5},
]


def write(tmp_path, url=None):
    folder = paint(tmp_path / "my photos", 2)
    records = [
        {"index": 0, "size": [16, 24], "objects": OBJECTS},
        {"index": 1, "size": [16, 24], "objects": []},
    ]
    parts = store(tmp_path / "out", task_of(folder), records)
    path = writers(["label-studio"], url)["label-studio"](parts)
    return json.loads(path.read_text()), path.with_suffix(".xml")


def test_boxes_are_in_percent_and_names_those_of_the_interface(tmp_path):
    (first, second), view = write(tmp_path)
    assert first["data"] == {"image": "/data/local-files/?d=my%20photos/000.png"}
    (prediction,) = first["predictions"]
    assert prediction["model_version"] == "quick"
    assert prediction["score"] == pytest.approx(0.7)
    result = prediction["result"][0]
    assert result["value"] == {
        "x": 25,
        "y": 25,
        "width": 50,
        "height": 50,
        "rotation": 0,
        "rectanglelabels": ["日本"],
    }
    assert (result["original_width"], result["original_height"]) == (24, 16)
    assert second["predictions"] == [{"model_version": "quick", "result": []}]
    root = ElementTree.parse(view).getroot()
    image, labels = root.find("Image"), root.find("RectangleLabels")
    assert (labels.get("name"), labels.get("toName")) == (result["from_name"], result["to_name"])
    assert image.get("value") == "$image"
    assert [label.get("value") for label in labels] == list(NAMES)


def test_addresses_begin_as_asked(tmp_path):
    (first, _), _ = write(tmp_path, "https://example.org/p/")
    assert first["data"]["image"] == "https://example.org/p/000.png"
