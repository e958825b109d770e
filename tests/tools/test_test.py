import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "test.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("test_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("metrics", "first"),
    [
        (
            {"coco/bbox/novel/AP50": 0.25, "coco/bbox/base/AP50": 0.5, "coco/bbox/all/AP50": 0.4},
            "coco/bbox: novel AP50 25.0, base AP50 50.0, all AP50 40.0",
        ),
        ({"lvis-fixed/segm/all/AP": 0.3}, "lvis-fixed/segm: fixed AP 30.0"),
        ({"small/error": 0.5}, "w.pth on val.json, in %"),
    ],
)
def test_the_headline_of_the_protocol_comes_first(
    tool, monkeypatch, tmp_path, capsys, metrics, first
):
    """Of what a run measured; the run itself is tested with the training that precedes it."""
    dataset = {"ann_file": "val.json"}
    config = SimpleNamespace(val=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(model=None, val=lambda: metrics)
    for name, value in (
        ("load_config", lambda *_: config),
        ("load_checkpoint", lambda *_: {"model": {}}),
        ("build_runner", lambda *_, **__: runner),
        ("fill_weights", lambda *_: None),
    ):
        monkeypatch.setattr(f"ovdet.engine.{name}", value)
    assert tool.main(["config.py", "w.pth", "--work-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == first
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_without_a_checkpoint_the_config_is_measured_as_it_is(tool, monkeypatch, tmp_path, capsys):
    config = SimpleNamespace(val=SimpleNamespace(dataset={"ann_file": "val.json"}))
    runner = SimpleNamespace(model=None, val=lambda: {"semantic/mIoU": 0.25})
    monkeypatch.setattr("ovdet.engine.load_config", lambda *_: config)
    monkeypatch.setattr("ovdet.engine.build_runner", lambda *_, **__: runner)
    assert tool.main(["config.py", "--work-dir", str(tmp_path)]) == 0
    assert "config.py on val.json" in capsys.readouterr().out
