import json
from types import SimpleNamespace

import numpy as np
import pytest

from ovdet.cli import main
from ovdet.structures import Vocabulary


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
def test_the_headline_of_the_protocol_comes_first(monkeypatch, tmp_path, capsys, metrics, first):
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
    assert main(["test", "config.py", "w.pth", "--work-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == first
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_without_a_checkpoint_the_config_is_measured_as_it_is(monkeypatch, tmp_path, capsys):
    config = SimpleNamespace(val=SimpleNamespace(dataset={"ann_file": "val.json"}))
    runner = SimpleNamespace(model=None, val=lambda: {"semantic/mIoU": 0.25})
    monkeypatch.setattr("ovdet.engine.load_config", lambda *_: config)
    monkeypatch.setattr("ovdet.engine.build_runner", lambda *_, **__: runner)
    assert main(["test", "config.py", "--work-dir", str(tmp_path)]) == 0
    assert "config.py on val.json" in capsys.readouterr().out


def test_a_table_is_given_to_the_classes_of_the_data(monkeypatch, tmp_path, capsys):
    classes = Vocabulary.of(["dog", "cat"])
    dataset = SimpleNamespace(vocabulary=classes)
    loader = SimpleNamespace(dataset=dataset)
    config = SimpleNamespace(val=SimpleNamespace(dataset={"ann_file": "val.json"}))
    runner = SimpleNamespace(model=None, val=lambda: {"a/b": 0.5}, val_dataloader=loader)
    monkeypatch.setattr("ovdet.engine.load_config", lambda *_: config)
    monkeypatch.setattr("ovdet.engine.build_runner", lambda *_, **__: runner)
    np.save(tmp_path / "t.npy", np.eye(3))
    Vocabulary.of(["cat", "emu", "dog"]).save(tmp_path / "names.json")
    command = ["config.py", "--work-dir", str(tmp_path), "--table", str(tmp_path / "t.npy")]
    assert main(["test", *command, "--table-names", str(tmp_path / "names.json")]) == 0
    assert dataset.vocabulary.names == ("dog", "cat")
    assert dataset.vocabulary.table.vectors.tolist() == [[0, 0, 1], [1, 0, 0]]
    dataset.vocabulary = classes
    capsys.readouterr()
    assert main(["test", *command]) == 2
    assert "a table for 2 names must be [2, D], got [3, 3]" in capsys.readouterr().err
    del dataset.vocabulary
    assert main(["test", *command]) == 2
    assert "has no classes to give a table to" in capsys.readouterr().err
