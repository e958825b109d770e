import json

import numpy as np
import pytest
import torch

import ovdet.apis
from ovdet import cli
from ovdet.apis.calibrating import Judged
from ovdet.structures import Vocabulary


class Fake:
    class settings:  # noqa: N801 - stands for an attribute
        threshold = 0.3

    def embed_text(self, vocabulary):
        return torch.eye(3)[: len(vocabulary)]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    def judge(_, annotations, images, classes, *, progress):
        assert (str(annotations), str(images)) == ("a.json", "pictures")
        list(progress(range(2)))
        judged = Judged(
            np.array([0, 0]), np.array([0.9, 0.2]), np.array([True, False]), np.array([1, 0])
        )
        return classes or Vocabulary.of(["cat", "dog"]), judged

    monkeypatch.setattr(ovdet.apis, "load", lambda *_, **__: Fake())
    monkeypatch.setattr("ovdet.apis.calibrating.judge", judge)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "v.json"


def test_calibrate_writes_and_prints(fake, capsys):
    assert cli.main(["calibrate", "a.json", "pictures", "--out", "v.json"]) == 0
    out = capsys.readouterr().out
    assert "1 objects" in out
    assert "no example: that of all classes" in out
    assert "F1 on these pictures: 1.000 at 0.3 for all, 1.000 calibrated" in out
    assert "v.json  2 thresholds (labels)" in out
    record = json.loads(fake.read_text())
    assert record["basis"] == "labels"
    assert len(record["thresholds"]) == 2
    assert Vocabulary.load(fake).temperature == record["temperature"]


def test_a_suggestion_is_called_one(fake, capsys):
    assert cli.main(["calibrate", "--suggest", "--classes", "cat", "dog", "--out", "v.json"]) == 0
    out = capsys.readouterr().out
    assert "a suggestion by the names alone" in out
    assert "v.json  2 thresholds (suggestion)" in out
    assert json.loads(fake.read_text())["basis"] == "suggestion"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--out v.json", "give a COCO file and its folder of pictures, or --suggest"),
        ("a.json --out v.json", "give a COCO file and its folder of pictures, or --suggest"),
        ("a.json pictures --suggest --out v.json", "or --suggest without them"),
        ("--suggest --out v.json", "give the classes"),
        ("a.json pictures --classes x --prompts p.yml --out v.json", "give one of --classes"),
        ("--suggest --prompts p.yml --out v.json", "--suggest compares names"),
        ("a.json pictures --prompts p.yml --out v.json", "p.yml: cannot be read"),
    ],
)
def test_bad_input_is_one_line(fake, capsys, words, message):
    assert cli.main(["calibrate", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not fake.exists()
