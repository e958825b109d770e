import numpy as np
import pytest
import torch

from ovdet.apis.inputs import Picture, as_vocabulary, load_picture, pick_device
from ovdet.structures import InputError, Vocabulary


def test_devices():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in {"cpu", "cuda"}
    for name in ("gpu", "cuda:99"):
        with pytest.raises(InputError, match=f"device '{name}' cannot be used here"):
            pick_device(name)


def test_classes_may_be_any_iterable_of_names():
    assert as_vocabulary(name for name in ("a", "b")).names == ("a", "b")
    vocabulary = Vocabulary(("a",))
    assert as_vocabulary(vocabulary) is vocabulary


def test_a_published_vocabulary_by_its_name():
    assert len(as_vocabulary("@lvis-v1")) == 1203
    with pytest.raises(InputError, match="unknown vocabulary 'lvis'"):
        as_vocabulary("@lvis")
    with pytest.raises(InputError, match="must be a list of names, got 'coco'"):
        as_vocabulary("coco")
    assert as_vocabulary(["@home"]).names == ("@home",)


def test_a_picture_becomes_a_sample():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1, 2] = (255, 0, 51)
    picture = load_picture(pixels, 3)
    assert picture == Picture(picture.pixels, "")
    assert picture.size == (4, 6)
    sample = picture.to_sample()
    assert sample.original_size == (4, 6)
    assert sample.image[:, 1, 2].tolist() == pytest.approx([1, 0, 0.2])


def test_a_bad_picture_is_named_by_its_place_or_path():
    with pytest.raises(InputError, match=r"image 3: must be \[H, W\]"):
        load_picture(np.zeros(4, np.uint8), 3)
    with pytest.raises(InputError, match=r"no/such\.png: cannot be read"):
        load_picture("no/such.png", 3)
