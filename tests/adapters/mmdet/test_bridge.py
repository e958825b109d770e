"""The bridge: a module like any other, only where no compiled one exists."""

import importlib
import pkgutil
import subprocess
import sys

import pytest
import torch

from ovdet.adapters.mmdet import bridge

pytest.importorskip("mmcv", reason="mmcv is not installed: pip install 'ovdet[mmdet]'")


def test_the_module_has_spec_and_path():
    module = importlib.import_module(bridge.NAME)
    assert module.__spec__.name == bridge.NAME
    assert list(module.__path__) == []
    assert importlib.util.find_spec(bridge.NAME) is not None
    assert not list(pkgutil.iter_modules(module.__path__))


def test_what_is_not_bridged_says_so_when_called():
    from mmcv.ops import DeformRoIPool

    message = "'deform_roi_pool_forward' is not bridged to torch"
    with pytest.raises(NotImplementedError, match=message):
        DeformRoIPool((2, 2))(torch.rand(1, 2, 4, 4), torch.tensor([[0.0, 0, 0, 3, 3]]))


def test_no_private_name_is_made_up():
    module = importlib.import_module(bridge.NAME)
    with pytest.raises(AttributeError, match="no attribute '__wrapped__'"):
        _ = module.__wrapped__


def test_installing_twice_adds_one_finder():
    before = list(sys.meta_path)
    bridge.install()
    assert sys.meta_path == before


def test_a_compiled_mmcv_goes_first(tmp_path):
    """A module of that name on the package's path is found before ours."""
    (tmp_path / "_ext.py").write_text("compiled = True\n", encoding="utf-8")
    code = f"""
import ovdet.adapters.mmdet, mmcv
mmcv.__path__.append({str(tmp_path)!r})
import mmcv._ext
assert mmcv._ext.compiled
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_adapter_imports_neither_mmcv_nor_mmdet():
    code = "import sys, ovdet.adapters.mmdet; assert not {'mmcv', 'mmdet'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
