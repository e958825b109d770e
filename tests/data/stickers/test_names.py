import pytest

from ovdet.data.stickers.names import (
    BARE,
    DISTRACTORS,
    HELD_OUT,
    NAMES,
    STICKERS,
    clean_name,
    with_article,
)
from ovdet.data.stickers.patches import COLOURS


def test_names_and_characters_are_distinct():
    assert len(STICKERS) > 800
    assert len(set(STICKERS.values())) == len(STICKERS)
    assert all(name == name.strip().lower() for name in STICKERS)


def test_held_out_are_twenty_stickers_outside_the_usable_names():
    assert len(set(HELD_OUT)) == 20
    assert set(HELD_OUT) <= set(STICKERS)
    assert set(NAMES) == set(STICKERS) - set(HELD_OUT)


def test_distractors_have_no_name():
    assert not set(DISTRACTORS) & set(STICKERS.values())


def test_no_name_holds_a_colour_that_recolouring_would_contradict():
    assert not [name for name in STICKERS if set(name.split()) & set(COLOURS)]


def test_bare_names_are_stickers():
    assert set(STICKERS) >= BARE


def test_clean_name_uses_the_table_then_the_unicode_name():
    assert clean_name("\N{AUTOMOBILE}", {"automobile": "car"}) == "car"
    assert clean_name("\N{BANANA}", {"automobile": "car"}) == "banana"


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        ("apple", "apple", "an apple"),
        ("red apple", "apple", "a red apple"),
        ("orange kite", "kite", "an orange kite"),
        ("umbrella", "umbrella", "an umbrella"),
        ("unicorn", "unicorn", "a unicorn"),
        ("x-ray", "x-ray", "an x-ray"),
        ("blue scissors", "scissors", "blue scissors"),
    ],
)
def test_articles(words, name, expected):
    assert with_article(words, name) == expected
