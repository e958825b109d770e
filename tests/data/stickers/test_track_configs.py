"""Each track has a config whose files are those that the track writes."""

from pathlib import Path

import pytest
from mmengine.config import Config

from ovdet.registry import build

FOLDER = Path(__file__).parents[3] / "configs/base/datasets"
NAMES = (
    "stickers_lv",
    "stickers_seg",
    "stickers_seg_panoptic",
    "stickers_phrases",
    "stickers_bias",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_reads_its_track(small_track, name):
    path = FOLDER / f"{name}.py"
    root = Config.fromfile(path).data_root
    text = path.read_text(encoding="utf-8").replace(root, str(small_track(Path(root).name)))
    config = Config.fromstring(text, ".py").to_dict()
    assert root == f"data/{config['track']}"
    for split in ("train", "val"):
        dataset = build(config[split]["dataset"], f"{split}.dataset")
        assert len(dataset) > 0
        assert dataset[0].image.shape[0] == 3
    assert build(config["val"]["metrics"], "val.metrics")
