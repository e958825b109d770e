import json
from pathlib import Path

import numpy as np
import pytest

from ovdet.data.splits import vocabulary
from ovdet.structures import InputError
from ovdet.structures.tables import make_table
from ovdet.text import read_table

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "metadata" / "clip_text"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of CLIP tables is not here")
LVIS = ["lvis1203_a", "lvis1203_photo", "lvis1203_learned"]
# A name, and what may stand among its three nearest ones.
NEAREST = {
    "cat": "kitten",
    "cow": "bull",
    "sofa": "loveseat",
    "teacup": "cup",
    "motorcycle": "bicycle",
    "airplane": "jet_plane",
    "spoon": "fork",
    "cupcake": "muffin",
    "truck": "pickup_truck",
    "sweater": "cardigan",
}


def facts():
    return json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("table", LVIS)
def test_neighbours_among_the_names_of_lvis_make_sense(table):
    classes = read_table(FOLDER / f"{table}.npy", vocabulary("lvis-v1"))
    likeness = classes.table.vectors @ classes.table.vectors.T
    likeness.fill_diagonal_(-1)
    for name, expected in NEAREST.items():
        nearest = likeness[classes.names.index(name)].topk(3).indices.tolist()
        assert expected in [classes.names[row] for row in nearest], name


@pytest.mark.parametrize("name", sorted(facts()) if FOLDER.is_dir() else [])
def test_the_published_tables_pass_in_their_own_order(name):
    table = facts()[name]
    array = np.load(FOLDER / table["file"])
    made = make_table(array, table["texts"], name)
    assert made.vectors.shape == (table["rows"], table["dim"])


ORDERED = ["lvis1203_a", "lvis1203_learned", "objects365_a", "openimages500_a"]


@pytest.mark.parametrize("name", [*ORDERED, "coco_stuff171_photo_b16"])
def test_they_do_not_in_another_one(name):
    table = facts()[name]
    array = np.load(FOLDER / table["file"])
    rng = np.random.default_rng(0)
    for wrong in (array[::-1], np.roll(array, 1, axis=0), rng.permutation(array)):
        with pytest.raises(InputError, match="another order"):
            make_table(wrong, table["texts"], name)


def test_a_table_for_other_names_is_told_in_one_line():
    with pytest.raises(InputError, match=r"a table for 1203 names must be \[1203, D\]") as told:
        read_table(FOLDER / "coco80_a.npy", vocabulary("lvis-v1"))
    assert "\n" not in str(told.value)
    backwards = vocabulary("lvis-v1").pick(range(1202, -1, -1))
    with pytest.raises(InputError, match="another order"):
        read_table(FOLDER / "lvis1203_a.npy", backwards)
