"""YOLO label files and ODinW: small folders of the true layout."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from ovdet.data import CocoDataset
from ovdet.data.convert.odinw import read_sets
from ovdet.structures import InputError

YAML = "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: red car\n"


@pytest.fixture
def yolo(put, source):
    put("data.yaml", YAML)
    for name in ("train/a", "train/b", "val/c"):
        (source / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20)).save(source / f"images/{name}.png")
    put("labels/train/a.txt", "0 0.5 0.5 0.25 0.5\n\n1 0.0 0.0 0.5 0.0 0.5 0.5\n")
    put("labels/val/c.txt", "1 0.9 0.5 0.2 1.0\n")
    return source


def test_rows_become_boxes_and_polygons(yolo, run):
    out, written = run("yolo", partial=False)
    assert written["train.json"].counts == {"images": 2, "labelled": 1, "boxes": 2, "classes": 2}
    dataset = CocoDataset(str(out / "train.json"), str(yolo))
    assert dataset.vocabulary.names == ("cat", "red car")
    sample = dataset[0]
    assert sample.file_name == "images/train/a.png"
    assert sample.truth.boxes.tolist() == [[15, 5, 25, 15], [0, 0, 20, 10]]
    assert sample.truth.labels.tolist() == [0, 1]
    assert sample.truth.masks[1].any()
    assert not sample.truth.masks[1][10:].any()
    assert len(dataset[1].truth) == 0
    val = CocoDataset(str(out / "val.json"), str(yolo))[0]
    assert val.truth.boxes[0].tolist() == pytest.approx([32, 0, 40, 20])


def test_names_may_be_a_list_and_images_a_list_file(yolo, put, run):
    put("data.yaml", "train: train.txt\nnames: [cat, red car]\n")
    put("train.txt", "images/val/c.png\nimages/train/a.png\n")
    out, _ = run("yolo", partial=False)
    dataset = CocoDataset(str(out / "train.json"), str(yolo))
    assert [dataset[i].file_name for i in range(2)] == ["images/val/c.png", "images/train/a.png"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", r"labels/train/a\.txt, row 2: class 2 is none of the 2"),
        ("0 0.5 0.5 0.1", "row 2: must be a class and 4 numbers or a polygon"),
        ("0 0.5 x 0.1 0.1", "row 2: must be numbers"),
        ("0 20 5 10 10", "row 2: values must be parts of the image's sides"),
        ("0 0.5 nan 0.1 0.1", "row 2: values must be parts"),
        ("0 0.5 0.5 0 0.1", "row 2: a box must have width and height above 0"),
    ],
)
@pytest.mark.usefixtures("yolo")
def test_a_bad_row_is_named(put, run, row, message):
    put("labels/train/a.txt", f"0 0.5 0.5 0.1 0.1\n{row}\n")
    with pytest.raises(InputError, match=message):
        run("yolo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", r"data\.yaml: must be YAML"),
        ("4", "must be a mapping"),
        ("names: 4\ntrain: images/train", "'names' must be a list of class names, got 4"),
        ("names: [a]", "must name 'train', 'val' or 'test'"),
        ("names: [a]\ntrain: images/nowhere", "images/nowhere: data.yaml names it, but it is mis"),
    ],
)
@pytest.mark.usefixtures("yolo")
def test_bad_settings_are_named(put, run, text, message):
    put("data.yaml", text)
    with pytest.raises(InputError, match=message):
        run("yolo")


def test_a_split_without_any_label_is_refused_unless_told(yolo, run):
    (yolo / "labels/val/c.txt").unlink()
    with pytest.raises(InputError, match="no image of 'val' has a label file"):
        run("yolo", partial=False)
    _, written = run("yolo")
    assert written["val.json"].counts["boxes"] == 0


def pothole(name="pothole"):
    return {
        "images": [{"id": 0, "file_name": "a.jpg", "height": 20, "width": 40}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": name}],
    }


def test_odinw_is_read_set_by_set(put, run, source):
    put("pothole/valid/annotations_without_background.json", pothole())
    put("Packages/Raw/valid/annotations_without_background.json", pothole("package"))
    Image.new("RGB", (40, 20)).save(source / "pothole/valid/a.jpg")
    out, written = run("odinw")
    assert sorted(written) == ["Packages_valid.json", "pothole_valid.json"]
    dataset = CocoDataset(str(out / "pothole_valid.json"), str(source))
    assert dataset[0].truth.boxes.tolist() == [[1, 2, 4, 6]]
    with pytest.raises(InputError, match=r"lacks AerialMaritimeDrone, .*; --partial converts"):
        run("odinw", partial=False, force=True)


def test_a_set_whose_parts_lie_in_one_folder(put, run, source):
    """Pistols, one of the 13, and three more of the 35 are laid out so."""
    for part in ("train", "val"):
        put(f"pistols/export/{part}_annotations_without_background.json", pothole("pistol"))
    Image.new("RGB", (40, 20)).save(source / "pistols/export/a.jpg")
    out, written = run("odinw")
    assert sorted(written) == ["pistols_train.json", "pistols_valid.json"]
    dataset = CocoDataset(str(out / "pistols_valid.json"), str(source))
    assert dataset[0].file_name == "pistols/export/a.jpg"


def test_the_35_rename_classes_that_the_13_leave_alone(put, run):
    put("CottontailRabbits/valid/annotations_without_background.json", pothole("Cottontail-Rabbit"))
    names = {}
    for count in ("odinw", "odinw35"):
        out, _ = run(count, force=True)
        record = json.loads((out / "CottontailRabbits_valid.json").read_text())
        names[count] = [entry["name"] for entry in record["categories"]]
    assert names == {"odinw": ["Cottontail-Rabbit"], "odinw35": ["rabbit"]}
    chess = pothole("anything")
    chess["categories"] = [{"id": i, "name": f"{i}"} for i in range(1, 14)]
    place = "ChessPieces/Chess Pieces.v23-raw.coco/valid/annotations_without_background.json"
    put(place, chess)
    out, _ = run("odinw35", force=True)
    record = json.loads((out / "ChessPieces_valid.json").read_text())
    assert [entry["name"] for entry in record["categories"]][:2] == ["piece", "black bishop"]
    chess["categories"].pop()
    put(place, chess)
    with pytest.raises(InputError, match="must have the category ids 1 to 13"):
        run("odinw35", force=True)


def test_the_lists_of_odinw_are_mmdetections():
    """Folder, layout and classes of each set, read in its own configs."""
    folder = Path(importlib.util.find_spec("mmdet").origin).parent / ".mim/configs/grounding_dino"
    for count in (13, 35):
        text = (folder / f"odinw/grounding_dino_swin-t_pretrain_odinw{count}.py").read_text()
        blocks = text.split("class_name = ")[1:]
        sets = {one.folder: one for one in read_sets(count)}
        assert len(blocks) == len(sets) == count
        for block in blocks:
            names = ast.literal_eval(re.match(r"\([^)]*\)", block)[0])
            one = sets[re.search(r"data_root \+ '(.*)/'", block)[1]]
            wanted = one.renamed or one.classes
            assert {"piece" if not name.strip() else name for name in names} == set(wanted)
            assert one.joined == ("img=''" in block)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (pothole("hole"), r"must have the classes pothole, got \['hole'\]"),
        ({"images": []}, "must be a COCO object with a list 'annotations'"),
        (pothole() | {"images": [{"id": 1}]}, "an image must have a file_name"),
    ],
)
def test_another_odinw_is_named(put, run, record, message):
    put("pothole/valid/annotations_without_background.json", record)
    with pytest.raises(InputError, match=message):
        run("odinw")
