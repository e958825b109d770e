import os
import pickle

import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from ovdet.structures import InputError
from ovdet.structures.weights import (
    PUBLISHED,
    Unread,
    find_weights,
    pack_attention,
    read_folder_weights,
    read_weights,
)

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}


def same(found):
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(value, WEIGHTS[name]) for name, value in found.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 3},
        lambda w: {"model": {"state_dict": w}, "optimizer": {"lr": 0.1}},
        lambda w: {f"module.{name}": value for name, value in w.items()},
        lambda w: {**w, "step": 3},
    ],
)
def test_pickles_of_all_layouts(wrap, tmp_path):
    torch.save(wrap(WEIGHTS), tmp_path / "a.pth")
    same(read_weights(tmp_path / "a.pth"))


def test_a_training_log_is_passed_over(tmp_path):
    class Method:
        def __reduce__(self):
            return getattr, ("text", "upper")

    log = {"loss": HistoryBuffer([1.0, 0.5], [1, 1]), "of": Method()}
    torch.save({"state_dict": WEIGHTS, "message_hub": log}, tmp_path / "a.pth")
    same(read_weights(tmp_path / "a.pth"))
    with torch.serialization.safe_globals(PUBLISHED):
        found = torch.load(tmp_path / "a.pth", weights_only=True)["message_hub"]
    assert {type(value) for value in found.values()} == {Unread}
    assert not vars(found["loss"])


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    same(read_weights(tmp_path / "a.safetensors"))


def test_scripts_are_read_and_not_run(tmp_path):
    class Part(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(WEIGHTS["a.weight"])

        def forward(self, x):
            return x @ self.weight

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = Part()
            self.register_buffer("b", WEIGHTS["b"])

        def forward(self, x):
            return self.a(x) + self.b

    torch.jit.trace(Whole(), torch.zeros(1, 2)).save(tmp_path / "a.pt")
    same(read_weights(tmp_path / "a.pt"))


class Trap:
    def __reduce__(self):
        return print, ("sprung",)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04short", pickle.dumps(Trap()), None])
def test_what_is_no_file_of_weights_is_refused(content, tmp_path, capsys):
    file = tmp_path / "a.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pt: cannot be read as weights") as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)
    assert "sprung" not in capsys.readouterr().out


def test_a_missing_file_is_named_once(tmp_path):
    with pytest.raises(InputError) as caught:
        read_weights(tmp_path / "a.pt")
    assert str(caught.value) == f"{tmp_path}/a.pt: cannot be read as weights: " + os.strerror(2)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"a": Trap()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="cannot be read as weights"):
        read_weights(tmp_path / "a.pt")
    assert "sprung" not in capsys.readouterr().out


def test_a_list_holds_no_weights(tmp_path):
    torch.save([1, 2], tmp_path / "a.pt")
    assert read_weights(tmp_path / "a.pt") == {}


def test_a_path_comes_before_the_zoo(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    (tmp_path / "here.pt").touch()
    assert find_weights(str(tmp_path / "here.pt")) == tmp_path / "here.pt"
    assert find_weights("here.pt") == tmp_path / "here.pt"
    assert find_weights("none.pt") == tmp_path / "none.pt"


def test_attention_is_packed_where_it_is_wanted():
    three = {
        f"a.0.{part}_proj.{kind}": torch.full((2,), float(value))
        for value, part in enumerate("vkq")
        for kind in ("weight", "bias")
    }
    others = {"b.q_proj.weight": torch.zeros(1), "a.out_proj.weight": torch.ones(1)}
    packed = pack_attention(three | others, ("a.",))
    assert set(packed) == {"a.0.in_proj_weight", "a.0.in_proj_bias", *others}
    assert packed["a.0.in_proj_bias"].tolist() == [2, 2, 1, 1, 0, 0]  # queries, keys, values
    with pytest.raises(InputError, match=r"b\.in_proj_weight needs .* got \['q'\]"):
        pack_attention(others, ("a.", "b."))


def test_a_folder_is_read_in_one_file_or_in_several(tmp_path):
    names = ("a.safetensors", "b.bin")
    with pytest.raises(InputError, match=r"must hold weights, one of a\.safetensors, b\.bin"):
        read_folder_weights(tmp_path, names)
    for file, name in (("1.bin", "a.weight"), ("2.bin", "b")):
        torch.save({name: WEIGHTS[name]}, tmp_path / file)
    index = tmp_path / "b.bin.index.json"
    index.write_text('{"weight_map": {"a.weight": "1.bin", "b": "2.bin"}}')
    same(read_folder_weights(tmp_path, names))
    index.write_text("{}")
    with pytest.raises(InputError, match="must name its files under 'weight_map'"):
        read_folder_weights(tmp_path, names)
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    same(read_folder_weights(tmp_path, names))
