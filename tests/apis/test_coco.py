import json

from pycocotools.coco import COCO

from ovdet.apis.coco import CocoFile
from ovdet.structures import Vocabulary


def record(category, box):
    return {"image_id": 99, "category_id": category, "bbox": box, "score": 0.5}


def test_pycocotools_reads_what_grew_picture_by_picture(tmp_path):
    file = CocoFile(Vocabulary(("cat", "日本")))
    file.add("a.png", (40, 60), [record(1, [0, 0, 2.5, 4]), record(2, [1, 1, 2, 2])])
    file.add("leer.png", (4, 6), [])
    file.add("b.png", (10, 10), [record(2, [1, 1, 3, 3])])
    file.save(tmp_path / "x.json")
    coco = COCO(tmp_path / "x.json")
    assert coco.getImgIds() == [1, 2, 3]
    assert coco.getAnnIds(imgIds=[3]) == [3]
    assert coco.anns[1]["area"] == 10
    assert coco.cats[2]["name"] == "日本"


def test_a_file_name_that_is_not_utf8_does_not_stop_it(tmp_path):
    file = CocoFile(Vocabulary(("cat",)))
    file.add("caf\udce9.png", (4, 4), [])
    file.save(tmp_path / "x.json")
    text = (tmp_path / "x.json").read_bytes().decode("utf-8")
    assert json.loads(text)["images"][0]["file_name"] == "caf\udce9.png"
