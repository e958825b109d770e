"""The configs of configs/mmdet: each trains on stickers-ov and is asked for other names."""

import ast

import pytest
import torch
from mmengine.config import Config

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from contracts import ASKED, ROOT

from ovdet.data.stickers import write_track
from ovdet.engine import build_runner
from ovdet.registry import build

CONFIGS = sorted((ROOT / "configs/mmdet").glob("*.py"))
MODELS = {
    "atss",
    "cascade_rcnn",
    "deformable_detr",
    "dino",
    "faster_rcnn",
    "mask2former",
    "mask_rcnn",
    "retinanet",
}


def test_each_model_has_a_config():
    assert {path.stem for path in CONFIGS} >= {f"{name}_text_stickers" for name in MODELS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_docstring_gives_the_launch_line(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python tools/train.py {path.relative_to(ROOT).as_posix()}" in text


@pytest.fixture(scope="module")
def stickers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "stickers-ov"
    write_track("stickers-ov", folder, train=16, val=4)
    return folder


def read(path, stickers):
    """Return a config whose data are a handful of pictures."""
    config = Config.fromfile(path)
    config.pop("track")  # nothing shall be rendered where it stands
    for name, file, split in (("train", "train_base", "train"), ("val", "val", "val")):
        dataset = config[name].dataset
        dataset.ann_file = str(stickers / f"annotations/{file}.json")
        dataset.image_dir = str(stickers / split)
    return config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_learns_and_is_asked_for_other_names(path, stickers):
    config = read(path, stickers).to_dict()
    torch.manual_seed(0)
    model = build(config["model"], "model").train()
    dataset = build(config["train"]["dataset"], "train.dataset")
    batch = [dataset[0], dataset[1]]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    for _ in range(2):
        losses = model.loss(batch, dataset.vocabulary)
        total = sum(loss for key, loss in losses.items() if "loss" in key)
        assert torch.isfinite(total)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    if hasattr(model.detector, "roi_head"):  # two steps teach it background before anything
        model.detector.roi_head.test_cfg.score_thr = 0.0
    with torch.no_grad():
        (found,) = model.eval().predict(batch[:1], ASKED)
    found.check(path.stem)
    assert 0 < len(found) <= 100
    assert set(found.labels.tolist()) <= set(range(len(ASKED)))


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_twenty_steps_of_the_engine(path, stickers, tmp_path):
    config = read(path, stickers)
    config.train.iters, config.train.batch_size = 20, 4
    config.optim.warmup = 5
    runner = build_runner(config, tmp_path)
    runner.train()
    figures = runner.train_loop.metrics
    assert any("novel" in name for name in figures)
    assert (tmp_path / "iter_20.pth").is_file()
    with torch.no_grad():
        (found,) = runner.model.eval().predict(
            [build(config.val.dataset.to_dict(), "val")[0]], ASKED
        )
    assert len(found) > 0
