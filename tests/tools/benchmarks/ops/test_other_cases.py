"""The benchmarks of the other ops, made small: what they time gives the same as what we do."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[4] / "tools" / "benchmarks" / "ops"
SMALL = {
    "deform_attn": {"SHAPES": [(6, 8), (3, 4)], "QUERIES": {"decoder": 5, "encoder": 60}},
    "mask_paste": {"HEIGHT": 200, "WIDTH": 300, "COUNT": 4},
    "mask_pool": {"WIDTH": 4, "HEIGHT": 9, "LENGTH": 7},
    "region_text": {"_SHAPES": ((2, 20, 30),), "_WIDTH": 8, "_TOP": 5},
    "token_max_sim": {"PAIRS": 3, "PATCHES": 4, "WORDS": 5, "WIDTH": 6},
}


@pytest.fixture(params=SMALL)
def tool(request, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    path = FOLDER / f"{request.param}.py"
    spec = importlib.util.spec_from_file_location(f"{request.param}_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in SMALL[request.param].items():
        assert hasattr(module, name), name
        monkeypatch.setattr(module, name, value)
    return module


def test_all_ways_agree(tool):
    cases = list(tool.cases("cpu"))
    assert cases
    for case in cases:
        ours = case.ours()
        assert case.others
        assert case.moved > 0
        for name, other in case.others.items():
            assert case.agree(ours, other()) is None, name
