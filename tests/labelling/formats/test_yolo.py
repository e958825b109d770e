import json

import pytest
import yaml
from quick_labels import NAMES, paint, store, task_of

from ovdet.data.convert.output import Output
from ovdet.data.convert.yolo import convert_yolo
from ovdet.labelling.formats.yolo import write_yolo


def record(index, *objects):
    return {"index": index, "size": [16, 24], "objects": list(objects)}


def test_our_own_reader_gives_back_what_was_found(tmp_path):
    first = {"category_id": 2, "bbox": [6, 4, 12, 8], "score": 0.9}
    second = {"category_id": 3, "bbox": [0, 0, 24, 16], "score": 0.8}
    task = task_of(paint(tmp_path / "in", 2))
    path = write_yolo(store(tmp_path / "out", task, [record(0), record(1, first, second)]))
    assert path == tmp_path / "out" / "yolo" / "data.yaml"
    assert yaml.safe_load(path.read_text())["names"] == dict(enumerate(NAMES))
    rows = (path.parent / "labels" / "001.txt").read_text().splitlines()
    assert rows[0] == "1 0.500000 0.500000 0.500000 0.500000"
    with Output(tmp_path / "read") as output:
        convert_yolo(path.parent, output)
    read = json.loads((tmp_path / "read" / "train.json").read_text())
    assert [image["file_name"] for image in read["images"]] == ["images/000.png", "images/001.png"]
    for annotation, found in zip(read["annotations"], (first, second), strict=True):
        assert annotation["image_id"] == 2
        assert annotation["category_id"] == found["category_id"]
        assert annotation["bbox"] == pytest.approx(found["bbox"], abs=1e-4)


def test_equal_names_of_two_folders_both_stay(tmp_path):
    paint(tmp_path / "in" / "a", 1)
    paint(tmp_path / "in" / "b", 1)
    task = task_of(tmp_path / "in" / "a")
    files = [tmp_path / "in" / "a" / "000.png", tmp_path / "in" / "b" / "000.png"]
    task = type(task).of(files, task.question, "quick")
    write_yolo(store(tmp_path / "out", task, [record(0), record(1)]))
    images = tmp_path / "out" / "yolo" / "images"
    assert (images / "000_2.png").resolve() == files[1]
    assert (images / "000.png").resolve() == files[0]
