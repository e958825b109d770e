import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import ovdet.apis
from ovdet.apis import Result
from ovdet.data.stickers import NAMES, find_font
from ovdet.structures import InputError, Vocabulary

TOOL = Path(__file__).parents[2] / "tools" / "demo.py"


@pytest.fixture
def demo():
    pytest.importorskip("skimage")
    try:
        find_font()
    except InputError as error:
        pytest.skip(str(error))
    spec = importlib.util.spec_from_file_location("demo_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(image, names):
    height, width = image.shape[:2]
    box = np.array([[0, 0, width, height]], np.float32)
    vocabulary = Vocabulary.of(names)
    return Result(box, np.array([0.9], np.float32), np.array([0]), vocabulary, image)


def test_pictures_json_and_tables(demo, tmp_path, monkeypatch, capsys):
    class Model:
        def detect(self, image, names, *, threshold):
            assert threshold == demo.THRESHOLD
            return found(image, names)

    monkeypatch.setattr(ovdet.apis, "load", lambda _name: Model())
    assert demo.main(["--out", str(tmp_path / "demo_out")]) == 0
    made = sorted(path.name for path in (tmp_path / "demo_out").iterdir())
    assert made == ["cat.json", "cat.png", "stickers.json", "stickers.png"]
    file = json.loads((tmp_path / "demo_out" / "cat.json").read_text())
    assert [category["name"] for category in file["categories"]] == ["cat", "dog", "car"]
    out = capsys.readouterr().out
    assert "of 5 stickers found under their right names" in out
    assert "cat     0.90" in out


def test_the_scene_holds_stickers_that_were_asked_for(demo):
    assert set(demo.STICKERS) <= set(NAMES)


def test_a_missing_model_is_one_line(demo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    assert demo.main(["--out", str(tmp_path / "o"), "--model", "none"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("box", "named"), [((0, 0, 10, 10), True), ((0, 0, 10, 5), True), ((0, 0, 10, 4), False)]
)
def test_named_means_half_overlap(demo, box, named):
    """A box of 10 x 5 in one of 10 x 10 overlaps it by exactly 0.5."""
    result = found(np.zeros((10, 10, 3), np.uint8), ["cat", "dog"])
    assert demo._is_named(result, "cat", box) is named
    assert demo._is_named(result, "dog", box) is False
