import numpy as np
import pytest
from PIL import Image

from ovdet.apis.saving import save_picture, save_png
from ovdet.structures import InputError


def grey():
    return np.full((4, 6, 3), 90, np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".TIF"])
def test_the_suffix_names_the_format(tmp_path, suffix):
    path = tmp_path / "deep" / f"a{suffix}"
    save_picture(path, grey)
    with Image.open(path) as stored:
        assert np.abs(np.asarray(stored).astype(int) - 90).max() <= 1
    assert [inside.name for inside in path.parent.iterdir()] == [path.name]


def test_nothing_is_drawn_for_a_suffix_that_is_no_picture(tmp_path):
    def fail():
        raise AssertionError

    with pytest.raises(InputError, match=r"a\.txt: the suffix must be \.json or a picture's"):
        save_picture(tmp_path / "a.txt", fail, ".json or ")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_png_keeps_every_value(tmp_path, kind):
    values = np.array([[0, 1, np.iinfo(kind).max]], kind)
    save_png(tmp_path / "a.PNG", values)
    with Image.open(tmp_path / "a.PNG") as stored:
        assert np.asarray(stored).tolist() == values.tolist()
    with pytest.raises(InputError, match=r"must end with \.png"):
        save_png(tmp_path / "a.jpg", values)
