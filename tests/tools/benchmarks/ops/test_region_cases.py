import importlib
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[4] / "tools" / "benchmarks" / "ops"


@pytest.fixture(params=["roi_align", "crop_resize"])
def tool(request, monkeypatch):
    """One op's benchmark, made small."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(
        f"{request.param}_cases", FOLDER / f"{request.param}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    small = {"CHANNELS": 2, "SIZE": 4} if request.param == "roi_align" else {"COUNT": 6, "SIZE": 16}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_all_ways_agree_and_a_difference_is_told(tool):
    cases = list(tool.cases("cpu"))
    assert len(cases) == 2
    for case in cases:
        ours = case.ours()
        for name, other in case.others.items():
            assert case.agree(ours, other()) is None, name
        assert "off by" in case.agree(ours, ours + torch.ones(()))
        assert case.moved > 0
