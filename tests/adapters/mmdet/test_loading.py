"""Configs and checkpoints of mmdet's, as they are, through load and the command line."""

import importlib.util
import json
import pickle
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmdet_tiny import RETINA, make, options
from mmengine.config import Config

import ovdet
from ovdet.structures import InputError

NAMES = ("kite", "a dog", "traffic light")
TOOL = Path(__file__).parents[3] / "tools" / "infer.py"


class Harm:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a user's config on a base of mmdet's, a checkpoint as mmdet writes it, a picture."""
    folder = tmp_path_factory.mktemp("mmdet")
    own = options(RETINA) | {"model.bbox_head.num_classes": 3}
    changed = Config({})
    changed.merge_from_dict(own | {"test_dataloader.dataset.pipeline.1.scale": (96, 64)})
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": (96, 64), "keep_ratio": True},
        {"type": "PackDetInputs"},
    ]
    config = folder / "own.py"
    config.write_text(
        f"_base_ = 'mmdet::{RETINA}'\n"
        f"model = {changed.model.to_dict()!r}\n"
        f"test_dataloader = dict(dataset=dict(pipeline={pipeline!r}))\n",
        encoding="utf-8",
    )
    detector = make(RETINA, names=NAMES, options=own)
    torch.manual_seed(1)
    with torch.no_grad():
        detector.detector.bbox_head.retina_cls.bias.normal_()
    weights = folder / "epoch_1.pth"
    meta = {"epoch": 1, "dataset_meta": {"classes": NAMES}}
    torch.save({"meta": meta, "state_dict": detector.detector.state_dict()}, weights)
    Image.effect_noise((90, 60), 60).convert("RGB").save(folder / "photo.png")
    return config, weights, folder / "photo.png"


@pytest.fixture(scope="module")
def model(files):
    return ovdet.load(f"mmdet:{files[0]}", checkpoint=files[1], device="cpu")


def test_a_config_and_a_checkpoint_are_a_model(model, files):
    assert (model.name, model.task) == ("own", "detect")
    everything = model.detect(files[2], threshold=0.05)
    assert tuple(everything.vocabulary.names) == NAMES
    assert len(everything) > 5
    assert everything.boxes.max() <= 90
    some = model.detect([files[2]] * 2, ["traffic light", "kite"], threshold=0.05)
    own = [(NAMES[i], s) for i, s in zip(everything.class_ids, everything.scores, strict=True)]
    for result in some:
        names = [("traffic light", "kite")[i] for i in result.class_ids]
        wanted = [(name, score) for name, score in own if name in ("traffic light", "kite")]
        assert names == [name for name, _ in wanted]
        assert result.scores.tolist() == pytest.approx([score for _, score in wanted])


def test_a_name_it_does_not_know_is_told(model, files):
    with pytest.raises(InputError, match=r"its own 3 classes alone, not 'dog'; did you mean 'a do"):
        model.detect(files[2], ["dog"])
    with pytest.raises(InputError, match="own reads names beside a picture"):
        model.embed_text(["dog"])


def test_a_checkpoint_is_read_and_not_run(files, tmp_path):
    bad = tmp_path / "bad.pth"
    torch.save({"state_dict": {}, "meta": Harm()}, bad)
    for path in (bad, tmp_path / "raw.pth"):
        if path is not bad:
            path.write_bytes(pickle.dumps(Harm()))
        with pytest.raises(InputError, match=f"{path.name}: cannot be read as weights"):
            ovdet.load(f"mmdet:{files[0]}", checkpoint=path)


def test_what_is_missing_is_told(files, tmp_path):
    with pytest.raises(InputError, match=r"own.py: a config needs its weights, give checkpoint"):
        ovdet.load(f"mmdet:{files[0]}")
    with pytest.raises(InputError, match=r"none.py: there is no such config of mmdet's kind"):
        ovdet.load("mmdet:none.py", checkpoint=files[1])
    with pytest.raises(InputError, match=r"none.py: there is no such config of mmdet's kind"):
        ovdet.load("mmdet::retinanet/none.py", checkpoint=files[1])
    with pytest.raises(InputError, match=r"none.pth: cannot be read as weights: No such file"):
        ovdet.load(f"mmdet:{files[0]}", checkpoint=tmp_path / "none.pth")
    with pytest.raises(InputError, match="must be one for each of the model's 80 classes, got 3"):
        ovdet.load(f"mmdet::{RETINA}", checkpoint=files[1])


def run(*words):
    spec = importlib.util.spec_from_file_location("infer_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["infer_tool"] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module.main([str(word) for word in words])


def test_the_command_line(files, tmp_path, capsys):
    config, weights, photo = files
    how = ["--model", f"mmdet:{config}", "--checkpoint", weights, "--out", tmp_path / "out"]
    assert run(photo, *how, "--threshold", 0.05) == 0
    told = json.loads((tmp_path / "out/detections.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in told["categories"]] == list(NAMES)
    assert told["annotations"]
    assert (tmp_path / "out/photo.png").is_file()
    capsys.readouterr()
    assert run(photo, *how, "--classes", "dog") == 2
    assert capsys.readouterr().err.startswith("infer.py: the model knows its own 3 classes alone")
