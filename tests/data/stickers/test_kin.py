import json
from importlib.resources import files

import numpy as np
import pytest

from ovdet.data.stickers.kin import are_kin, draw_apart
from ovdet.data.stickers.names import NAMES

ROWS = json.loads((files("ovdet.data.stickers") / "kin.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS)
def test_rows_hold_names_that_are_shown(row):
    names = row.split(", ")
    assert len(names) == len(set(names)) > 1
    assert set(names) <= set(NAMES)


@pytest.mark.parametrize(
    ("first", "second", "kin"),
    [
        ("bird", "duck", True),
        ("person", "police officer", True),
        ("car", "police car", True),  # a word in common
        ("t-shirt", "running shirt", True),
        ("bow and arrow", "nut and bolt", False),  # "and" says nothing
        ("kite", "elephant", False),
        ("dog", "dog", True),
    ],
)
def test_are_kin(first, second, kin):
    assert are_kin(first, second) is are_kin(second, first) is kin


def test_draw_apart():
    drawn = {
        draw_apart(np.random.default_rng(i), ("duck", "eagle", "kite", "tent"), ["bird", "church"])
        for i in range(40)
    }
    assert drawn == {"kite"}
