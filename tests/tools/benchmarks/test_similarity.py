import importlib.util
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "similarity.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("similarity_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_ways_are_measured_and_agree(tool, capsys):
    sizes = ["--pairs", "6", "--patches", "9", "--words", "8", "--width", "4", "--repeats", "2"]
    assert tool.main(sizes) == 0
    out = capsys.readouterr().out
    assert "formula: median" in out
    assert "places / formula" in out
    patches, words = torch.randn(3, 5, 4), torch.randn(3, 6, 4)
    mask = torch.arange(6) < torch.tensor([[2], [6], [1]])
    torch.testing.assert_close(
        tool.by_places(patches, words, mask), tool.by_formula(patches, words, mask)
    )


def test_keeping_as_much_fails_the_benchmark(tool, monkeypatch):
    monkeypatch.setattr(tool, "by_places", tool.by_formula)
    given = (torch.randn(3, 5, 4, requires_grad=True), torch.randn(3, 6, 4, requires_grad=True))
    assert tool.measure((*given, torch.ones(3, 6).bool()), 1) == 1
