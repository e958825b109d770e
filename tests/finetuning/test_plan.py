import re

import pytest

from ovdet.finetuning import Plan
from ovdet.finetuning.plan import folder_of
from ovdet.structures import InputError


def plan(tmp_path, **options):
    return Plan(tmp_path / "data.json", tmp_path / "out", **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"how": "tail"}, "how must be one of ('head', 'lora', 'full'), got 'tail'"),
        ({"keep": 0.5}, "keep goes with how 'full', got it with 'head'"),
        ({"keep": 1.5, "how": "full"}, "keep must be in [0, 1], got 1.5"),
        ({"seed": -1}, "seed must be from 0 to 2**32 - 1, got -1"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_asked_for_is_told(tmp_path, options, told):
    with pytest.raises(InputError, match=re.escape(told)):
        plan(tmp_path, **options)


def test_a_folder_with_something_in_it_stays(tmp_path):
    (tmp_path / "out").mkdir()
    plan(tmp_path)
    (tmp_path / "out" / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="must be a folder to be made, or an empty one"):
        plan(tmp_path)


def test_each_way_has_its_own_defaults(tmp_path):
    assert plan(tmp_path).start_share == 0
    assert plan(tmp_path, how="full").start_share == 0.5
    assert plan(tmp_path, how="full", keep=0.25).start_share == 0.25
    assert plan(tmp_path, steps=7).iters == 7
    assert plan(tmp_path).iters < plan(tmp_path, how="lora").iters


def test_pictures_lie_beside_their_file_unless_told(tmp_path):
    assert folder_of(tmp_path / "a.json", None) == tmp_path
    assert folder_of(tmp_path / "a.json", tmp_path / "b") == tmp_path / "b"
