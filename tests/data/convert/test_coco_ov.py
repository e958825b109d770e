import hashlib

import pytest
from PIL import Image

from ovdet.data import CocoDataset
from ovdet.structures import InputError, Vocabulary

PERSON, CAT, STOP_SIGN, AIRPLANE = 1, 17, 13, 5  # base, novel, neither, novel
TRAIN = "annotations/instances_train2017.json"
VAL = "annotations/instances_val2017.json"


@pytest.fixture
def record(coco_record):
    boxes = [(7, PERSON), (7, CAT), (3, STOP_SIGN), (5, AIRPLANE), (9, PERSON), (9, PERSON)]
    return coco_record(boxes, [7, 3, 5, 9, 11])


@pytest.fixture
def converted(put, record, run):
    put(TRAIN, record)
    put(VAL, record)
    return run("coco-ov")


def boxes_of(record):
    return [(a["image_id"], a["category_id"]) for a in record["annotations"]]


def test_training_has_all_images_and_base_boxes(converted, read, record):
    out, written = converted
    found = read(out / "train_base.json")
    assert boxes_of(found) == [(7, PERSON), (9, PERSON), (9, PERSON)]
    assert found["images"] == record["images"]
    assert found["annotations"][0] == record["annotations"][0]
    assert found["info"] == record["info"]
    assert found["licenses"] == record["licenses"]
    sides = [category["novel"] for category in found["categories"]]
    assert (len(sides), sum(sides)) == (80, 17)
    assert written["train_base.json"].counts == {
        "images": 5, "with boxes": 2, "boxes": 3, "classes": 80
    }  # fmt: skip


def test_one_file_of_65_classes_has_the_images_that_show_one(converted, read):
    out, _ = converted
    found = read(out / "val_65.json")
    assert boxes_of(found) == [(7, 1), (7, 17), (5, 5), (9, 1), (9, 1)]
    assert [image["id"] for image in found["images"]] == [7, 5, 9]
    assert len(found["categories"]) == 65
    assert sum(category["novel"] for category in found["categories"]) == 17
    assert STOP_SIGN not in {category["id"] for category in found["categories"]}


def test_the_other_habit_has_a_file_for_each_side_over_all_images(converted, read):
    out, _ = converted
    base, novel = read(out / "val_base.json"), read(out / "val_novel.json")
    assert boxes_of(base) == [(7, PERSON), (9, PERSON), (9, PERSON)]
    assert boxes_of(novel) == [(7, CAT), (5, AIRPLANE)]
    for found in (base, novel):
        assert len(found["images"]) == 5
        assert len(found["categories"]) == 80


def test_the_dataset_reads_them_with_either_head(converted):
    out, _ = converted
    for number in (7, 3, 5, 9, 11):
        Image.new("RGB", (30, 20)).save(out / f"{number:012d}.jpg")
    narrow = CocoDataset(str(out / "train_base.json"), str(out), vocabulary="@coco-ov")
    assert len(narrow.vocabulary) == 65
    assert narrow.vocabulary == Vocabulary.load(out / "vocabulary.json")
    wide = CocoDataset(str(out / "train_base.json"), str(out), filter_empty=True)
    assert (len(wide.vocabulary), sum(wide.vocabulary.novel_mask), len(wide)) == (80, 17, 2)


def test_the_sums_are_those_of_the_files(converted):
    out, written = converted
    for path, one in written.items():
        assert hashlib.sha256((out / path).read_bytes()).hexdigest() == one.sha256
    lines = (out / "conversion.sha256").read_text().splitlines()
    assert lines == sorted(
        (f"{one.sha256}  {path}" for path, one in written.items()), key=lambda line: line[66:]
    )


def test_the_order_of_keys_does_not_matter(put, record, run, converted):
    _, before = converted
    put(VAL, dict(sorted(record.items())))  # annotations before images
    _, after = run("coco-ov", force=True)
    assert after == before


def test_a_check_writes_nothing_and_sees_a_change(put, record, run, source, tmp_path):
    put(TRAIN, record)
    put(VAL, record)
    out, checked = run("coco-ov", check=True)
    assert sorted(tmp_path.iterdir()) == [source]
    _, written = run("coco-ov")
    assert checked == written
    run("coco-ov", check=True)
    stored = out / "val_novel.json"
    stored.write_bytes(stored.read_bytes().replace(b"14.0", b"15.0"))
    with pytest.raises(InputError, match=r"val_novel\.json: is not what this conversion writes"):
        run("coco-ov", check=True)
    stored.unlink()
    with pytest.raises(InputError, match=r"val_novel\.json: is missing"):
        run("coco-ov", check=True)


def test_other_counts_are_refused(put, record, run, tmp_path, source):
    put(TRAIN, record)
    put(VAL, record)
    with pytest.raises(
        InputError,
        match=r"train2017\.json: must hold 118,287 images, 860,001 annotations, 80 categories as "
        r"published, got 5 images, 6 annotations, 80 categories; --partial",
    ):
        run("coco-ov", partial=False)
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_missing_file_is_refused_unless_partial(put, record, run, source):
    put(VAL, record)
    with pytest.raises(InputError, match=r"instances_train2017\.json: cannot be read"):
        run("coco-ov", partial=False)
    _, written = run("coco-ov")
    assert "train_base.json" not in written
    (source / VAL).unlink()
    with pytest.raises(InputError, match="holds no annotations/instances_train2017"):
        run("coco-ov", force=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["annotations"][2].update(category_id=12), r"annotations\[2\] must have"),
        (lambda r: r["annotations"][2].update(category_id="1"), r"annotations\[2\] must have"),
        (lambda r: r["annotations"].append(5), r"annotations\[6\] must have"),
        (lambda r: r["annotations"][0].update(image_id=8), "name image 8, which is not listed"),
        (lambda r: r["images"].append({"id": 7}), r"images\[5\] must have a whole id of its own"),
        (lambda r: r["categories"][0].update(name="man"), "1 must have name 'person', got 'man'"),
        (lambda r: r["categories"].append({"id": 91}), r"categories\[80\] is not one of"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_named_and_nothing_is_left(
    put, record, run, source, tmp_path, change, message
):
    change(record)
    put(VAL, record)
    with pytest.raises(InputError, match=message):
        run("coco-ov")
    assert sorted(tmp_path.iterdir()) == [source]
