"""Class lists against other libraries' tables, and the figures their papers give."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest
from torchvision.datasets import Cityscapes
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights
from torchvision.models.segmentation import FCN_ResNet50_Weights

import ovdet
from ovdet.data import CocoDataset
from ovdet.data.splits import names, read_vocabulary, vocabulary
from ovdet.structures import InputError, Vocabulary
from ovdet.text.prompts import clean_names

FOLDER = Path(importlib.util.find_spec("ovdet.data.splits").origin).parent
MMDET = Path(importlib.util.find_spec("mmdet").origin).parent
COUNTS = {  # classes, novel
    "ade20k-150": (150, 0),
    "ade20k-847": (847, 0),
    "cityscapes": (19, 0),
    "coco": (80, 0),
    "coco-ov": (65, 17),
    "coco-panoptic": (133, 0),
    "coco-stuff": (171, 0),
    "coco-stuff-zs": (171, 15),
    "context-59": (59, 0),
    "context-459": (459, 0),
    "large": (1588, 0),
    "lvis-v1": (1203, 337),
    "objects365": (365, 0),
    "openimages-500": (500, 0),
    "openimages-601": (601, 0),
    "voc-20": (20, 0),
    "voc-21": (21, 0),
    "voc-zs": (20, 5),
}


def literals(path):
    """Yield the lists of names in a module of mmdet, without importing it."""
    for node in ast.walk(ast.parse((MMDET / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple | ast.List):
            words = [getattr(item, "value", None) for item in node.elts]
            if words and all(isinstance(word, str) for word in words):
                yield [word.strip() for word in words]


def listed(path, count, first):
    """Return the list of ``count`` names in a module of mmdet that begins with ``first``."""
    found = [words for words in literals(path) if len(words) == count and words[0] == first]
    assert found, "mmdet's list was not found, so nothing was compared"
    return found[0]


def record(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_all_are_known():
    assert set(names()) == set(COUNTS)
    assert names() == tuple(sorted(names()))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_counts_and_header(name):
    classes, novel = COUNTS[name]
    found, header = vocabulary(name), record(name)
    assert len(found) == classes
    assert sum(found.novel_mask) == novel
    assert header["name"] == name
    assert header["version"] == 1
    assert all(header[key].strip() for key in ("title", "source", "licence", "ids"))
    sides = {"novel": novel, "base": classes - novel} if novel else {}
    frequency = {"frequent": 405, "common": 461, "rare": 337} if name == "lvis-v1" else {}
    assert header["counts"] == {"classes": classes} | sides | frequency


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_names_are_words_and_differ_once_cleaned(name):
    found = vocabulary(name)
    clean = clean_names(found.names)
    assert all(clean)
    assert len(set(clean)) == len(found)
    assert all(word == " ".join(word.split()) for words in found.words() for word in words)


@pytest.mark.parametrize("name", ["lvis-v1", "large", "voc-20", "voc-21", "voc-zs", "context-59"])
def test_no_word_means_two_classes(name):
    words = [word for group in vocabulary(name).words() for word in group]
    assert len(set(words)) == len(words)


def forms(whole, names, words):
    """Return for each class the words by which it is known, as text towers read them."""
    for name, others, clean in zip(names, words, whole, strict=True):
        yield {clean, *clean_names(others[1:]), *(part.strip() for part in name.lower().split("/"))}


def test_the_large_one_is_three_others_each_thing_once():
    known, names = set(), []
    for source in ("lvis-v1", "objects365", "openimages-601"):
        found = vocabulary(source)
        own = list(forms(clean_names(found.names), found.names, found.words()))
        fresh = [i for i, words in enumerate(own) if not words & known]
        names += [found.names[i] for i in fresh]
        known |= set().union(*(own[i] for i in fresh))
    large = vocabulary("large")
    assert list(large.names) == names
    assert large.names[:1203] == vocabulary("lvis-v1").names
    assert large.synonyms[:1203] == vocabulary("lvis-v1").synonyms
    assert not set(large.names) & {"Person", "Couch", "Monitor/TV"}  # person, sofa, television_set


@pytest.mark.parametrize("name", ["coco-ov", "coco-stuff-zs", "voc-zs"])
def test_sides_are_disjoint_and_of_their_whole(name):
    header, found = record(name), vocabulary(name)
    whole = vocabulary(header["of"])
    base, novel = set(header["base"]), set(header["novel"])
    assert not base & novel
    assert base | novel == set(found.names) <= set(whole.names)
    assert len(header["base"]) + len(header["novel"]) == len(found)
    number = dict(zip(whole.names, whole.category_ids, strict=True))
    assert found.category_ids == tuple(number[one] for one in found.names)
    assert list(found.category_ids) == sorted(found.category_ids)
    assert {n for n, held in zip(found.names, found.novel_mask, strict=True) if held} == novel


def test_the_data_are_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < 1_500_000


def test_coco_ids_are_those_of_torchvision():
    table = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]  # by id, N/A in the holes
    found = vocabulary("coco")
    assert all(table[i] == name for i, name in zip(found.ids, found.names, strict=True))
    assert set(found.ids) == {i for i, name in enumerate(table) if i and name != "N/A"}


def test_ov_coco_by_id():
    found = vocabulary("coco-ov")
    novel = [i for i, held in zip(found.ids, found.novel_mask, strict=True) if held]
    assert novel == [5, 6, 17, 18, 21, 22, 28, 32, 36, 41, 47, 49, 61, 63, 76, 81, 87]
    unused = set(vocabulary("coco").ids) - set(found.ids)
    assert unused == {10, 11, 13, 14, 37, 39, 40, 43, 46, 58, 64, 67, 77, 88, 89}


def test_panoptic_things_are_coco_and_all_are_mmdets():
    found = vocabulary("coco-panoptic")
    assert found.names[:80] == vocabulary("coco").names
    assert found.ids[:80] == vocabulary("coco").ids
    assert found.ids[80:] == tuple(sorted(found.ids[80:]))
    assert list(found.names) == listed("datasets/coco_panoptic.py", 133, "person")


def test_unseen_stuff_by_pixel():
    found = vocabulary("coco-stuff-zs")
    pixels = [i - 1 for i, held in zip(found.ids, found.novel_mask, strict=True) if held]
    assert pixels == [20, 24, 32, 33, 40, 56, 86, 99, 105, 123, 144, 147, 148, 168, 171]
    assert min(found.ids) - 1 == 0
    assert max(found.ids) - 1 == 181
    assert found.ids[:80] == vocabulary("coco").ids


def test_stuff_and_scenes_are_mmdets():
    things = listed("datasets/coco_semantic.py", 171, "person")
    assert list(vocabulary("coco-stuff").names) == things
    assert list(vocabulary("ade20k-150").names) == listed("datasets/ade20k.py", 150, "wall")


def test_full_ade_distinguishes_equal_first_names():
    found = vocabulary("ade20k-847")
    bags = [found.names[i - 1] for i in (115, 192, 253)]
    assert bags == ["bag", "bag (traveling bag)", "bag (handbag)"]
    assert clean_names(found.names)[252] == "bag handbag"


def test_lvis_frequencies_and_sides():
    found = vocabulary("lvis-v1")
    assert found.ids == tuple(range(1, 1204))
    assert {letter: found.frequency.count(letter) for letter in "fcr"} == {
        "f": 405,
        "c": 461,
        "r": 337,
    }
    assert found.novel == tuple(letter == "r" for letter in found.frequency)
    assert all(found.descriptions)
    # Of 1,825 words all but one class ("bull") count their own name.
    assert sum(map(len, found.synonyms)) == 1825 - 1202


def test_lvis_names_are_mmdets_but_for_one_spelling():
    theirs = listed("datasets/lvis.py", 1203, "aerosol_can")
    pairs = zip(vocabulary("lvis-v1").names, theirs, strict=True)
    differ = [(name, other) for name, other in pairs if name != other]
    assert differ == [("speaker_(stero_equipment)", "speaker_(stereo_equipment)")]


def test_voc_is_torchvisions():
    table = FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
    assert list(vocabulary("voc-21").names) == ["background", *table[1:]]
    assert vocabulary("voc-21").ids == tuple(range(21))
    assert vocabulary("voc-20").names == vocabulary("voc-21").names[1:]
    assert vocabulary("voc-20").ids == tuple(range(1, 21))


def test_voc_novel_classes_are_the_last_five():
    found = vocabulary("voc-zs")
    assert found.novel == (False,) * 15 + (True,) * 5
    assert found.names[15:] == ("pottedplant", "sheep", "sofa", "train", "tvmonitor")
    assert found.synonyms[15] == ("potted plant",)


def test_cityscapes_is_torchvisions():
    table = {c.train_id: c.name for c in Cityscapes.classes if not c.ignore_in_eval}
    found = vocabulary("cityscapes")
    assert dict(zip(found.ids, found.names, strict=True)) == table


def test_objects365_is_mmdets_with_its_mistakes_put_right():
    corrected = record("objects365")["corrected"]
    theirs = listed("evaluation/functional/class_names.py", 365, "Person")
    assert [corrected.get(name, name) for name in theirs] == list(vocabulary("objects365").names)
    assert len(corrected) == 15
    assert set(corrected) <= set(theirs)


def test_openimages_is_mmdets():
    path = "evaluation/functional/class_names.py"
    boxable = listed(path, 601, "Tortoise")
    assert list(vocabulary("openimages-601").names) == boxable
    challenge = listed(path, 500, "Footwear")
    mended = {"Training bench": "Bench", "Computer mouse": "Mouse"}
    ours = [mended.get(name, name) for name in vocabulary("openimages-500").names]
    assert sorted(ours) == sorted(challenge)
    assert set(mended) <= set(boxable)


def test_a_name_may_wear_its_mark():
    assert vocabulary("@voc-20") == vocabulary("voc-20")
    assert ovdet.vocabulary("lvis-v1") is vocabulary("lvis-v1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lvis_v1", "unknown vocabulary 'lvis_v1'; did you mean 'lvis-v1'"),
        ("LVIS-V1", "did you mean 'lvis-v1'"),
        ("@cocos", "unknown vocabulary 'cocos'; did you mean 'coco'"),
        ("../coco", "unknown vocabulary"),
        ("", "known: ade20k-150, .*voc-zs"),
        ("birds of the north", "known: ade20k-150"),
    ],
)
def test_an_unknown_name_is_told(name, message):
    with pytest.raises(InputError, match=message):
        vocabulary(name)


def test_reading_tells_names_from_files(tmp_path):
    path = tmp_path / "mine.json"
    mine = Vocabulary(("cat", "red car"), novel=(False, True))
    mine.save(path)
    assert read_vocabulary(path) == read_vocabulary(str(path)) == mine
    assert read_vocabulary("@coco-ov") == vocabulary("coco-ov")
    with pytest.raises(InputError, match="unknown vocabulary 'mine'"):
        read_vocabulary("@mine")
    with pytest.raises(InputError, match="cannot be read"):
        read_vocabulary("coco-ov")


def coco_file(folder, categories):
    """Write a file of one empty-handed image and one object a category; return its path."""
    boxes = [
        {"id": i, "image_id": 7, "category_id": entry["id"], "bbox": [1, 1, 4, 4]}
        for i, entry in enumerate(categories, 1)
    ]
    image = {"id": 7, "file_name": "7.png", "height": 24, "width": 32}
    path = folder / "file.json"
    path.write_text(json.dumps({"images": [image], "annotations": boxes, "categories": categories}))
    return path


def entries(name, spelling):
    found = vocabulary(name)
    pairs = zip(found.category_ids, found.names, strict=True)
    return [{"id": i, "name": spelling.get(word, word)} for i, word in pairs]


def test_a_data_set_takes_a_published_vocabulary(folder):
    path = coco_file(folder, entries("coco", {}))
    dataset = CocoDataset(str(path), str(folder), vocabulary="@coco-ov")
    assert dataset.vocabulary == vocabulary("coco-ov")
    assert len(dataset[0].truth) == 65


def test_another_spelling_under_the_same_ids_is_the_same_class(folder):
    released = {new: old for old, new in record("objects365")["corrected"].items()}
    path = coco_file(folder, entries("objects365", released)[::-1])
    dataset = CocoDataset(str(path), str(folder), vocabulary="@objects365")
    assert dataset.vocabulary == vocabulary("objects365")
    ids = [dataset.vocabulary.ids[i] for i in dataset[0].truth.labels]
    assert ids == list(range(365, 0, -1))


def shifted(categories):
    return [entry | {"id": entry["id"] + 1} for entry in categories]


@pytest.mark.parametrize(
    ("categories", "missing"),
    [
        (entries("context-459", {}), "1 of the names: 'diningtable'"),
        (shifted(entries("voc-20", {"sheep": "ewe"})), "1 of the names: 'sheep'"),
        (entries("voc-20", {"sheep": "ewe", "cow": "ox", "cat": "tom"}), "3 of the names: 'cat'"),
        (entries("voc-20", {"tvmonitor": "tv"})[:19], "1 of the names: 'tvmonitor'"),
    ],
    ids=["other ids", "shifted ids", "too many other names", "id not there"],
)
def test_ids_do_not_speak_for_another_data_set(folder, categories, missing):
    path = coco_file(folder, categories)
    with pytest.raises(InputError, match=f"has no category for {missing}"):
        CocoDataset(str(path), str(folder), vocabulary="@voc-20")
