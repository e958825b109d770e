"""Real photos through a segmentor that was trained on none: sizes, windows, figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ovdet.engine.config import load_config, to_plain
from ovdet.evaluation.semantic import confusion_matrix, evaluate_semantic
from ovdet.registry import build
from ovdet.structures import Vocabulary

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "camvid"
CONFIG = ROOT / "configs/methods/maskclip/maskclip_tiny_stickers.py"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no photos at {DATA}")


@torch.no_grad()
def test_driving_scenes_are_labelled_at_their_own_size(tmp_path):
    facts = json.loads((DATA / "classes.json").read_text(encoding="utf-8"))
    names = facts["classes"]
    novel = tuple(name in facts["novel"] for name in names)
    Vocabulary(tuple(names), novel=novel).save(tmp_path / "camvid.json")
    options = {
        "val.dataset.label_dir": str(DATA / "labels/val"),
        "val.dataset.image_dir": str(DATA / "images/val"),
        "val.dataset.vocabulary": str(tmp_path / "camvid.json"),
        "model.settings.views.window": 192,
    }
    config = load_config(str(CONFIG), options)
    model = build(to_plain(config.model), "model").eval()
    dataset = build(to_plain(config.val.dataset), "val.dataset")
    total = 0
    for index in range(2):
        (found,) = model.segment([dataset[index]], dataset.vocabulary)
        assert tuple(found.shape) == dataset.labels(index).shape == (360, 480)
        assert 0 <= found.min() <= found.max() < len(names)
        total = total + confusion_matrix(dataset.labels(index), found.numpy(), len(names))
    figures = evaluate_semantic(total, dataset.vocabulary.novel_mask)
    assert np.isfinite([figures[key] for key in ("mIoU", "mIoU(S)", "pAcc")]).all()
