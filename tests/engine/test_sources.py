"""Several sources through the runner: who learns when, and an exact resume."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_run import read_config

from ovdet.data.stickers.sprites import find_font
from ovdet.engine import build_runner
from ovdet.engine.checkpoints import find_last, load_checkpoint
from ovdet.registry import BuildError
from ovdet.structures import InputError

ROOT = Path(__file__).parents[2]
NOISE = [{"type": "SmallNoise"}]


def two_sources(**options):
    few = {"type": "SmallData", "size": 4, "transforms": NOISE}
    many = {"type": "SmallData", "size": 9, "transforms": NOISE}
    sources = [
        {"type": "Source", "name": "few", "dataset": few, "batch_size": 2},
        {"type": "Source", "name": "many", "dataset": many, "share": 3},
    ]
    config = read_config()
    config.train.dataset = {"type": "MultiSource", "sources": sources} | options
    return config


def train(folder, config, seen=None):
    runner = build_runner(config, folder, resume=True)
    runner.logger.setLevel("ERROR")
    if seen is not None:
        learn = runner.model.train_step

        def note(batch, optim_wrapper):
            seen.append([sample.source for sample in batch["samples"]])
            return learn(batch, optim_wrapper)

        runner.model.train_step = note
    runner.train()
    return runner


@pytest.mark.parametrize("together", [False, True])
def test_a_resume_is_exact(tmp_path, together):
    seen = []
    train(tmp_path / "whole", two_sources(together=together), seen)
    if together:
        assert seen == [["few"] * 2 + ["many"] * 3] * 8
    else:
        assert sorted(map(len, seen)) == [2, 2, 3, 3, 3, 3, 3, 3]
    (tmp_path / "resumed").mkdir()
    stored = (tmp_path / "whole/iter_6.pth").read_bytes()
    (tmp_path / "resumed/iter_6.pth").write_bytes(stored)
    again = []
    train(tmp_path / "resumed", two_sources(together=together), again)
    assert again == seen[6:]
    first, second = (load_checkpoint(find_last(tmp_path / name)) for name in ("whole", "resumed"))
    assert first["position"] == second["position"] == 8
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name])


def test_a_wrong_source_is_named(tmp_path):
    config = two_sources()
    config.train.dataset.sources[1].share = 0
    with pytest.raises(BuildError, match=r"sources\[1\]: .*share of source 'many' must be"):
        build_runner(config, tmp_path)


def test_tiny_clip_learns_from_a_stream_and_a_folder(tmp_path):
    try:
        find_font()
    except InputError as error:
        pytest.skip(str(error))
    from ovdet.data.stickers import write_track

    write_track("stickers-caps", tmp_path / "caps", train=5, val=1)
    config = Config.fromfile(ROOT / "configs/methods/clip/clip_tiny_sources.py")
    stream, folder = config.train.dataset.sources
    stream.batch_size, folder.batch_size = 4, 2
    folder.dataset.ann_file = str(tmp_path / "caps/annotations/train.json")
    folder.dataset.image_dir = str(tmp_path / "caps/train")
    config.track = config.val = None
    config.model.text.update(width=16, layers=1, heads=1)
    config.model.image.trunk.widths = (4, 4, 8, 8)
    config.train.update(iters=5, num_workers=0)
    seen = []
    runner = train(tmp_path / "run", config, seen)
    assert sorted(seen) == [["folder"] * 2] + [["stream"] * 4] * 4
    assert runner.train_loop.iter == 5
