"""Each method config builds tiny, takes one loss step and predicts with another vocabulary."""

import ast

import pytest
import torch
from contracts import (
    ASKED,
    CONFIGS,
    FILES,
    ROOT,
    build_new,
    build_tiny,
    identify,
    learning,
    learns,
    narrow,
    read,
)
from mmengine.config import Config

from ovdet.detectors.base import Detector
from ovdet.engine.settings import OptimSettings, TrainSettings, ValSettings, section
from ovdet.registry import build
from ovdet.structures import Regions

WIDE = [path for path in CONFIGS if "reduced" in read(path)]
PROOFS = [path for path in FILES if path.stem == "proof"]


def test_there_are_configs():
    assert {path.parent.name for path in CONFIGS} >= {"clip", "vild"}


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_builds_learns_and_predicts(path):
    learns_and_predicts(build_tiny(path), path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in WIDE if "tiny" not in p.stem], ids=identify)
def test_builds_learns_and_predicts_at_full_width(path):
    learns_and_predicts(build_new(path, full=True), path)


def test_most_configs_learn():
    assert len(learning()) > len(CONFIGS) / 2


@pytest.mark.parametrize("path", WIDE, ids=identify)
def test_a_reduced_config_is_narrow_and_otherwise_the_same(path):
    config = read(path)
    reduced = narrow(config)
    for key in config["reduced"]:
        assert key.startswith("model."), "only the model is made narrow"
    assert reduced["model"] != config["model"]
    assert {**reduced, "model": None} == {**config, "model": None}
    weights = sum(p.numel() for p in build_tiny(path).model.parameters())
    assert weights < 20_000_000, f"{weights:,} weights are too many for every test"


def learns_and_predicts(case, path):
    if learns(path):
        takes_a_step(case)
    predicts_with_another_vocabulary(case)


def takes_a_step(case):
    before = [p.detach().clone() for p in case.model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD([p for p in case.model.parameters() if p.requires_grad], lr=1e-4)
    losses = case.losses()
    assert any(name.startswith("loss_") for name in losses)
    for name, value in losses.items():
        assert value.ndim == 0, f"{name} must be a scalar"
        assert torch.isfinite(value), f"{name} is {value}"
    optimizer.zero_grad()
    sum(value for name, value in losses.items() if "loss" in name).backward()
    optimizer.step()
    after = [p for p in case.model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def predicts_with_another_vocabulary(case):
    case.model.eval()
    if hasattr(case.model, "vocabulary"):
        case.model.vocabulary = ASKED
    with torch.no_grad():
        if isinstance(case.model, Detector):  # an untrained one may stay below its own threshold
            found = case.model.predict(case.samples, ASKED, threshold=0.0)
        else:
            found = case.model(case.samples, mode="predict")
    assert len(found) == len(case.samples)
    for one in found:
        if isinstance(one, Regions):
            one.check("the prediction")
            assert len(one) > 0, "an untrained detector with no threshold must answer something"
            assert one.labels.min() >= 0
            assert one.labels.max() < len(ASKED)
            assert one.boxes.min() >= 0
            assert one.boxes.max() <= 64
            assert 0 <= one.scores.min() <= one.scores.max() <= 1


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_the_sections_can_be_read(path):
    """Data sets and metrics apart, which need their files."""
    config = read(path)
    absent = {"train": {"dataset": None}, "val": {"dataset": None, "metrics": []}, "optim": {}}
    kinds = {"train": TrainSettings, "val": ValSettings, "optim": OptimSettings}
    for name, kind in kinds.items():
        if config.get(name) is not None:
            section({name: {**config[name], **absent[name]}}, name, kind)
    for change in transforms(config):
        if change["type"] != "LoadProposals":  # reads its file
            build(change, "transforms")


SEGMENTORS = [p for p in CONFIGS if read(p)["model"]["type"] in ("PixelSegmentor", "MaskSegmentor")]


@pytest.mark.parametrize("path", SEGMENTORS, ids=identify)
def test_a_segmentor_says_at_what_size_it_sees_photos(path):
    """As it is measured; on pictures that are measured as they are stored ``predict`` says it."""
    config = read(path)
    sizes = [change for change in transforms(config["val"]) if change["type"] == "Resize"]
    assert len(sizes) == 1 or {"short", "max"} <= set(config["predict"])


def transforms(config):
    """Yield the transforms of all data sets of a config."""
    if isinstance(config, dict):
        yield from config.get("transforms", [])
        for value in config.values():
            yield from transforms(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from transforms(value)


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_the_docstring_gives_the_launch_line(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    tool = "train" if learns(path) else "test"
    assert f"python tools/{tool}.py {path.relative_to(ROOT).as_posix()}" in text


@pytest.mark.parametrize("path", CONFIGS, ids=identify)
def test_named_after_its_method(path):
    assert path.stem.startswith(path.parent.name)


@pytest.mark.parametrize("path", PROOFS, ids=lambda path: path.parent.name)
def test_a_proof_names_configs_that_exist(path):
    config = Config.fromfile(path)
    assert len(config.variants) >= 2, "a method is proven against its own ablation"
    for variant in config.variants:
        if "of" in variant:
            other = Config.fromfile(path.parents[1] / variant["of"] / "proof.py")
            assert variant["name"] in [row["name"] for row in other.variants]
        else:
            assert (path.parent / variant["config"]).is_file()
