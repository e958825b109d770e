import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "evaluation.py"


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("evaluation_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "evaluation_tool", module)  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


def test_both_sides_find_the_same(tool, tmp_path):
    tool.make(tool.World(20, 60, 5, 400), 0, tmp_path)
    ours, theirs = tool.ours(tmp_path), tool.pycocotools(tmp_path)
    assert len(ours["figures"]) == 12
    assert ours["figures"][0] > 0.05
    assert ours["figures"] == pytest.approx(theirs["figures"], abs=1e-9)
    assert 0 < ours["seconds"] < ours["total"]
    assert ours["peak"] > 10


def test_the_federated_world_can_be_measured_by_both(tool, tmp_path):
    tool.make(tool.World(20, 60, 5, 400, federated=True), 0, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert {category["frequency"] for category in truth["categories"]} == set("fcr")
    assert tool.ours_lvis(tmp_path)["figures"][0] > 0.05
    assert tool.pycocotools_lvis(tmp_path)["seconds"] > 0


@pytest.mark.parametrize(
    ("faster", "leaner", "seconds", "status"),
    [(40, 4, 3, 0), (20, 4, 3, 1), (40, 2, 3, 1), (40, 4, 6, 1)],
)
def test_a_missed_goal_fails_the_benchmark(
    tool, monkeypatch, capsys, faster, leaner, seconds, status
):
    def run(side, _folder):
        slow = side.startswith("pycocotools")
        time = {"ours-lvis": seconds, "ours": 1.0}.get(side, faster)
        peak = leaner * 100.0 if slow else 100.0
        return {"seconds": time, "total": 2 * time, "cpu": time, "peak": peak, "figures": [0.5]}

    monkeypatch.setattr(tool, "run", run)
    monkeypatch.setattr(tool, "ask", lambda *_, **__: None)
    options = SimpleNamespace(boxes=500_000, lvis_boxes=1_400_000, pairs=2)
    assert tool.compare(options, Path()) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "COCO-like: 5,000 images, 36,335 objects, 80 classes, 500,000 detections"
    assert f"ratios: {faster:.1f} x faster than pycocotools" in lines[-1]
    assert f"1/{leaner:.1f} of its memory; LVIS-like {seconds:.2f} s" in lines[-1]


def test_different_figures_fail_the_benchmark(tool, monkeypatch, capsys):
    figures = iter([[0.5], [0.6]])

    def run(_side, _folder):
        return {"seconds": 1, "total": 1, "cpu": 1, "peak": 1, "figures": next(figures)}

    monkeypatch.setattr(tool, "run", run)
    monkeypatch.setattr(tool, "ask", lambda *_, **__: None)
    assert tool.compare(SimpleNamespace(boxes=1000, lvis_boxes=1000, pairs=1), Path()) == 1
    assert "the twelve figures differ" in capsys.readouterr().err
