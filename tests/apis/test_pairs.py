"""Two models named as one: how the name is parted, and a detector whose boxes SAM draws."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers_folders import write_omdet, write_owl
from transformers_masks import write_proposer, write_sam, write_sam2

import ovdet
from ovdet.adapters import PromptedDetector
from ovdet.apis.pairs import split_pair
from ovdet.structures import InputError, Vocabulary

INFER = Path(__file__).parents[2] / "tools/infer.py"
NAMES = ["red car", "cat"]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    return write_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="module")
def owl(tmp_path_factory):
    return write_owl("owlvit", tmp_path_factory.mktemp("owl"))


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((60, 100), (90, 40))]


def test_a_name_is_parted_at_a_plus(tmp_path):
    folder = tmp_path / "c++"
    folder.mkdir()
    assert split_pair(None) is None
    assert split_pair("ovdet-tiny") is None
    assert split_pair(folder) is None  # it is there
    assert split_pair("a+b") == ("a", "b")
    assert split_pair(f"a+{folder}") == ("a", str(folder))
    assert split_pair("a+b+c") == ("a+b", "c")  # nothing is there


def test_masks_are_the_second_s_of_the_first_s_boxes(owl, sam, photos):
    alone = ovdet.load(owl, device="cpu")
    model = ovdet.load(f"{owl}+{sam}", device="cpu")
    assert model.task == "detect"
    assert model.name == f"{owl.name}+{sam.name}"
    assert model.settings.threshold == alone.settings.threshold
    plain = alone.detect(photos, NAMES, threshold=0.0, top_k=5)
    for photo, one, found in zip(
        photos, plain, model.detect(photos, NAMES, threshold=0.0, top_k=5), strict=True
    ):
        np.testing.assert_array_equal(found.boxes, one.boxes)
        assert found.labels == one.labels
        sample = ovdet.apis.inputs.load_picture(photo).to_sample()
        wanted = model.detector.masks(sample, torch.from_numpy(one.boxes))
        np.testing.assert_array_equal(np.stack(list(found.masks)), wanted.numpy())
    assert model.embed_text(NAMES).shape == (2, 32)
    assert len(model.segment(photos[0], NAMES, "instance", threshold=0.0).masks) > 0


def test_a_picture_is_encoded_once_for_all_its_boxes(owl, sam, photos):
    model = ovdet.load(f"{owl}+{sam}", device="cpu")
    model.detect(photos, NAMES, threshold=0.0)
    assert model.detector.masks.encoded == len(photos)
    model.detect(photos, NAMES, threshold=1.0)
    assert model.detector.masks.encoded == len(photos)


def test_a_detector_of_the_zoo_that_resizes_its_pictures(tmp_path, photos):
    second = write_sam2(tmp_path / "sam2")
    model = ovdet.load(f"ovdet-tiny+{second}", device="cpu")
    alone = ovdet.load("ovdet-tiny", device="cpu")
    found = model.detect(photos[0], NAMES, threshold=0.0, top_k=7)
    plain = alone.detect(photos[0], NAMES, threshold=0.0, top_k=7)
    np.testing.assert_allclose(found.boxes, plain.boxes, atol=1e-3)
    assert found.labels == plain.labels
    assert np.stack(list(found.masks)).shape == (7, 60, 100)


def test_one_that_has_no_vectors_of_names(sam, tmp_path, photos):
    first = write_omdet(tmp_path / "omdet")
    model = ovdet.load(f"{first}+{sam}", device="cpu", precision="bfloat16")
    assert len(model.detect(photos, NAMES, threshold=0.0)) == 2
    with pytest.raises(InputError, match="reads names beside a picture"):
        model.embed_text(NAMES)


def test_the_command_line_saves_masks(owl, sam, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photos[0]).save("photo.png")
    spec = importlib.util.spec_from_file_location("infer_tool", INFER)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    words = ["photo.png", "--classes", *NAMES, "--model", f"{owl}+{sam}", "--device", "cpu"]
    assert tool.main([*words, "--threshold", "0", "--top-k", "4"]) == 0
    found = json.loads(Path("out/detections.json").read_text())
    assert len(found["annotations"]) == 4
    assert all(one["segmentation"]["size"] == [60, 100] for one in found["annotations"])


def test_it_is_not_trained(owl, sam):
    detector = ovdet.load(f"{owl}+{sam}", device="cpu").detector
    assert isinstance(detector, PromptedDetector)
    with pytest.raises(InputError, match="with masks of another model predicts"):
        detector.loss([], Vocabulary.of(NAMES))


def test_what_does_not_make_a_pair(owl, sam, tmp_path):
    cases = [
        ("+", "two models are named A.B, got"),
        (f"{owl}+{owl}", "stands a folder of SAM, SAM 2 or SAM 3, which draws masks"),
        (f"none+{sam}", "model must be in the zoo"),
        (f"{owl}+{tmp_path}/none", "no such folder; known architectures"),
        (f"{sam}+{sam}", "one half of a pair"),
    ]
    for name, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            ovdet.load(name, device="cpu")
        assert "\n" not in str(caught.value)


def test_a_segmentor_has_no_boxes(sam, tmp_path):
    from transformers_folders import write_groupvit

    first = write_groupvit(tmp_path / "groupvit")
    with pytest.raises(InputError, match="is a segmentor: only a detector's boxes become masks"):
        ovdet.load(f"{first}+{sam}", device="cpu")
    proposer = write_proposer("mask2former", tmp_path / "proposer")
    with pytest.raises(InputError, match="stands a folder of SAM"):
        ovdet.load(f"{first}+{proposer}", device="cpu")
