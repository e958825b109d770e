import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "vocabulary.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("vocabulary_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_names_are_distinct_and_partly_real(tool):
    names = tool.made_up_names(10_000)
    assert len(names) == len(set(names)) == 10_000
    assert "cat" in tool.made_up_names(2000)


@pytest.mark.parametrize(("again", "status"), [(0, 0), (1, 1)])
def test_encoding_again_fails_the_benchmark(tool, capsys, monkeypatch, again, status):
    bank = SimpleNamespace(encoded=0)

    def detect(_image, _names):
        bank.encoded += again

    # Both vocabularies take 1 s of either clock.
    clock = iter(range(1000))
    times = SimpleNamespace(perf_counter=lambda: next(clock), process_time=lambda: next(clock))
    monkeypatch.setattr(tool, "time", times)
    model = SimpleNamespace(
        detect=detect, detector=SimpleNamespace(text=SimpleNamespace(bank=bank))
    )
    assert tool.measure(model, None, 4) == status
    out = capsys.readouterr().out
    assert "ratio: median 1.000, 10 to 90 %: 1.000 to 1.000, 4 pairs" in out
    assert f"strings encoded after the first calls: {8 * again}" in out
    assert "peak memory" in out
