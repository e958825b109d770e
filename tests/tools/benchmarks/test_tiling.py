import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ovdet.apis import Result
from ovdet.structures import Vocabulary

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "tiling.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("tiling_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(*boxes):
    return Result(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), 0.5, np.float32),
        np.zeros(len(boxes), np.int64),
        Vocabulary.of(["cat"]),
        np.zeros((100, 100, 3), np.uint8),
    )


def test_what_lies_on_an_object(tool):
    cat, part, beside = [10, 10, 30, 30], [10, 10, 20, 20], [30, 10, 50, 30]
    hit, places = tool.boxes_on(result(cat, part, beside), tool.Thing("cat", (10, 10, 30, 31)))
    assert (hit, places.tolist()) == (True, [0, 1])
    hit, places = tool.boxes_on(result(part), tool.Thing("cat", (10, 10, 30, 30)))
    assert (hit, places.tolist()) == (False, [0])
    assert not tool.boxes_on(result(cat), tool.Thing("dog", (10, 10, 30, 30)))[0]


def test_two_boxes_of_one_view_and_of_two(tool):
    cat, again = [10, 10, 30, 30], [11, 10, 30, 30]
    views = [np.array([cat, again], np.float32), np.array([[50, 50, 60, 60]], np.float32)]
    things = [tool.Thing("cat", (10, 10, 30, 30))]
    assert tool.twice(result(cat), things, views) == (0, 0)
    assert tool.twice(result(cat, again), things, views) == (1, 0)
    assert tool.twice(result(cat, again), things, [views[0][:1], views[0][1:]]) == (0, 1)
    joined = [10, 11, 30, 30]  # no view gave it
    assert tool.twice(result(cat, joined), things, views) == (0, 1)


@pytest.mark.parametrize(("tiled", "again", "status"), [(54, 0, 0), (53, 0, 1), (55, 1, 1)])
def test_the_goal(tool, capsys, tiled, again, status):
    """Of 60 objects, 20 px apart from x = 0, the crops find 55 and the moved crops the first 50."""
    boxes = [[20 * i, 100, 20 * i + 10, 110] for i in range(60)]
    things = [tool.Thing("cat", tuple(box)) for box in boxes]
    results = result(*boxes[:55]), result(*boxes[:50]), result(*boxes[:tiled])
    assert tool.report(results, things, (3, again)) == status
    out = capsys.readouterr().out
    assert f"objects found: crops 55, tiled {tiled}, " in out
    # whole in a crop from x = 40 on: not the first two
    assert (
        f"of the 53 that crops find and moved crops show whole: moved crops 48, tiled {tiled - 2}"
        in out
    )
    assert f"twice across seams: {again} (goal 0); twice within one view: 3" in out


def test_what_lies_whole_in_a_moved_crop(tool):
    inside, across, before = (40, 24, 540, 524), (539, 30, 541, 40), (39, 30, 50, 40)
    found = [tool.lies_whole(tool.Thing("cat", box), (40, 24)) for box in (inside, across, before)]
    assert found == [True, False, False]


def test_the_collage_is_a_grid_of_scenes(tool):
    picture, things = tool.collage(2, 1, 0, ["cat", "pizza"])
    assert picture.shape == (500, 1000, 3)
    assert {thing.name for thing in things} == {"cat", "pizza"}
    assert 8 <= len(things) <= 12
    assert sum(thing.box[0] >= 500 for thing in things) >= 4
