import os
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ovdet.engine.checkpoints import (
    find_last,
    load_checkpoint,
    load_weights,
    random_state,
    save_checkpoint,
    set_random_state,
)
from ovdet.structures import InputError


class Runs:
    """A pickle that would make a file when it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_the_newest_is_pointed_to_and_old_ones_go(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint({"model": {}, "iter": step}, tmp_path, f"iter_{step}.pth", keep=2)
    assert find_last(tmp_path).name == "iter_10.pth"
    assert sorted(p.name for p in tmp_path.glob("iter*")) == ["iter_10.pth", "iter_2.pth"]


def test_without_a_pointer_the_highest_number_counts(tmp_path):
    for step in (2, 10):
        (tmp_path / f"iter_{step}.pth").touch()
    assert find_last(tmp_path).name == "iter_10.pth"
    (tmp_path / "last_checkpoint").write_text("iter_77.pth\n")
    assert find_last(tmp_path).name == "iter_10.pth"


def test_an_empty_folder_has_none(tmp_path):
    assert find_last(tmp_path) is None


def test_what_a_kill_left_is_cleared_away(tmp_path):
    (tmp_path / ".iter_3.pth.abc").touch()
    save_checkpoint({"model": {}}, tmp_path, "iter_4.pth", keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iter_4.pth", "last_checkpoint"]


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    save_checkpoint({"model": {}}, tmp_path, "iter_1.pth", keep=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint({"model": {}}, tmp_path, "iter_2.pth", keep=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w}, lambda w: {"model": w}])
def test_weights_are_found_under_their_usual_names(tmp_path, wrap):
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save(wrap(model.state_dict()), tmp_path / "a.pth")
    load_weights(other, tmp_path / "a.pth")
    assert torch.equal(model.weight, other.weight)


def test_safetensors_are_read(tmp_path):
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    load_weights(other, str(tmp_path / "a.safetensors"))
    assert torch.equal(model.weight, other.weight)


def test_figures_of_numpy_are_read(tmp_path):
    record = {"state_dict": nn.Linear(2, 3).state_dict(), "meta": {"best": np.float64(0.5)}}
    torch.save(record | {"means": np.arange(3.0), "counts": np.arange(3)}, tmp_path / "a.pth")
    read = load_checkpoint(tmp_path / "a.pth")
    assert read["model"]["weight"].shape == (3, 2)
    assert read["meta"]["best"] == 0.5
    assert read["counts"].tolist() == [0, 1, 2]


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.pth: there is no such checkpoint"):
        load_checkpoint(tmp_path / "a.pth")


def test_code_is_refused_and_not_run(tmp_path):
    torch.save({"model": Runs(tmp_path / "made")}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"refused: it would call \w+\.mkdir"):
        load_checkpoint(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_damaged_files(tmp_path, name):
    weights = nn.Linear(50, 30).state_dict()
    path = tmp_path / name
    save_file(weights, path) if name.endswith("safetensors") else torch.save(weights, path)
    whole = path.read_bytes()
    cuts = [0, 1, 7, 100, len(whole) // 2, len(whole) - 1]
    for damaged in [whole[:cut] for cut in cuts] + [b"\0" * 500, b"hello" * 50]:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged or no"):
            load_checkpoint(path)


@pytest.mark.parametrize("record", [[], 3, {}, {"model": 3}, {"a": 1}, {"model": {"a": "b"}}])
def test_a_file_without_weights(tmp_path, record):
    torch.save(record, tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds no weights"):
        load_checkpoint(tmp_path / "a.pth")


def test_another_model_is_told_by_five_names(tmp_path):
    layers = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    torch.save({"0.weight": torch.zeros(3, 1), "x": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(InputError) as caught:
        load_weights(layers, tmp_path / "a.pth")
    told = str(caught.value)
    assert "another model than Sequential" in told
    assert "0.bias, 1.weight, 1.bias, 2.weight, 2.bias and 2 more missing" in told
    assert "x unknown" in told
    assert "0.weight [3, 1] instead of [1, 1] of another shape" in told
    assert "\n" not in told


def test_the_random_state_comes_back(tmp_path):
    torch.save({"model": {}, "random": random_state()}, tmp_path / "a.pth")

    def draw():
        return float(torch.rand(1)), np.random.rand(), random.random()  # noqa: NPY002

    first = draw()
    set_random_state(load_checkpoint(tmp_path / "a.pth")["random"])
    assert draw() == first
