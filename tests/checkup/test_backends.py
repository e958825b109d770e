"""Who serves the operations here: asked as the library asks, and told when it fails."""

import importlib.metadata
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from ovdet.checkup import GOOD, NOTE, WRONG, backends
from ovdet.evaluation import tables
from ovdet.structures import InputError

ROOT = Path(__file__).parents[2]


def by_name(found):
    return {finding.name: finding for finding in found}


def test_what_serves_here(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    found = by_name(backends.look())
    assert found["kernels on cpu"].said == "torch"
    assert found["nms"].said == f"torchvision {importlib.metadata.version('torchvision')}, tried"
    bridged = "ovdet's bridge" in found["mmdet's operators"].said
    from mmcv import _ext

    assert bridged == (getattr(_ext, "__file__", None) is None)
    if find_spec("hotcoco"):
        assert found["COCO AP"].said == found["LVIS AP"].said == "hotcoco"


def test_the_slower_ones_give_the_same_figures(monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    coco, lvis = backends.look_at_evaluation()
    assert coco.said.startswith("pycocotools: the same figures")
    assert lvis.said.startswith("numpy: ")
    assert coco.state == NOTE
    assert "hotcoco" in coco.fix


def test_the_interpreter_is_wrong_outside_tests(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    first = next(backends.look_at_kernels())
    assert (first.state, first.fix) == (WRONG, "unset TRITON_INTERPRET")


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_a_kernel_is_tried_before_it_counts():
    """In the interpreter, on the CPU, where a kernel runs without a GPU."""
    code = (
        "import torch\nfrom ovdet.checkup import backends\n"
        "print(backends.kernels_on(torch.device('cpu')).said)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"Triton {importlib.metadata.version('triton')}, tried\n"


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("Failed to find C compiler. Please specify via CC", "gcc"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("ptxas died", "--force-reinstall --no-deps triton"),
    ],
)
def test_a_kernel_that_does_not_compile(monkeypatch, said, fix):
    def fail(_):
        raise RuntimeError(said)

    monkeypatch.setattr("ovdet.ops.kernels.runs_triton", lambda _: True)
    monkeypatch.setattr(backends, "_try_kernel", fail)
    found = backends.kernels_on(torch.device("cpu"))
    assert found.state == WRONG
    assert found.said == f"Triton fails: RuntimeError: {said}"
    assert fix in found.fix


def test_without_triton_torch_serves(monkeypatch):
    monkeypatch.setattr("ovdet.ops.kernels.runs_triton", lambda _: False)
    assert backends.kernels_on(torch.device("cpu")).state == GOOD or find_spec("triton") is None
    monkeypatch.setattr(backends, "find_spec", lambda _: None)
    assert backends.kernels_on(torch.device("cpu")).state == NOTE


def test_an_mmcv_that_mmdet_refuses(monkeypatch):
    def refuse(_):
        raise InputError("MMCV==2.2.0 is used but incompatible")

    monkeypatch.setattr("ovdet.adapters.mmdet.packages.require", refuse)
    (found,) = backends.look_at_mmdet()
    assert (found.state, found.said) == (WRONG, "MMCV==2.2.0 is used but incompatible")
    assert "mmcv-lite" in found.fix
