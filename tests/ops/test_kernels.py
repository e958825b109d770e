import logging

import pytest
import torch

from ovdet.ops import kernels


@pytest.mark.parametrize("value", ["0", "", None])
def test_a_tensor_on_the_cpu_takes_the_reference(value, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    if value is not None:
        monkeypatch.setenv("TRITON_INTERPRET", value)
    assert not kernels.runs_triton(torch.zeros(1))


def test_a_missing_triton_is_told_once(monkeypatch, caplog):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda _: None)
    kernels._has_triton.cache_clear()
    with caplog.at_level(logging.DEBUG, kernels.__name__):
        assert not kernels.runs_triton(torch.zeros(1))
        assert not kernels.runs_triton(torch.zeros(1))
    kernels._has_triton.cache_clear()
    assert caplog.text.count("Triton is not installed") == 1


def test_an_old_gpu_takes_the_reference(monkeypatch, caplog):
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (6, 1))
    kernels._compiles_for.cache_clear()
    with caplog.at_level(logging.DEBUG, kernels.__name__):
        assert not kernels._compiles_for(device)
    kernels._compiles_for.cache_clear()
    assert "cuda:0 has (6, 1)" in caplog.text
