"""mmdet's configs: bases by package name, class names, no downloads."""

import logging
import sys

import pytest

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from ovdet.adapters.mmdet.configs import class_names, read_config, without_downloads
from ovdet.structures import InputError

RETINA = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"


def test_a_config_of_the_package_with_its_bases():
    config = read_config(RETINA, {"model.backbone.depth": 18})
    assert (config.model.type, config.model.backbone.depth) == ("RetinaNet", 18)
    assert config.model.bbox_head.num_classes == 80


def test_bases_by_package_name_need_no_pkg_resources(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pkg_resources", None)  # as setuptools 82 leaves it
    path = tmp_path / "own.py"
    path.write_text(
        "_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'\n"
        "model = dict(bbox_head=dict(num_classes=2))\n",
        encoding="utf-8",
    )
    config = read_config(str(path))
    assert (config.model.type, config.model.bbox_head.num_classes) == ("RetinaNet", 2)


def test_names_of_the_data_set():
    assert class_names(read_config(RETINA))[:3] == ("person", "bicycle", "car")
    own = {"train_dataloader.dataset.metainfo": {"classes": ("cat", "a dog")}}
    assert class_names(read_config(RETINA, own)) == ("cat", "a dog")
    inner = {"dataset": {"datasets": [{"type": "X", "metainfo": {"classes": ["kite"]}}]}}
    assert class_names({"train_dataloader": {"dataset": inner}}) == ("kite",)
    assert class_names({"model": {}}) == ()


def test_no_download_is_left(caplog):
    config = read_config(RETINA)
    with caplog.at_level(logging.INFO, logger="ovdet"):
        without_downloads(config.model)
    assert config.model.backbone.init_cfg is None
    assert "model.backbone: starts from random weights, not from torchvision://" in caplog.text
    kept = {"init_cfg": {"type": "Pretrained", "checkpoint": "resnet50.pth"}}
    without_downloads(kept)
    assert kept["init_cfg"]["checkpoint"] == "resnet50.pth"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mmdet::retinanet/none.py", "none.py: there is no such config of mmdet's kind"),
        ("mmnone::a/b.py", "the package mmnone is not installed"),
    ],
)
def test_what_is_missing_is_told(name, message):
    with pytest.raises(InputError, match=message):
        read_config(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "is not a config: SyntaxError"),
        ("a = 1", "must describe a model under the key 'model'"),
        ("_base_ = 'mmnone::a/b.py'", "the package mmnone is not installed"),
    ],
)
def test_what_is_broken_is_told(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_config(str(path))
