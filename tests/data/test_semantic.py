import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from ovdet.data import SemanticDataset
from ovdet.structures import InputError, Vocabulary

LABELS = np.array([[0, 1, 255, 2], [2, 2, 0, 255]], np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two images in folders of their own, one a JPEG, with maps of the same names."""
    for name, suffix in (("a/one", ".png"), ("b/two", ".jpg")):
        for kind in ("images", "labels"):
            (tmp_path / kind / name).parent.mkdir(parents=True)
        pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}{suffix}")
        Image.fromarray(LABELS).save(tmp_path / "labels" / f"{name}.png")
    classes = Vocabulary(("sky", "cat", "grass"), novel=(False, True, False))
    classes.save(tmp_path / "vocabulary.json")
    return tmp_path


def open_set(folder, **options):
    places = [str(folder / name) for name in ("labels", "images", "vocabulary.json")]
    return SemanticDataset(*places, **options)


def test_each_pixel_has_its_class(folder):
    dataset = open_set(folder)
    assert len(dataset) == 2
    sample = dataset[0]
    assert sample.file_name == "a/one.png"
    assert sample.semantic.tolist() == [[0, 1, -1, 2], [2, 2, 0, -1]]
    assert sample.semantic.dtype == torch.int64
    assert sample.original_size == (2, 4)
    assert torch.equal(sample.image[:, 0, 1] * 255, torch.tensor([3.0, 4, 5]))
    assert dataset[1].file_name == "b/two.jpg"
    assert dataset.vocabulary.names == ("sky", "cat", "grass")
    assert dataset.metainfo["labels"](1).tolist() == sample.semantic.tolist()


def test_novel_classes_can_be_hidden(folder):
    sample = open_set(folder, hide_novel=True)[0]
    assert sample.semantic.tolist() == [[0, -1, -1, 2], [2, 2, 0, -1]]


def test_sixteen_bits_hold_many_classes(folder):
    names = tuple(f"class {i}" for i in range(847))
    Vocabulary(names).save(folder / "vocabulary.json")
    labels = np.array([[0, 255, 846, 65_535]] * 2, np.uint16)
    Image.fromarray(labels).save(folder / "labels/a/one.png")
    assert open_set(folder)[0].semantic.tolist() == [[0, 255, 846, -1]] * 2


def test_a_palette_is_no_matter(folder):
    image = Image.new("P", (4, 2))
    image.putpalette(range(256))
    image.putdata(LABELS.flatten().tolist())
    image.save(folder / "labels/a/one.png")
    assert open_set(folder)[0].semantic.tolist() == [[0, 1, -1, 2], [2, 2, 0, -1]]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((2, 4), 3, np.uint8), "must hold classes below 3 or 255, got 3"),
        (np.zeros((4, 2), np.uint8), "must be 4 x 2 px as its image, got 2 x 4"),
        (np.zeros((2, 4, 3), np.uint8), "must be a label map of one channel, got the mode RGB"),
    ],
)
def test_a_bad_map_is_named(folder, pixels, message):
    Image.fromarray(pixels).save(folder / "labels/a/one.png")
    dataset = open_set(folder)
    with pytest.raises(InputError, match=rf"labels/a/one\.png: {message}"):
        dataset[0]


def test_what_is_missing_is_named(folder):
    (folder / "images/b/two.jpg").unlink()
    with pytest.raises(InputError, match=r"holds no image for the label map b/two\.png"):
        open_set(folder)
    with pytest.raises(InputError, match="holds no label map"):
        SemanticDataset(str(folder / "images/b"), str(folder), "@voc-20")


def test_it_travels_to_workers(folder):
    again = pickle.loads(pickle.dumps(open_set(folder)))
    assert torch.equal(again[1].semantic, open_set(folder)[1].semantic)
