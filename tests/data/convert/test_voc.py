import numpy as np
import pytest
from PIL import Image

from ovdet.data import CocoDataset
from ovdet.structures import InputError

XML = """<annotation><filename>000005.jpg</filename>
<size><width>30</width><height>20</height><depth>3</depth></size>
<object><name>chair</name><difficult>0</difficult>
  <bndbox><xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>
  <part><name>leg</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
</object>
<object><name>person</name><difficult>1</difficult>
  <bndbox><xmin>5.5</xmin><ymin>5</ymin><xmax>30</xmax><ymax>9</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def devkit(put, source):
    put("VOC2007/Annotations/000005.xml", XML)
    put("VOC2007/ImageSets/Main/test.txt", "000005\n")
    (source / "VOC2007/JPEGImages").mkdir()
    Image.new("RGB", (30, 20)).save(source / "VOC2007/JPEGImages/000005.jpg")
    return source


def test_boxes_count_from_0_and_hold_both_corner_pixels(devkit, run):
    out, written = run("voc")
    dataset = CocoDataset(str(out / "voc2007_test.json"), str(devkit))
    truth = dataset[0].truth
    assert truth.boxes.tolist() == [[0, 2, 10, 20]]  # the difficult one is a crowd
    assert dataset.vocabulary.names[truth.labels[0]] == "chair"
    assert [a["iscrowd"] for a in dataset.to_coco()["annotations"]] == [0, 1]
    assert written["voc2007_test.json"].counts == {
        "images": 1, "boxes": 1, "difficult": 1, "classes": 20
    }  # fmt: skip


def test_label_maps_with_and_without_background(devkit, put, run):
    put("VOC2012/ImageSets/Segmentation/val.txt", "2007_000033\n")
    image = Image.new("P", (4, 1))
    image.putpalette(range(256))
    image.putdata([0, 1, 20, 255])
    folder = devkit / "VOC2012/SegmentationClass"
    folder.mkdir(parents=True)
    image.save(folder / "2007_000033.png")
    out, written = run("voc")

    def read(name):
        return np.asarray(Image.open(out / name / "val/2007_000033.png")).tolist()

    assert read("labels_20") == [[255, 0, 19, 255]]
    assert read("labels_21") == [[0, 1, 20, 255]]
    assert not any(path.endswith("trainaug/") for path in written)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chair", "dragon", r"000005\.xml: object 'dragon' is no class of VOC"),
        ("<xmin>1<", "<xmin>x<", r"000005\.xml: a box must have four corners"),
        ("<xmax>10<", "<xmax>0<", "a box must have xmin <= xmax and ymin <= ymax"),
        ("<width>30<", "<width><", "must state the image's size"),
        ("</annotation>", "", r"000005\.xml: must be XML"),
    ],
)
@pytest.mark.usefixtures("devkit")
def test_a_bad_annotation_is_named(put, run, old, new, message):
    put("VOC2007/Annotations/000005.xml", XML.replace(old, new))
    with pytest.raises(InputError, match=message):
        run("voc")


def test_a_part_is_refused_unless_told(devkit, run):
    with pytest.raises(InputError, match=r"Main/trainval\.txt: cannot be read as a list"):
        run("voc", partial=False)
    listed = devkit / "VOC2007/ImageSets/Main"
    (listed / "trainval.txt").write_bytes((listed / "test.txt").read_bytes())
    with pytest.raises(InputError, match="5,011 images, 12,608 boxes as published, got 1 images"):
        run("voc", partial=False)
