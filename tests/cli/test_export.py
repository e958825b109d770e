from types import SimpleNamespace

import pytest

import ovdet.apis
import ovdet.export
from ovdet import cli


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Stand in for loading and exporting; return what they were asked for."""
    seen = {}

    def load(name, **how):
        seen["load"] = (name, how)
        return SimpleNamespace(name="ovdet-tiny")

    def export(_model, out, **how):
        seen["export"] = how
        out.write_bytes(bytes(2**20))
        value = {"name": "images", "shape": ["batch", 3], "type": "float32", "about": "pixels"}
        return SimpleNamespace(
            path=out,
            card_path=out.with_name("card"),
            card={"inputs": [value], "outputs": []},
            difference=SimpleNamespace(text="9 of 9 boxes", close=seen.get("close", True)),
        )

    monkeypatch.setattr(ovdet.apis, "load", load)
    monkeypatch.setattr(ovdet.export, "export", export)
    monkeypatch.chdir(tmp_path)
    return seen


def test_what_is_written_is_told(asked, capsys):
    assert cli.main(["export", "--out", "model.onnx"]) == 0
    said = capsys.readouterr().out
    assert "model.onnx  1.0 MiB" in said
    assert "images    [batch, 3] float32: pixels" in said
    assert "9 of 9 boxes" in said
    assert asked["export"]["classes"] is None
    assert asked["load"][1]["device"] == "cpu"


def test_a_config_and_names_are_handed_on(asked):
    words = ["--model", "a.py", "--checkpoint", "b.pth", "--classes", "cat", "red car"]
    assert cli.main(["export", "--out", "m.pt2", "--format", "program", *words]) == 0
    how = asked["export"]
    assert how["classes"].names == ("cat", "red car")
    assert how["form"] == "program"
    assert how["load"] == "'a.py', checkpoint='b.pth'"


def test_other_answers_are_a_failure(asked):
    asked["close"] = False
    assert cli.main(["export", "--out", "model.onnx"]) == 1
