import json

from pycocotools.coco import COCO
from quick_labels import paint, store, task_of

from ovdet.labelling.formats.coco import write_coco


def found(category, bbox, score):
    return {"category_id": category, "bbox": bbox, "score": score}


def test_pycocotools_reads_what_was_found(tmp_path, capsys):
    records = [
        {"index": 2, "size": [16, 24], "objects": [found(3, [0, 0, 24, 16], 0.25)]},
        {"index": 1, "bad": "why"},
        {"index": 0, "size": [20, 30], "objects": []},
    ]
    parts = store(tmp_path / "out", task_of(paint(tmp_path / "in", 3)), records)
    coco = COCO(str(write_coco(parts)))
    capsys.readouterr()
    assert coco.imgs == {
        1: {"id": 1, "file_name": "000.png", "height": 20, "width": 30},
        3: {"id": 3, "file_name": "002.png", "height": 16, "width": 24},
    }
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    facts = {"id": 1, "image_id": 3, "area": 384, "iscrowd": 0}
    assert annotation == found(3, [0, 0, 24, 16], 0.25) | facts
    assert [c["name"] for c in coco.loadCats([1, 2, 3])] == ["cat", "red car", "日本"]


def test_masks_stay(tmp_path):
    mask = {"size": [16, 24], "counts": "084g8"}
    record = {"index": 0, "size": [16, 24], "objects": [found(1, [0, 0, 1, 8], 0.5)]}
    record["objects"][0]["segmentation"] = mask
    parts = store(tmp_path / "out", task_of(paint(tmp_path / "in", 1)), [record])
    (annotation,) = json.loads(write_coco(parts).read_text())["annotations"]
    assert annotation["segmentation"] == mask


def test_nothing_labelled_is_an_empty_file(tmp_path):
    parts = store(tmp_path / "out", task_of(paint(tmp_path / "in", 1)), [])
    file = json.loads(write_coco(parts).read_text())
    assert (file["images"], file["annotations"]) == ([], [])
    assert len(file["categories"]) == 3
