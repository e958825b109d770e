import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from ovdet.data.caption_files import CaptionFileDataset
from ovdet.data.stickers.bias import CELLS, KEPT
from ovdet.data.stickers.tracks import write_track
from ovdet.structures import InputError


def read(folder, name):
    return json.loads((folder / "annotations" / f"{name}.json").read_text(encoding="utf-8"))


def cells(records):
    return Counter((record["objects"][0]["name"], record["place"]) for record in records)


def test_only_the_unusual_cells_are_thinned(small_track):
    folder = small_track("stickers-bias")  # four pictures of each cell
    assert KEPT == (100, 75, 50, 25, 0)
    names = []
    for kept, left in zip(KEPT, (4, 3, 2, 1, 0), strict=True):
        records = read(folder, f"train_{kept:03d}_plain")
        count = {("horse", "grass"): 4, ("camel", "desert"): 4}
        if left:
            count |= {("horse", "desert"): left, ("camel", "grass"): left}
        assert cells(records) == count
        names.append({(record["id"], record["file_name"]) for record in records})
    assert all(less < more for more, less in pairwise(names))
    assert cells(read(folder, "val_plain")) == dict.fromkeys(CELLS, 1)


def test_captions_with_and_without_the_place(small_track):
    folder = small_track("stickers-bias")
    plain, placed = read(folder, "train_050_plain"), read(folder, "train_050_placed")
    assert {record["caption"] for record in plain} == {"a horse", "a camel"}
    where = {"grass": "on the grass", "desert": "in the desert"}
    for short, long in zip(plain, placed, strict=True):
        assert long["caption"] == f"{short['caption']} {where[short['place']]}"
        assert short["caption"] == f"a {short['objects'][0]['name']}"
        assert short["file_name"] == long["file_name"]


def test_the_picture_shows_the_place(small_track):
    folder = small_track("stickers-bias")
    for record in read(folder, "train_100_plain"):
        with Image.open(folder / "train" / record["file_name"]) as picture:
            values = np.asarray(picture).astype(float)
        assert values.shape == (64, 64, 3)
        x1, y1, x2, y2 = record["objects"][0]["box"]
        outside = np.ones((64, 64), bool)
        outside[y1:y2, x1:x2] = False
        red, green, _ = values[outside].mean(axis=0)
        assert (green > red) == (record["place"] == "grass")


def test_the_track_is_read_as_any_captioned_images(small_track):
    folder = small_track("stickers-bias")
    ann_file = folder / "annotations" / "train_025_placed.json"
    dataset = CaptionFileDataset(str(ann_file), str(folder / "train"))
    assert len(dataset) == 10
    assert dataset[1].captions == ("a camel in the desert",)
    assert dataset[1].file_name == "camel_desert_000.png"


@pytest.mark.usefixtures("font")
def test_cells_are_of_one_size(tmp_path):
    with pytest.raises(InputError, match="val must be a multiple of 4 images, got 6"):
        write_track("stickers-bias", tmp_path / "bias", train=4, val=6)
    assert not list(tmp_path.iterdir())
