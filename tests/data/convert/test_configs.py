"""From the authors' layout to a built data set, with the places that tool and configs name."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from scipy.io import savemat

from ovdet.cli.convert import CONVERSIONS
from ovdet.data.convert import convert
from ovdet.data.splits import vocabulary
from ovdet.registry import build

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def defaults():
    """Source and output of each conversion, as the command has them."""
    return {name: paths[:2] for name, paths in CONVERSIONS.items()}


@pytest.fixture
def data(tmp_path):
    """Where the authors' files go; ``image`` and ``labels`` draw them."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20)).save(path)


def labels(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (30, 20), value).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def coco(data, make):
    for split in ("train", "val"):
        text(data / f"coco/annotations/instances_{split}2017.json", json.dumps(make([(1, 1)], [1])))
        image(data / f"coco/{split}2017/000000000001.jpg")


def lvis(data, make):
    classes = vocabulary("lvis-v1")
    kind = classes.frequency.index("f")
    record = make([(1, classes.category_ids[kind])], [1], classes="lvis-v1")
    for category, frequency in zip(record["categories"], classes.frequency, strict=True):
        category["frequency"] = frequency
    record["images"][0]["coco_url"] = "http://x/val2017/000000000001.jpg"
    record["images"][0] |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    for split in ("train", "val"):
        text(data / f"lvis/lvis_v1_{split}.json", json.dumps(record))
    image(data / "coco/val2017/000000000001.jpg")


def cocostuff(data, _):
    for split in ("train2017", "val2017"):
        labels(data / f"coco/stuffthingmaps/{split}/1.png", 0)
        image(data / f"coco/{split}/1.jpg")


def voc(data, _):
    root = data / "VOCdevkit/VOC2012"
    for split, folder in (("trainaug", "SegmentationClassAug"), ("val", "SegmentationClass")):
        text(root / f"ImageSets/Segmentation/{split}.txt", "1\n")
        labels(root / folder / "1.png", 1)
    image(root / "JPEGImages/1.jpg")


def ade20k(data, _):
    for split in ("training", "validation"):
        labels(data / f"ade/ADEChallengeData2016/annotations/{split}/1.png", 1)
    image(data / "ade/ADEChallengeData2016/images/validation/1.jpg")


def context(data, _):
    root = data / "VOCdevkit/VOC2010"
    text(root / "ImageSets/Main/val.txt", "1\n")
    (root / "trainval").mkdir()
    savemat(root / "trainval/1.mat", {"LabelMap": np.full((20, 30), 2, np.uint16)})
    image(root / "JPEGImages/1.jpg")


def cityscapes(data, _):
    labels(data / "cityscapes/gtFine/val/ulm/ulm_1_gtFine_labelIds.png", 7)
    image(data / "cityscapes/leftImg8bit/val/ulm/ulm_1_leftImg8bit.png")


def flickr(data, _):
    size = "<size><width>30</width><height>20</height></size>"
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>9</ymax></bndbox>"
    root = data / "flickr30k"
    text(root / "Annotations/1.xml", f"<a>{size}<object><name>5</name>{box}</object></a>")
    text(root / "Sentences/1.txt", "[/EN#5/people A man] .\n")
    for split in ("train", "val"):
        text(root / f"{split}.txt", "1\n")
    image(root / "flickr30k-images/1.jpg")


def refcoco(data, make):
    name = "COCO_train2014_000000000001.jpg"
    record = make([(1, 1)], [1])
    record["images"][0]["file_name"] = name
    ref = {"ann_id": 1, "image_id": 1, "split": "val", "sentences": [{"sent": "the man"}]}
    text(data / "refer/refcoco/instances.json", json.dumps(record))
    (data / "refer/refcoco/refs(unc).p").write_bytes(pickle.dumps([ref]))
    image(data / f"coco/train2014/{name}")


@pytest.mark.parametrize(
    ("config", "name", "make"),
    [
        ("coco_ov", "coco-ov", coco),
        ("lvis_ov", "lvis-ov", lvis),
        ("cocostuff_zs", "cocostuff", cocostuff),
        ("voc_zs", "voc", voc),
        ("ade20k_150", "ade20k", ade20k),
        ("context_59", "context", context),
        ("cityscapes", "cityscapes", cityscapes),
        ("flickr30k_entities", "flickr30k-entities", flickr),
        ("refcoco", "refcoco", refcoco),
    ],
)
def test_what_is_converted_is_what_a_config_reads(data, defaults, coco_record, config, name, make):
    make(data, coco_record)
    source, out = defaults[name]
    convert(name, data / source, data / out, partial=True)
    path = ROOT / f"configs/base/datasets/{config}.py"
    moved = path.read_text(encoding="utf-8").replace('"data/', f'"{data}/')
    settings = Config.fromstring(moved, ".py").to_dict()
    for split in {"train", "val"} & settings.keys():
        dataset = build(settings[split]["dataset"], f"{split}.dataset")
        sample = dataset[0]
        assert sample.original_size == (20, 30)
        if sample.semantic is None:
            assert len(sample.truth) == 1
        else:
            assert (sample.semantic == 0).all()  # each map is drawn with its first class
    assert build(settings["val"]["metrics"], "val.metrics")


def test_panoptic_files_are_read_as_they_are_published(data):
    segment = {"id": 7, "category_id": 1, "area": 600, "iscrowd": 0}
    record = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 20, "width": 30}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": [segment]}],
        "categories": [{"id": 1, "name": "person", "isthing": 1}],
    }
    for split in ("train2017", "val2017"):
        text(data / f"coco/annotations/panoptic_{split}.json", json.dumps(record))
        (data / f"coco/annotations/panoptic_{split}").mkdir()
        Image.new("RGB", (30, 20), (7, 0, 0)).save(
            data / f"coco/annotations/panoptic_{split}/1.png"
        )
        image(data / f"coco/{split}/1.jpg")
    path = ROOT / "configs/base/datasets/coco_panoptic.py"
    moved = path.read_text(encoding="utf-8").replace('"data/', f'"{data}/')
    settings = Config.fromstring(moved, ".py").to_dict()
    for split in ("train", "val"):
        sample = build(settings[split]["dataset"], split)[0]
        assert sample.truth.masks.all()
        assert sample.truth.masks.shape[1:] == sample.image.shape[1:]
