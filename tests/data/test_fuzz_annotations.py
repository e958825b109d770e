"""200 annotation files with seeded damage: a data set or one clear line, never anything else."""

import json
import math
import random

import pytest

from ovdet.data import CocoDataset
from ovdet.structures import InputError

VALUES = [
    None, True, -1, 0, 1, 3.5, 2**31, 2**63, 10**400, 1e308, math.nan, math.inf, -math.inf,
    "", "x", "\0", "\ud800", "../..", "/", "7.png", [], [1], [[]], [[1, 2, 3]], {}, {"a": 1},
    [1, 2, 3, 4], [1e308] * 4, {"size": [24, 32], "counts": "0"},
    {"size": [24, 32], "counts": "\u00ff"}, {"size": [24, 32], "counts": [-1, 769]},
    {"size": [24, 32], "counts": [10**400]}, {"size": [24, 32]}, [[0, 0, 1e300, 0, 1, 1]],
]  # fmt: skip


def places(value, path=()):
    """Yield the path of every entry of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def damage_value(record, rng):
    """Change, remove or double one entry anywhere."""
    *above, key = rng.choice(list(places(record)))
    parent = record
    for step in above:
        parent = parent[step]
    kind = rng.randrange(4)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[key] = rng.choice(VALUES)


def damage_bytes(text, rng):
    """Cut the file off, or change a few of its bytes."""
    data = bytearray(text.encode())
    if rng.random() < 0.4:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(200))
def test_damage_gives_a_data_set_or_one_line(coco, folder, seed):
    rng = random.Random(seed)
    path = folder / "annotations.json"
    if seed % 4 == 0:
        path.write_bytes(damage_bytes(json.dumps(coco), rng))
    else:
        for _ in range(rng.randint(1, 3)):
            damage_value(coco, rng)
        path.write_text(json.dumps(coco))
    for skip_bad in (False, True):
        said = use(path, folder, skip_bad)
        assert "\n" not in said
        assert str(folder) in said


def use(path, folder, skip_bad):
    """Read everything; return the error's line, or the folder's name where there is none."""
    try:
        dataset = CocoDataset(str(path), str(folder), skip_bad=skip_bad)
        for index in range(len(dataset)):
            dataset[index].truth.check("the damaged file")
        dataset.to_coco()
    except InputError as error:
        return str(error)
    return str(folder)
