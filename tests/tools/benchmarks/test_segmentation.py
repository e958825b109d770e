import importlib.util
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "segmentation.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("segmentation_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_ways_are_measured_and_agree(tool, capsys):
    sizes = ["--height", "200", "--width", "264", "--names", "20", "--repeats", "1"]
    tool.main(sizes)  # so small a picture saves no memory: its status is not asked for
    out = capsys.readouterr().out
    assert "264 x 200 px, 20 names" in out
    differ = float(out.split("labels differ on ")[1].split("%")[0])
    assert differ < 5


@pytest.mark.parametrize(
    ("added", "label", "status"), [(4000.0, 1, 0), (10.0, 1, 1), (4000.0, 2, 1)]
)
def test_the_status_tells_of_memory_and_labels(tool, tmp_path, added, label, status):
    """All maps add so many MB to ovdet's 100; the labels are the same, or not."""
    files = {side: tmp_path / f"{side}.npy" for side in tool.SIDES}
    for file, value in zip(files.values(), (1, label), strict=True):
        np.save(file, np.full((4, 4), value))
    ours = {"seconds": 2.0, "before": 500.0, "peak": 600.0}
    theirs = {"seconds": 3.0, "before": 500.0, "peak": 500.0 + added}
    runs = dict(zip(tool.SIDES, ([ours], [theirs]), strict=True))
    assert tool.report(tool.parse([]), runs, files) == status
