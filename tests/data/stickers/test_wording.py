import numpy as np
import pytest

from ovdet.data.stickers.backgrounds import TEXTURES
from ovdet.data.stickers.scenes import Placed
from ovdet.data.stickers.wording import describe, place, relation


def thing(name, box, colour=None):
    return Placed(name, colour, box, np.ones((64, 64), bool), 0.0)


def test_relations():
    left, right = thing("cat", (0, 10, 10, 20)), thing("bus", (40, 12, 60, 22))
    assert relation(left, right) == "to the left of"
    assert relation(right, left) == "to the right of"
    below = thing("cup", (2, 40, 8, 50))
    assert relation(below, left) == "below"
    assert relation(left, below) == "above"
    assert relation(left, thing("bus", (40, 50, 50, 60))) is None  # along the diagonal
    assert relation(left, thing("bus", (2, 10, 12, 20))) is None  # nearly the same place


@pytest.mark.parametrize("name", TEXTURES)
def test_every_kind_of_stuff_has_a_place(name):
    assert place(np.random.default_rng(0), (name,))


def test_two_kinds_of_stuff():
    assert place(np.random.default_rng(0), ("sky", "water")) == "with sky above water"


def test_sentences_name_everything_and_no_colour_that_was_not_given():
    things = [thing("cat", (0, 0, 9, 9)), thing("bus", (40, 0, 50, 9), "blue")]
    texts = [describe(np.random.default_rng(i), things, ("grass",)) for i in range(200)]
    assert len(set(texts)) > 20
    for text in texts:
        assert "a cat" in text
        assert "a blue bus" in text or "a bus" in text
        assert "left of" not in text or "cat to the left of" in text
        assert "right of" not in text or "bus to the right of" in text


def test_a_place_is_told_as_often_as_asked():
    dog = [thing("dog", (0, 0, 9, 9))]

    def told(share):
        texts = [
            describe(np.random.default_rng(i), dog, ("sky",), told_place=share) for i in range(60)
        ]
        return sum(" sky" in text for text in texts)

    assert (told(0.0), told(1.0)) == (0, 60)
    assert 10 < told(0.5) < 50


def test_a_full_stop_tells_nothing():
    dog = [thing("dog", (0, 0, 9, 9))]
    texts = [describe(np.random.default_rng(i), dog, ("sky",), told_place=0) for i in range(300)]
    stopped = {text.removesuffix(".") for text in texts if text.endswith(".")}
    assert stopped == {text for text in texts if not text.endswith(".")}
    assert "a dog" in stopped  # a bare name is a caption as well


def test_single_and_empty():
    assert "an apple" in describe(
        np.random.default_rng(0), [thing("apple", (0, 0, 9, 9))], ("sky",)
    )
    assert describe(np.random.default_rng(0), [], ("snow",)).startswith("an empty scene")
