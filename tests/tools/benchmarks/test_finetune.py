import importlib.util
from pathlib import Path

import pytest

import ovdet.data.stickers
import ovdet.finetuning
from ovdet.finetuning import Held, HeldOut

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "finetune.py"


@pytest.fixture
def bench(monkeypatch):
    """Return the tool; what it renders and learns is made up: (gain, change of novel)."""

    def make(gain, change):
        def finetune(plan, _):
            assert plan.val != plan.data
            new = Held("new classes", 2, {"AP": 1, "AP50": 40.0}, {"AP": 1, "AP50": 40.0 + gain})
            novel = {"AP": 1, "AP50": 85.0}, {"AP": 1, "AP50": 85.0 + change}
            return HeldOut(new, "val", learnt_from=False, others=(Held("x, novel", 17, *novel),))

        monkeypatch.setattr(ovdet.data.stickers, "write_track", lambda *_, **__: {})
        monkeypatch.setattr(ovdet.finetuning, "finetune", finetune)
        spec = importlib.util.spec_from_file_location("finetune_bench", TOOL)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main

    return make


@pytest.mark.parametrize(
    ("gain", "change", "status"), [(30.0, -2.0, 0), (29.9, 0.0, 1), (50.0, -2.1, 1)]
)
def test_both_bounds_must_hold(bench, capsys, gain, change, status):
    assert bench(gain, change)(["--seeds", "2"]) == status
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2
    assert f"40.0 -> {40 + gain:.1f} | {gain:+.1f}" in rows[0]
    assert rows[1].startswith("| head | 1 |")
    assert rows[0].endswith("| FAIL |" if status else "| pass |")
