"""GPUs that are not there: a stand-in for torch says what torch would."""

from types import SimpleNamespace

import pytest

from ovdet.checkup import GOOD, NOTE, WRONG, devices


def fake(*, cuda="13.0", init=None, ones=lambda *_, **__: None):
    def refuse():
        if init:
            raise RuntimeError(init)

    facts = SimpleNamespace(name="H100", total_memory=80e9, major=9, minor=0)
    kind = SimpleNamespace(init=refuse, get_device_properties=lambda _: facts)
    version = SimpleNamespace(cuda=cuda, hip=None)
    return SimpleNamespace(cuda=kind, version=version, __version__="2.12", ones=ones)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(devices, "_DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_the_processor_is_told():
    first = next(devices.look())
    assert (first.name, first.state) == ("cpu", GOOD)
    assert "cores" in first.said


def test_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_DRIVER", tmp_path)
    assert devices.no_gpu(fake()).said == "no NVIDIA GPU is here"
    assert devices.no_gpu(fake()).state == GOOD


@pytest.mark.usefixtures("driver")
def test_a_gpu_that_torch_does_not_see(monkeypatch):
    built = devices.no_gpu(fake(cuda=None))
    assert built.state == WRONG
    assert "uninstall -y torch torchvision && " in built.fix
    old = devices.no_gpu(fake(init="The NVIDIA driver on your system is too old"))
    assert "is too old" in old.said
    assert "CUDA 13.0" in old.fix
    assert devices.no_gpu(fake()).state == WRONG
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    hidden = devices.no_gpu(fake(cuda=None))
    assert (hidden.state, hidden.fix) == (NOTE, "unset CUDA_VISIBLE_DEVICES")


def test_a_gpu_has_to_add():
    def fail(*_, **__):
        raise RuntimeError("CUDA error: no kernel image is available")

    assert "H100, 80 GB, compute capability 9.0, CUDA 13.0" in devices.gpu(fake(ones=fail), 0).said
    assert devices.gpu(fake(ones=fail), 0).state == WRONG

    def add(size, *, device):
        assert (size, device) == (2, "cuda:1")
        return SimpleNamespace(sum=lambda: SimpleNamespace(item=lambda: 2.0))

    assert devices.gpu(fake(ones=add), 1).state == GOOD
