"""The doors to a folder: load, the command line, a config; and what they say when it is none."""

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image

import ovdet
from ovdet.adapters import ARCHITECTURES, load_folder
from ovdet.structures import InputError

TOOLS = Path(__file__).parents[3] / "tools"
LISTED = ", ".join(sorted(ARCHITECTURES))


def tool(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(owl, tmp_path_factory):
    return owl("owlv2", tmp_path_factory.mktemp("owlv2"))


def test_the_command_line_takes_a_folder(folder, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photos[0]).save("photo.png")
    words = ["photo.png", "--classes", "cat", "red car", "--model", str(folder)]
    assert tool("infer").main([*words, "--threshold", "0", "--device", "cpu"]) == 0
    found = json.loads(Path("out/detections.json").read_text())
    assert found["annotations"]
    assert {c["name"] for c in found["categories"]} == {"cat", "red car"}


def test_a_config_measures_a_folder(folder, photos, tmp_path, capsys):
    Image.fromarray(photos[0]).save(tmp_path / "1.png")
    height, width = photos[0].shape[:2]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 30], "area": 900}
    truth = {
        "images": [{"id": 1, "file_name": "1.png", "height": height, "width": width}],
        "annotations": [box | {"iscrowd": 0}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "red car"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(truth))
    data = f"type='CocoDataset', ann_file='{tmp_path}/val.json', image_dir='{tmp_path}'"
    metric = "dict(type='CocoMetric', kinds=('bbox',))"
    config = tmp_path / "owl.py"
    config.write_text(
        f"model = dict(type='TransformersFolder', path='{folder}')\n"
        f"val = dict(dataset=dict({data}), batch_size=1, metrics=[{metric}])\n"
    )
    assert tool("test").main([str(config), "--work-dir", str(tmp_path / "run")]) == 0
    assert "AP50" in capsys.readouterr().out


def test_a_folder_brings_its_weights(folder):
    with pytest.raises(InputError, match="a folder brings its weights, leave checkpoint out"):
        ovdet.load(folder, checkpoint="w.pth", device="cpu")


def test_it_is_called_as_its_folder_and_asks_for_its_own_threshold(folder):
    model = ovdet.load(str(folder), device="cpu")
    assert model.name == folder.name
    assert model.settings.threshold == 0.1
    assert model.embed_text(["cat", "dog"]).shape == (2, 32)


def test_cache_dir_holds_the_text(folder, tmp_path):
    place = tmp_path / "mine"
    ovdet.load(folder, device="cpu", cache_dir=place).embed_text(["cat"])
    again = ovdet.load(folder, device="cpu", cache_dir=place)
    again.embed_text(["cat"])
    assert again.detector.text.bank.encoded == 0


def test_an_unknown_architecture_is_told_what_pairs_can_be_made(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "detr"}')
    rule = r"'detr' cannot be used; .*as DETECTOR\+FOLDER sam, .*as FOLDER\+CLIP mask2former, "
    with pytest.raises(InputError, match=rule):
        ovdet.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            None,
            rf"must hold transformers' config\.json, it does not; known architectures: {LISTED}",
        ),
        ('{"model_type": "bert"}', f"'bert' cannot be used; known architectures: {LISTED}"),
        ("[]", f"None cannot be used; known architectures: {LISTED}"),
        ("{", "must be JSON"),
        (
            '{"model_type": "owlvit"}',
            r"must hold weights, one of model\.safetensors, pytorch_model",
        ),
    ],
)
def test_folders_that_are_none(config, message, tmp_path):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=message) as caught:
        ovdet.load(tmp_path, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_missing_folder_lists_what_is_known(tmp_path):
    with pytest.raises(InputError, match=rf"no such folder; known architectures: {LISTED}"):
        load_folder(tmp_path / "none")
    with pytest.raises(InputError, match=rf"folder in transformers' format \({LISTED}\), got"):
        ovdet.load("./none", device="cpu")


def test_unknown_precision(folder):
    with pytest.raises(InputError, match=r"precision must be one of \('float32', .*, got 'int8'"):
        ovdet.load(folder, device="cpu", precision="int8")
