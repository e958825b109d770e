"""tools/zoo/pack.py: what it keeps of a checkpoint, and how it refuses."""

import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

from ovdet.engine import load_checkpoint

SCRIPT = Path(__file__).parents[2] / "tools/zoo/pack.py"


@pytest.fixture
def pack():
    spec = importlib.util.spec_from_file_location("tool_pack", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_weights_alone_are_kept_in_half_the_bits(pack, tmp_path, capsys):
    weights = {"a": torch.tensor([[1.0, 2], [3, 1 / 3]]).T, "count": torch.tensor(70_000)}
    torch.save({"model": weights, "iter": 3}, tmp_path / "iter_3.pth")
    out = tmp_path / "small.safetensors"
    assert pack([str(tmp_path / "iter_3.pth"), str(out)]) == 0
    record = load_checkpoint(out)
    assert set(record) == {"model"}
    assert torch.equal(record["model"]["a"], weights["a"].half())
    assert torch.equal(record["model"]["count"], weights["count"])
    assert capsys.readouterr().out.strip().endswith(hashlib.sha256(out.read_bytes()).hexdigest())


def test_a_broken_checkpoint_is_one_line(pack, tmp_path, capsys):
    (tmp_path / "iter_3.pth").write_bytes(b"nothing")
    assert pack([str(tmp_path / "iter_3.pth"), str(tmp_path / "small.safetensors")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("pack.py: ")
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["iter_3.pth"]
