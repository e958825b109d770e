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

    def embed(_model, out, classes):
        seen["embed"] = classes.names
        return out

    def export(_model, out, **how):
        seen["export"] = how
        out.write_bytes(bytes(2**20))
        value = {"name": "images", "shape": ["batch", 3], "type": "float32", "about": "pixels"}
        return SimpleNamespace(
            path=out,
            script_path=out.with_name(f"{out.name}.py"),
            card={"inputs": [value], "outputs": [], "embed": "ovdet export --embed"},
            difference=SimpleNamespace(text="9 of 9 boxes", close=seen.get("close", True)),
        )

    monkeypatch.setattr(ovdet.apis, "load", load)
    monkeypatch.setattr(ovdet.export, "export", export)
    monkeypatch.setattr(ovdet.export, "embed", embed)
    monkeypatch.chdir(tmp_path)
    return seen


def test_what_is_written_is_told(asked, capsys):
    assert cli.main(["export", "--out", "model.onnx"]) == 0
    said = capsys.readouterr().out
    assert "model.onnx  1.0 MiB" in said
    assert "images    [batch, 3] float32: pixels" in said
    assert "python model.onnx.py photo.jpg --names names.npz" in said
    assert "9 of 9 boxes" in said
    assert asked["export"]["classes"] is None
    assert asked["load"][1]["device"] == "cpu"


def test_a_config_and_names_are_handed_on(asked):
    words = ["--model", "a.py", "--checkpoint", "b.pth", "--classes", "cat", "red car"]
    assert cli.main(["export", "--out", "m.pt2", "--format", "program", *words]) == 0
    how = asked["export"]
    assert how["classes"].names == ("cat", "red car")
    assert how["form"] == "program"
    assert how["load"] == "--model a.py --checkpoint b.pth"


def test_names_alone_are_embedded(asked, capsys):
    assert cli.main(["export", "--embed", "names.npz", "--classes", "cat", "red car"]) == 0
    assert asked["embed"] == ("cat", "red car")
    assert "export" not in asked
    assert "names.npz" in capsys.readouterr().out


def test_names_must_be_given_to_be_embedded(asked, capsys):
    assert cli.main(["export", "--embed", "names.npz"]) == 2
    assert "classes" in capsys.readouterr().err
    assert "load" not in asked


def test_other_answers_are_a_failure(asked):
    asked["close"] = False
    assert cli.main(["export", "--out", "model.onnx"]) == 1
