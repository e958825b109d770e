"""COCO captions, Flickr30k Entities and RefCOCO: small files of the true layout."""

import pickle
from pathlib import Path

import pytest
from PIL import Image

from ovdet.data import CaptionFileDataset, CocoDataset, PhraseDataset
from ovdet.data.convert.flickr30k_entities import parse_sentence
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError

CAPTIONS = {
    "images": [
        {"id": 9, "file_name": "000000000009.jpg", "height": 20, "width": 30},
        {"id": 25, "file_name": "000000000025.jpg", "height": 20, "width": 30},
    ],
    "annotations": [
        {"image_id": 25, "id": 1, "caption": "A giraffe eats. "},
        {"image_id": 9, "id": 2, "caption": "Closeup of bins of food\nand bread."},
        {"image_id": 25, "id": 3, "caption": "A zoo."},
    ],
}


def test_captions_are_gathered_by_image(put, run, source):
    put("annotations/captions_val2017.json", CAPTIONS)
    out, written = run("coco-captions")
    assert written["val.json"].counts == {"images": 2, "captions": 3}
    for image in CAPTIONS["images"]:
        Image.new("RGB", (30, 20)).save(source / image["file_name"])
    dataset = CaptionFileDataset(str(out / "val.json"), str(source))
    assert [dataset[i].captions for i in range(2)] == [
        ("Closeup of bins of food and bread.",),
        ("A giraffe eats.", "A zoo."),
    ]
    assert dataset[1].image_id == 25


def test_classes_that_captions_name_become_image_labels(put, run, source):
    told = [
        {"image_id": 9, "id": 1, "caption": "Two Dogs chase a cat"},
        {"image_id": 9, "id": 2, "caption": "on a skateboard."},
        {"image_id": 25, "id": 3, "caption": "Cattle; a dogged busman"},  # parts of words
    ]
    put("annotations/captions_train2017.json", CAPTIONS | {"annotations": told})
    out, written = run("coco-tags")
    assert written["train.json"].counts == {"images": 1, "labels": 3}
    Image.new("RGB", (30, 20)).save(source / "000000000009.jpg")
    dataset = CocoDataset(str(out / "train.json"), str(source), vocabulary="@coco-ov")
    assert len(dataset) == 1
    names = dataset.vocabulary.names
    assert {names[label] for label in dataset[0].positive} == {"cat", "dog", "skateboard"}
    assert dataset.vocabulary.novel_mask == vocabulary("coco-ov").novel_mask


def test_tags_need_sizes(put, run):
    images = [{"id": 9, "file_name": "9.jpg"}]
    told = [{"image_id": 9, "id": 1, "caption": "a dog"}]
    put("annotations/captions_train2017.json", {"images": images, "annotations": told})
    with pytest.raises(InputError, match="image 9 must have a whole height and width"):
        run("coco-tags")


def test_captions_of_other_counts_are_refused(put, run):
    put("annotations/captions_train2017.json", CAPTIONS)
    with pytest.raises(InputError, match="118,287 images, 591,753 captions as published, got 2"):
        run("coco-captions", partial=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 4}, "must be a COCO object with a list 'images'"),
        ({"images": [{"id": []}]}, r"images\[0\] must have a whole id and a file_name"),
        ({"annotations": [{"image_id": 9}]}, r"annotations\[0\] must caption one of the images"),
        ({"annotations": [{"image_id": {}, "caption": "a"}]}, r"annotations\[0\] must caption"),
    ],
)
def test_bad_captions_are_named(put, run, change, message):
    put("annotations/captions_val2017.json", CAPTIONS | change)
    with pytest.raises(InputError, match=message):
        run("coco-captions")


MARKED = (
    "[/EN#1/people Two young guys] with [/EN#2/bodyparts/other shaggy hair] look at "
    "[/EN#0/notvisual their] hands in [/EN#3/scene the yard] ."
)
XML = """<annotation><filename>36979.jpg</filename><size><width>30</width><height>20</height></size>
<object><name>1</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>9</ymax></bndbox></object>
<object><name>1</name><name>2</name>
  <bndbox><xmin>11</xmin><ymin>2</ymin><xmax>14</xmax><ymax>20</ymax></bndbox></object>
<object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object></annotation>"""


def test_marks_become_spans():
    text, phrases = parse_sentence(MARKED)
    assert text == "Two young guys with shaggy hair look at their hands in the yard ."
    assert [(text[start:end], chain) for start, end, chain in phrases] == [
        ("Two young guys", "1"), ("shaggy hair", "2"), ("their", "0"), ("the yard", "3")
    ]  # fmt: skip
    assert parse_sentence("no mark [here]") == ("no mark [here]", [])


def test_phrases_of_flickr_find_their_boxes(put, run, source):
    put("Annotations/36979.xml", XML)
    put("Sentences/36979.txt", f"{MARKED}\nA [/EN#2/other head] .\n")
    put("test.txt", "36979\n")
    Image.new("RGB", (30, 20)).save(source / "36979.jpg")
    out, written = run("flickr30k-entities")
    assert written["test.json"].counts == {
        "images": 1, "sentences": 2, "annotations": 2, "phrases": 3
    }  # fmt: skip
    sample = PhraseDataset(str(out / "test.json"), str(source))[0]
    assert [sample.captions[0][a:b] for a, b in sample.phrases] == ["Two young guys", "shaggy hair"]
    left, right = [0, 0, 4, 9], [10, 1, 14, 20]
    assert sample.truth.boxes.tolist() == [left, right, right]
    assert sample.truth.labels.tolist() == [0, 0, 1]
    assert sample.image_id == 36979


def test_flickr_of_other_counts_is_refused(put, run):
    put("Annotations/1.xml", XML)
    put("Sentences/1.txt", MARKED)
    for split in ("train", "val", "test"):
        put(f"{split}.txt", "1\n")
    with pytest.raises(InputError, match="29,783 images, 148,915 sentences as published, got 1 im"):
        run("flickr30k-entities", partial=False)


REFS = [
    {
        "ref_id": 0, "ann_id": 1, "image_id": 7, "category_id": 1, "split": "testA",
        "file_name": "COCO_train2014_000000000007_0.jpg",
        "sentences": [{"sent": "left man ", "sent_id": 0}, {"sent": "in red", "sent_id": 1}],
    },
    {
        "ref_id": 1, "ann_id": 3, "image_id": 3, "category_id": 17, "split": "train",
        "sentences": [{"sent": "cat", "sent_id": 2}],
    },
]  # fmt: skip


@pytest.fixture
def refer(put, coco_record, source):
    put("refcoco/instances.json", coco_record([(7, 1), (7, 17), (3, 17)], [7, 3, 5]))
    put("refcoco/refs(unc).p", pickle.dumps(REFS, protocol=2))
    for number in (7, 3):
        Image.new("RGB", (30, 20)).save(source / f"{number:012d}.jpg")
    return source


def test_an_expression_is_a_phrase_of_one_box(refer, run):
    out, written = run("refcoco")
    assert sorted(written) == ["refcoco_unc_testA.json", "refcoco_unc_train.json"]
    assert written["refcoco_unc_testA.json"].counts == {
        "images": 1, "sentences": 2, "annotations": 1
    }  # fmt: skip
    dataset = PhraseDataset(str(out / "refcoco_unc_testA.json"), str(refer))
    assert [dataset[i].captions for i in range(2)] == [("left man",), ("in red",)]
    assert dataset[0].phrases == ((0, 8),)
    assert dataset[0].truth.boxes.tolist() == [[1, 2, 4.5, 6]]


class Harmful:
    """Makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.usefixtures("refer")
def test_a_pickle_that_would_run_code_is_refused(run, put, tmp_path):
    marker = tmp_path / "ran"
    put("refcoco/refs(unc).p", pickle.dumps([Harmful(marker)]))
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: refused or damaged: it would call"):
        run("refcoco")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (pickle.dumps({}), "must hold a list of references"),
        (pickle.dumps([{"ann_id": 1}]), "reference 0 must have ann_id, image_id, split"),
        (pickle.dumps([REFS[0] | {"ann_id": 99}]), "instances.json lacks image 7 or its box"),
    ],
)
@pytest.mark.usefixtures("refer")
def test_bad_references_are_named(run, put, content, message):
    put("refcoco/refs(unc).p", content)
    with pytest.raises(InputError, match=message):
        run("refcoco")


@pytest.mark.usefixtures("refer")
def test_references_of_other_counts_are_refused(run):
    with pytest.raises(InputError, match="19,994 images, 50,000 objects as published, got 2 imag"):
        run("refcoco", partial=False)
