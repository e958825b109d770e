"""Kernels compile for a GPU without one: the interpreter takes what the compiler may refuse."""

import os

import pytest
from kernels import build

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing"
)
NUMBERS = ["images", "channels", "rows", "columns"]


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize(("last", "aligned"), [(True, True), (False, False)])
@pytest.mark.parametrize(
    ("name", "kind"), [("pool", "fp16"), ("spread", "fp32"), ("spread", "i64")]
)
def test_roi_align(name, kind, last, aligned, samples):
    from ovdet.ops.kernels import roi_align

    kernel = getattr(roi_align, f"{name}_kernel")
    pointers = {f"m{i}": f"*{kind}" for i in range(6)} | {"boxes": "*fp32", "owners": "*i64"}
    pointers |= {"out": "*fp16"} if name == "pool" else {"gradient": "*fp16", "factor": "*fp32"}
    numbers = dict.fromkeys(NUMBERS, "i32") | {"reach": "fp32"}
    numbers |= {f"{letter}{i}": "i32" for letter in "hw" for i in range(6)}
    numbers |= {f"s{i}": "fp32" for i in range(6)}
    constants = {"LEVELS": 4, "SAMPLES": samples, "ALIGNED": aligned, "LAST": last}
    text = build(kernel, pointers, numbers, constants | {"CELLS": 64, "WIDTH": 8})
    assert "ld.global" in text
    assert ("atom.global" in text or "red.global" in text) == (name == "spread")


@pytest.mark.parametrize("cubic", [False, True])
@pytest.mark.parametrize("kind", ["u8", "fp16", "fp32"])
def test_crop_resize(kind, cubic):
    from ovdet.ops.kernels.crop_resize import crop_kernel

    pointers = {"out": "*fp32", "images": f"*{kind}", "places": "*i64", "owners": "*i64"}
    numbers = dict.fromkeys(["fill", "mean0", "mean1", "mean2", "std0", "std1", "std2"], "fp32")
    strides = ["by_image", "by_channel", "by_row", "by_column"]
    numbers |= dict.fromkeys(["count", "size", *strides], "i32")
    constants = {"CUBIC": cubic, "EIGHT_BIT": kind == "u8", "ROWS": 8, "COLUMNS": 32}
    assert "st.global" in build(crop_kernel, pointers, numbers, constants)
