import pytest
import torch

from ovdet.data import CocoDataset, CropDataset, Draw, JoinedDatasets
from ovdet.data.transforms import resize
from ovdet.structures import InputError, Sample


@pytest.fixture
def dataset(coco, stored, folder):
    return CocoDataset(str(stored(coco)), str(folder))


def test_every_box_becomes_a_named_picture(dataset):
    crops = CropDataset(dataset, size=8, names=["tree", "cat"])
    assert len(crops) == 3 + 3 + 1  # boxes that are no crowds, the file's classes, one more name
    captions = [crops[i].captions[0].removeprefix("a photo of a ") for i in range(7)]
    assert captions == ["cat", "red car", "cat", "cat", "dog", "red car", "tree"]
    assert torch.equal(crops[0].image, dataset[0].image[:, 4:12, 4:12])
    assert [crops[i].image_id for i in range(3)] == [7, 7, 3]
    assert all(crops[i].image.shape == (3, 8, 8) for i in range(7))


def test_a_box_between_pixels_shows_all_it_touches(dataset):
    shown = CropDataset(dataset, size=14)[2]  # x from 20.5 to 32, y from 10 to 24
    whole = Sample(dataset[1].image[:, 10:24, 20:32], 0)
    assert torch.equal(shown.image, resize(whole, 14, 14).image)


def test_only_names_have_no_stored_picture(dataset):
    crops = CropDataset(dataset)
    sizes = [crops[i].original_size for i in range(len(crops))]
    assert sizes == [(24, 32)] * 3 + [(0, 0)] * 3


@pytest.mark.parametrize("options", [{"size": 0}, {"template": "a photo"}])
def test_wrong_options(dataset, options):
    with pytest.raises(InputError, match="size >= 1 and a template"):
        CropDataset(dataset, **options)


def test_joined_sets_keep_their_order_and_tell_their_name(dataset):
    joined = JoinedDatasets({"one": dataset, "two": CropDataset(dataset)})
    assert len(joined) == 3 + 6
    assert [joined[i].source for i in range(9)] == ["one"] * 3 + ["two"] * 6
    assert joined[2].image_id == 11
    assert joined[3].captions == ("a photo of a cat",)
    assert joined[Draw(8, 50, 0)].captions == ("a photo of a red car",)


def test_nothing_to_join():
    with pytest.raises(InputError, match="at least one data set"):
        JoinedDatasets({})
