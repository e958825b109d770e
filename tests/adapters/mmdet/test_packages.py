"""One clear line where mmdet is missing or its companions are not as it wants them."""

import sys
from types import ModuleType

import pytest

from ovdet.adapters.mmdet import packages
from ovdet.registry import BuildError, build
from ovdet.structures import InputError


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    line = r"^model\.trunk: mmdet\.FPN needs mmdet: pip install 'ovdet\[mmdet\]'$"
    with pytest.raises(BuildError, match=line):
        build({"trunk": {"type": "mmdet.FPN", "out_channels": 8}}, "model")
    with pytest.raises(BuildError, match=r"MmdetDetector of mmdet::a/b\.py needs mmdet: pip"):
        build({"type": "MmdetDetector", "config": "mmdet::a/b.py"}, "model")


def test_a_refused_companion_is_told(monkeypatch):
    class Refusing:
        def find_spec(self, name, *_):
            if name == "mmdet":
                raise AssertionError("MMCV==2.2.0 is used but incompatible.\nPlease install")

    monkeypatch.setattr(packages, "find_spec", ModuleType)
    monkeypatch.delitem(sys.modules, "mmdet", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    with pytest.raises(InputError, match=r"as it wants them: MMCV==2.2.0 is used but incomp.*Ple"):
        packages.require("mmdet.FPN")
