import json

import numpy as np
from pycocotools import mask as coco_mask

from ovdet.data.stickers.coco_json import CocoWriter, encode_json
from ovdet.data.stickers.scenes import Placed, Scene
from ovdet.data.stickers.split import Category


def scene():
    first, second = np.zeros((8, 10), bool), np.zeros((8, 10), bool)
    first[1:4, 2:7] = True
    second[5:8, 0:3] = True
    second[5, 0] = False
    image = np.zeros((8, 10, 3), np.uint8)
    objects = (
        Placed("dog", None, (2, 1, 7, 4), first, 0.0),
        Placed("cup", "red", (0, 5, 3, 8), second, 0.0),
    )
    return Scene(image, objects, ("sky",))


def test_file_says_what_the_scene_holds():
    writer = CocoWriter([Category(18, "dog", novel=True), Category(47, "cup", novel=False)])
    writer.add(scene(), "000000.png")
    record = json.loads(writer.to_json())
    assert record["images"] == [{"file_name": "000000.png", "height": 8, "id": 1, "width": 10}]
    dog, cup = record["annotations"]
    assert (dog["bbox"], dog["area"], dog["category_id"]) == ([2, 1, 5, 3], 15, 18)
    assert (cup["bbox"], cup["area"], cup["category_id"]) == ([0, 5, 3, 3], 8, 47)
    assert np.array_equal(coco_mask.decode(cup["segmentation"]), scene().objects[1].mask)


def test_keeping_some_classes_keeps_images_ids_and_categories():
    writer = CocoWriter([Category(18, "dog", novel=True), Category(47, "cup", novel=False)])
    writer.add(scene(), "000000.png")
    record = json.loads(writer.to_json(keep=frozenset({"cup"})))
    assert [item["id"] for item in record["annotations"]] == [2]
    assert len(record["images"]) == 1
    assert [item["novel"] for item in record["categories"]] == [True, False]


def test_bytes_do_not_depend_on_the_order_of_keys():
    assert encode_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}\n'.encode()
