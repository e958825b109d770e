import json

import numpy as np
from pycocotools.coco import COCO

from ovdet.apis.coco import CocoFile, PanopticFile, encode_ids
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


def test_a_panoptic_file_grows_picture_by_picture(tmp_path):
    file = PanopticFile(Vocabulary(("cat", "日本"), ids=(3, 8)))
    segment = {"id": 1, "category_id": 8, "area": 4, "bbox": [0, 0, 2, 2], "iscrowd": 0}
    file.add("caf\udce9.jpg", (40, 60), "a.png", [segment])
    file.add("leer.jpg", (4, 6), "b.png", [])
    file.save(tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_bytes()) == {
        "images": [
            {"id": 1, "file_name": "caf\udce9.jpg", "width": 60, "height": 40},
            {"id": 2, "file_name": "leer.jpg", "width": 6, "height": 4},
        ],
        "annotations": [
            {"image_id": 1, "file_name": "a.png", "segments_info": [segment]},
            {"image_id": 2, "file_name": "b.png", "segments_info": []},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "日本"}],
    }


def test_categories_say_whether_they_are_countable(tmp_path):
    PanopticFile(Vocabulary(("sky", "cat")), (False, True)).save(tmp_path / "x.json")
    categories = json.loads((tmp_path / "x.json").read_bytes())["categories"]
    assert [category["isthing"] for category in categories] == [0, 1]


def test_ids_become_colours():
    """R + 256 G + 65,536 B."""
    ids = np.array([[0, 255, 256, 65_536, 256**3 - 1]], np.int32)
    wanted = [[0, 0, 0], [255, 0, 0], [0, 1, 0], [0, 0, 1], [255, 255, 255]]
    assert encode_ids(ids)[0].tolist() == wanted
