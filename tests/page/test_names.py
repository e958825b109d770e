import pytest

from ovdet.data.splits import vocabulary
from ovdet.data.stickers.names import STICKERS
from ovdet.page.names import known, suggest


def test_every_vocabulary_and_every_sticker_is_known():
    names = set(known())
    assert len(names) == len(known())
    assert names.issuperset(vocabulary("coco").names)
    assert names.issuperset(STICKERS)
    assert {"traffic light", "band aid", "bow (decorative ribbons)"} <= names
    assert not [name for name in names if "_" in name or name != name.lower() or not name.strip()]


@pytest.mark.parametrize("text", ["umb", "UMB", " umb ", "umbrella"])
def test_what_begins_so_comes_first(text):
    assert suggest(text)[0] == "umbrella"


def test_beginnings_then_words_then_the_rest():
    found = suggest("light", 1000)
    starts = [name.startswith("light") for name in found]
    words = [f" {name}".find(" light") >= 0 for name in found]
    assert starts == sorted(starts, reverse=True)
    assert words == sorted(words, reverse=True)
    assert found.index("light bulb") < found.index("traffic light") < found.index("flashlight")
    assert all("light" in name for name in found)


def test_everyday_words_come_before_rare_ones():
    assert suggest("ban")[0] == "banana"
    assert suggest("car")[:2] == ["car", "carrot"]


def test_the_number_is_kept():
    assert len(suggest("a")) == 8
    assert len(suggest("a", 3)) == 3


@pytest.mark.parametrize("text", ["", "  ", "qqqq", "\\", "("])
def test_what_nobody_is_called_suggests_little(text):
    assert all(text.strip() in name for name in suggest(text))
    assert text == "(" or not suggest(text)
