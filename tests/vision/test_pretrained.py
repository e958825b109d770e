import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ovdet.registry import build
from ovdet.structures import InputError
from ovdet.vision.pretrained import load_pretrained


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    source = nn.Linear(3, 2)
    weights = {f"text.{name}": value for name, value in source.state_dict().items()}
    save_file(weights | {"image.weight": torch.zeros(1)}, tmp_path / "tiny.safetensors")
    return tmp_path, source


def test_a_file_of_the_zoo_fills_a_part(zoo):
    _, source = zoo
    filled = load_pretrained(nn.Linear(3, 2), "tiny.safetensors", "text.")
    assert torch.equal(filled.weight, source.weight)
    assert torch.equal(filled.bias, source.bias)


def test_a_path_is_as_good(zoo):
    folder, source = zoo
    path = str(folder / "tiny.safetensors")
    config = {
        "type": "Pretrained",
        "module": {"type": nn.Linear, "in_features": 3, "out_features": 2},
        "file": path,
        "prefix": "text.",
    }
    assert torch.equal(build(config, "model").weight, source.weight)


def test_half_precision_on_disk(zoo):
    folder, source = zoo
    halves = {name: value.half() for name, value in source.state_dict().items()}
    save_file(halves, folder / "half.safetensors")
    filled = load_pretrained(nn.Linear(3, 2), "half.safetensors")
    assert filled.weight.dtype == torch.float32
    assert torch.equal(filled.weight, source.weight.half().float())


def test_a_part_of_a_part(zoo):
    folder, source = zoo
    weights = {"tower.head.weight": source.weight, "tower.head.bias": source.bias}
    save_file(weights | {"tower.trunk.weight": torch.zeros(1)}, folder / "tower.safetensors")
    head = nn.ModuleDict({"head": nn.Linear(3, 2)})
    load_pretrained(head, "tower.safetensors", "tower.", parts=["head."])
    assert torch.equal(head["head"].weight, source.weight)
    with pytest.raises(InputError, match=r"is not a ModuleDict at 'tower\.': Unexpected key"):
        load_pretrained(head, "tower.safetensors", "tower.")


@pytest.mark.parametrize(
    ("module", "file", "message"),
    [
        (nn.Linear(3, 2), "none.safetensors", r"none\.safetensors: cannot be read as weights"),
        (nn.Linear(3, 2), "cut.safetensors", r"cut\.safetensors: cannot be read as weights"),
        (nn.Linear(4, 2), "tiny.safetensors", r"is not a Linear at 'text\.': size mismatch"),
        (nn.BatchNorm1d(2), "tiny.safetensors", r"is not a BatchNorm1d at 'text\.': Missing key"),
    ],
)
def test_what_does_not_fit_is_one_line(zoo, module, file, message):
    folder, _ = zoo
    whole = (folder / "tiny.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=message) as caught:
        load_pretrained(module, file, "text.")
    assert "\n" not in str(caught.value)


def test_a_missing_zoo_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"no model zoo at .*none: set OVDET_ZOO"):
        load_pretrained(nn.Linear(3, 2), "tiny.safetensors")
