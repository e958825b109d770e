import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ovdet.data import CocoDataset, Draw, RandomFlip, TrainSampler, collate
from ovdet.structures import InputError, Vocabulary


@pytest.fixture
def dataset(coco, stored, folder):
    return CocoDataset(str(stored(coco)), str(folder))


def test_a_sample_is_the_stored_image_with_its_truth(dataset, folder):
    sample = dataset[0]
    pixels = np.asarray(Image.open(folder / "7.png"))
    assert torch.equal((sample.image * 255).round().byte().permute(1, 2, 0), torch.tensor(pixels))
    assert sample.image_id == 7
    assert sample.original_size == (24, 32)
    assert sample.truth.boxes.tolist() == [[4, 4, 12, 12], [0, 0, 2, 24]]
    assert sample.truth.labels.tolist() == [0, 2]
    assert sample.truth.masks.dtype == torch.bool
    assert sample.truth.masks[0].nonzero().min(0).values.tolist() == [4, 4]
    assert sample.truth.masks[0].sum() == 64  # the polygon's 8 x 8 px
    assert sample.truth.masks[1][:, :2].all()
    assert sample.truth.masks[1].sum() == 48


def test_crowds_are_no_truth_but_are_measured_as_crowds(dataset):
    assert len(dataset[1].truth) == 1
    assert [a["iscrowd"] for a in dataset.to_coco()["annotations"]] == [0, 0, 0, 1]


def test_an_empty_image_is_a_sample(dataset):
    assert len(dataset[2].truth) == 0
    assert dataset[2].truth.masks.shape == (0, 24, 32)


def test_empty_images_can_be_left_out(coco, stored, folder):
    coco["annotations"] = coco["annotations"][2:]
    dataset = CocoDataset(str(stored(coco)), str(folder), filter_empty=True)
    assert [dataset[i].image_id for i in range(len(dataset))] == [3]
    assert [image["id"] for image in dataset.to_coco()["images"]] == [3]


def test_a_missing_mask_is_empty_and_costs_the_others_nothing(coco, stored, folder):
    del coco["annotations"][1]["segmentation"]
    masks = CocoDataset(str(stored(coco)), str(folder))[0].truth.masks
    assert masks.flatten(1).sum(dim=1).tolist() == [64, 0]


def test_a_file_without_any_mask_gives_none(coco, stored, folder):
    for annotation in coco["annotations"]:
        del annotation["segmentation"]
    dataset = CocoDataset(str(stored(coco)), str(folder))
    assert [dataset[i].truth.masks for i in range(3)] == [None, None, None]


def test_the_truth_goes_out_as_it_came_in(coco, dataset):
    given = {a["id"]: a for a in coco["annotations"]}
    for annotation in dataset.to_coco()["annotations"]:
        assert annotation == given[annotation["id"]]


def test_a_vocabulary_file_limits_the_classes(coco, stored, folder):
    Vocabulary(("dog", "red car")).save(folder / "v.json")
    dataset = CocoDataset(str(stored(coco)), str(folder), vocabulary=str(folder / "v.json"))
    assert dataset[0].truth.labels.tolist() == [1]
    assert {a["category_id"] for a in dataset.to_coco()["annotations"]} == {2, 9}


@pytest.fixture
def federated(coco):
    """The record with lists of classes, as LVIS has them, and an image with a label alone."""
    coco["images"][0] |= {"neg_category_ids": [2], "not_exhaustive_category_ids": [9, 5]}
    coco["images"][1] |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    coco["images"][2] |= {"neg_category_ids": [5], "pos_category_ids": [9]}
    for category, frequency in zip(coco["categories"], "cfr", strict=True):
        category["frequency"] = frequency
    return coco


def test_what_is_known_of_classes_without_a_place(federated, stored, folder):
    dataset = CocoDataset(str(stored(federated)), str(folder))
    samples = [dataset[i] for i in range(3)]
    assert [sample.negative for sample in samples] == [(1,), (), (0,)]
    assert [sample.not_exhaustive for sample in samples] == [(2, 0), (), ()]
    assert [sample.positive for sample in samples] == [(), (), (2,)]
    assert dataset.vocabulary.frequency == ("c", "f", "r")
    truth = dataset.to_coco()
    assert [image["neg_category_ids"] for image in truth["images"]] == [[2], [], [5]]
    assert [i["not_exhaustive_category_ids"] for i in truth["images"]] == [[9, 5], [], []]
    assert [category["frequency"] for category in truth["categories"]] == ["c", "f", "r"]


def test_lists_of_classes_follow_the_vocabulary(federated, stored, folder):
    Vocabulary(("red car", "dog")).save(folder / "v.json")
    dataset = CocoDataset(str(stored(federated)), str(folder), vocabulary=str(folder / "v.json"))
    assert [dataset[i].negative for i in range(3)] == [(1,), (), ()]
    assert [dataset[i].positive for i in range(3)] == [(), (), (0,)]


def test_image_labels_are_something_to_learn(federated, stored, folder):
    federated["annotations"] = []
    dataset = CocoDataset(str(stored(federated)), str(folder), filter_empty=True)
    assert [dataset[i].image_id for i in range(len(dataset))] == [11]


def test_images_of_each_class_are_counted_once_and_crowds_not(coco, stored, folder):
    dataset = CocoDataset(str(stored(coco)), str(folder))
    expected = [0] * len(dataset.vocabulary)
    pairs = {
        (item["image_id"], item["category_id"])
        for item in coco["annotations"]
        if not item.get("iscrowd")
    }
    for _, category in pairs:
        expected[dataset.vocabulary.category_ids.index(category)] += 1
    assert dataset.image_counts().tolist() == expected
    assert sum(expected) > 0


def test_a_plain_file_says_nothing_of_classes(dataset):
    assert "neg_category_ids" not in dataset.to_coco()["images"][0]
    assert dataset[0].negative == dataset[0].positive == ()


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"neg_category_ids": [77]}, r"image 7: neg_category_ids must be .* got \[77\]"),
        ({"pos_category_ids": "5"}, "image 7: pos_category_ids must be a list of known"),
        ({"not_exhaustive_category_ids": [True]}, "image 7: not_exhaustive_category_ids must be"),
        ({"neg_category_ids": [5, 2], "pos_category_ids": [2]}, "category 2 is both positive and"),
    ],
)
def test_bad_lists_are_named(coco, stored, folder, lists, message):
    coco["images"][0] |= lists
    with pytest.raises(InputError, match=message):
        CocoDataset(str(stored(coco)), str(folder))


def test_cached_images_are_the_same(coco, stored, folder):
    dataset = CocoDataset(str(stored(coco)), str(folder), cache_images=True)
    first = dataset[0].image
    (folder / "7.png").unlink()
    assert torch.equal(dataset[0].image, first)


def test_an_image_that_cannot_be_read_is_named(dataset, folder):
    (folder / "7.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"7\.png: cannot be read as an image"):
        dataset[0]


def test_an_image_of_another_size_is_named(dataset, folder):
    Image.new("RGB", (5, 6)).save(folder / "7.png")
    with pytest.raises(InputError, match=r"7\.png: must be 32 x 24 px as its .* says, got 5 x 6"):
        dataset[0]


def test_orientation_tags_are_ignored_as_the_boxes_do(coco, stored, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 24)).save(folder / "7.jpg", exif=exif)
    coco["images"][0]["file_name"] = "7.jpg"
    assert CocoDataset(str(stored(coco)), str(folder))[0].image.shape == (3, 24, 32)


def test_randomness_belongs_to_the_draw(coco, stored, folder):
    dataset = CocoDataset(str(stored(coco)), str(folder), [RandomFlip(0.5)])
    images = [dataset[Draw(0, count, 0)].image for count in range(20)]
    again = [dataset[Draw(0, count, 0)].image for count in range(20)]
    assert all(torch.equal(a, b) for a, b in zip(images, again, strict=True))
    flipped = sum(not torch.equal(image, images[0]) for image in images)
    assert 0 < flipped < 20


def test_workers_change_nothing(coco, stored, folder):
    dataset = CocoDataset(str(stored(coco)), str(folder), [RandomFlip(0.5)])

    def ten(workers):
        loader = DataLoader(
            dataset, 2, sampler=TrainSampler(3, 1), collate_fn=collate, num_workers=workers
        )
        batches = iter(loader)
        return [s.image for _ in range(5) for s in next(batches)["samples"]]

    assert all(torch.equal(a, b) for a, b in zip(ten(0), ten(1), strict=True))


def test_a_data_set_travels_to_workers_without_lists_of_dicts(dataset):
    record = pickle.loads(pickle.dumps(dataset)).annotations
    assert all(isinstance(v, np.ndarray | int) for v in vars(record).values())
