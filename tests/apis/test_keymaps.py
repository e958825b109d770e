import importlib.util
from pathlib import Path

import pytest
import torch

from ovdet.apis.keymaps import rename
from ovdet.apis.zoo import find
from ovdet.structures import InputError
from ovdet.vision import clip_tower

ROOT = Path(__file__).parents[2]
KEYS = find("regionclip-rn50").keys


@pytest.fixture(scope="module")
def published():
    """RegionCLIP's layout: a ResNet of CLIP under ``backbone.``, its norms frozen, and the rest."""
    own = clip_tower("RN50-quickgelu").state_dict()
    frozen = {k: v.half() for k, v in own.items() if not k.endswith("num_batches_tracked")}
    others = ("offline_backbone.stem.conv1.weight", "teacher_backbone.conv1.weight")
    others += ("lang_encoder.ln_final.bias", "offline_proposal_generator.rpn_head.conv.bias")
    return {f"backbone.{k}": v for k, v in frozen.items()} | dict.fromkeys(others, torch.ones(2))


def test_the_tower_of_regionclip_fills_clips(published, tmp_path, capsys):
    torch.save({"model": published, "iteration": 3}, tmp_path / "region.pth")
    spec = importlib.util.spec_from_file_location("models_tool", ROOT / "tools" / "models.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / "rn50.safetensors"
    assert tool.main(["convert", "regionclip-rn50", str(tmp_path / "region.pth"), str(out)]) == 0
    assert "RN50-quickgelu" in capsys.readouterr().out
    tower = clip_tower("RN50-quickgelu", str(out)).state_dict()
    for name, value in published.items():
        if name.startswith("backbone."):
            assert torch.equal(tower[name.removeprefix("backbone.")], value.float()), name
    assert tool.main(["convert", "detic-r50-coco", "a.pth", str(out)]) == 2
    assert "detic-r50-coco: nothing here is of its architecture" in capsys.readouterr().err


def changed(published, drop=(), add=()):
    kept = {name: value for name, value in published.items() if name not in drop}
    return kept | dict.fromkeys(add, torch.ones(3))


def test_what_does_not_fit_is_counted_and_named(published):
    gone = [f"backbone.bn{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias", "running_mean")]
    with pytest.raises(
        InputError,
        match=r"lacks weights of RN50-quickgelu, 6: visual\.bn1\.bias, (\S+, ){3}\S+running_mean$",
    ):
        rename(changed(published, drop=gone), KEYS, "w")
    with pytest.raises(
        InputError, match=r"that RN50-quickgelu does not have, 1: visual\.layer5\.x"
    ):
        rename(changed(published, add=["backbone.layer5.x"]), KEYS, "w")
    with pytest.raises(InputError, match=r"that the map does not know, 2: head\.a, head\.b"):
        rename(changed(published, add=["head.a", "head.b"]), KEYS, "w")
    with pytest.raises(InputError, match=r"other sizes than RN50-quickgelu, 1: visual\.bn1\.bias"):
        rename(changed(published, add=["backbone.bn1.bias"]), KEYS, "w")


def test_a_map_without_its_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    text = "name: a\nformat: other\nurl: https://x.org/a\nkeys: {tower: RN50}"
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(InputError, match=r"a\.yml: keys must hold tower, take and leave: 'take'"):
        find("a")
