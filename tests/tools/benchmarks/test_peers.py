import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "tools" / "benchmarks"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("peers_tool", FOLDER / "peers.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "peers_tool", module)  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


def test_all_contenders_find_the_same_in_small_models():
    words = [sys.executable, str(FOLDER / "peers.py"), "--quick", "--repeats", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  ratio of time: median") == 4
    assert done.stdout.count("  the same ") == 4
    assert done.stdout.count("peak memory") == 8


class Clocked:
    def __init__(self, name, seconds):
        self.name = name
        self.seconds = seconds

    def run(self):
        return {"seconds": self.seconds, "cpu": 2 * self.seconds, "peak": 100.0}


def test_the_ratio_says_how_many_times_ours_is_faster(tool, capsys):
    assert tool.in_turn(Clocked("ours", 0.5), Clocked("transformers", 2.0), 3) == 4
    out = capsys.readouterr().out
    assert "ours: median 500 ms (500 to 500), first call 500 ms, peak memory 100 MB" in out
    assert "ratio of time: median 4.00, 4.00 to 4.00 in 3 pairs" in out


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((0.9, [0.1, 0.1, 0.5, 0.5], "cat"), ""),
        ((0.9005, [0.1, 0.1004, 0.5, 0.5], "cat"), ""),
        ((0.9, [0.1, 0.1, 0.5, 0.5], "dog"), "1 of 2 boxes are not those"),
        ((0.8, [0.1, 0.1, 0.5, 0.5], "cat"), "1 of 2 boxes are not those"),
        ((0.9, [0.1, 0.1, 0.6, 0.5], "cat"), "1 of 2 boxes are not those"),
    ],
)
def test_answers_that_differ_are_told(tool, change, fault):
    last = (0.3, [0.0, 0.0, 0.2, 0.2], "kite")
    mine = [(0.9, [0.1, 0.1, 0.5, 0.5], "cat"), last]
    assert tool.differ(mine, [change, last]).startswith(fault)
    assert bool(tool.differ(mine, [change, last])) == bool(fault)
    assert "nothing to compare" in tool.differ(mine, [])
