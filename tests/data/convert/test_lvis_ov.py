import pytest
from PIL import Image

from ovdet.data import CocoDataset
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError, Vocabulary

LVIS = vocabulary("lvis-v1")
RARE = LVIS.category_ids[LVIS.frequency.index("r")]
COMMON = LVIS.category_ids[LVIS.frequency.index("c")]
FREQUENT = LVIS.category_ids[LVIS.frequency.index("f")]


@pytest.fixture
def record(coco_record):
    record = coco_record([(7, RARE), (7, COMMON), (3, FREQUENT)], [7, 3], classes="lvis-v1")
    for category, frequency in zip(record["categories"], LVIS.frequency, strict=True):
        category["frequency"] = frequency
    for image, folder in zip(record["images"], ("train2017", "val2017"), strict=True):
        name = image.pop("file_name")
        image |= {
            "coco_url": f"http://images.cocodataset.org/{folder}/{name}",
            "neg_category_ids": [RARE] if folder == "val2017" else [],
            "not_exhaustive_category_ids": [COMMON] if folder == "train2017" else [],
        }
    for annotation in record["annotations"]:
        del annotation["iscrowd"]
    return record


def test_the_sides_follow_the_frequency(put, record, run, read):
    put("lvis_v1_train.json", record)
    put("lvis_v1_val.json", record)
    out, written = run("lvis-ov")
    train, val = read(out / "train_norare.json"), read(out / "val.json")
    assert [a["category_id"] for a in train["annotations"]] == [COMMON, FREQUENT]
    assert [a["category_id"] for a in val["annotations"]] == [RARE, COMMON, FREQUENT]
    few = read(out / "minival.json")  # images of val2017 alone
    assert [image["id"] for image in few["images"]] == [3]
    assert [a["category_id"] for a in few["annotations"]] == [FREQUENT]
    assert few["images"][0]["neg_category_ids"] == [RARE]
    assert len(few["categories"]) == 1203
    for found in (train, val):
        assert len(found["images"]) == 2
        assert len(found["categories"]) == 1203
        assert sum(category["novel"] for category in found["categories"]) == 337
    assert len(Vocabulary.load(out / "vocabulary_base.json")) == 866
    assert written["train_norare.json"].notes == "published: 1,264,884 boxes"


def test_the_dataset_finds_images_and_what_was_asked_about(put, record, run):
    put("annotations/lvis_v1_val.json", record)
    out, _ = run("lvis-ov")
    for place in ("train2017/000000000007.jpg", "val2017/000000000003.jpg"):
        (out / place).parent.mkdir()
        Image.new("RGB", (30, 20)).save(out / place)
    dataset = CocoDataset(str(out / "val.json"), str(out))
    first, second = dataset[0], dataset[1]
    assert first.file_name == "train2017/000000000007.jpg"
    assert first.not_exhaustive == (LVIS.category_ids.index(COMMON),)
    assert second.negative == (LVIS.category_ids.index(RARE),)
    assert dataset.vocabulary.frequency == LVIS.frequency
    truth = dataset.to_coco()
    assert truth["images"][1]["neg_category_ids"] == [RARE]
    assert truth["images"][0]["not_exhaustive_category_ids"] == [COMMON]
    assert truth["categories"][RARE - 1]["frequency"] == "r"


def test_another_frequency_is_another_version(put, record, run):
    record["categories"][RARE - 1]["frequency"] = "c"
    put("lvis_v1_val.json", record)
    with pytest.raises(InputError, match=f"category {RARE} must have frequency 'r', got 'c'"):
        run("lvis-ov")


def test_an_image_without_a_place_is_named(put, record, run):
    record["images"][1]["coco_url"] = "x.jpg"
    put("lvis_v1_val.json", record)
    with pytest.raises(InputError, match=r"images\[1\]: coco_url must end with a folder"):
        run("lvis-ov")


def test_other_counts_are_refused(put, record, run):
    put("lvis_v1_train.json", record)
    with pytest.raises(InputError, match="100,170 images, 1,270,141 annotations, 1,203 categories"):
        run("lvis-ov", partial=False)
