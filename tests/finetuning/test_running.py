import json

import numpy as np
import pytest
import torch
from squares import write_squares

import ovdet
from ovdet.finetuning import Plan, finetune
from ovdet.finetuning.running import REPORT
from ovdet.structures import InputError


def teach(small, data, tmp_path, **options):
    config, weights = small
    plan = Plan(
        data, tmp_path / "mine", model=str(config), checkpoint=weights, **{"steps": 2} | options
    )
    told = []
    return finetune(plan, told.append), told


@pytest.mark.parametrize("how", ["head", "lora", "full"])
def test_the_folder_is_a_model_and_the_report_lies_in_it(small, data, held_out, tmp_path, how):
    if how == "lora":
        pytest.importorskip("peft")
    report, told = teach(small, data, tmp_path, how=how, held_out=str(held_out))
    folder = tmp_path / "mine"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.py",
        REPORT,
        "weights.safetensors",
    ]
    assert json.loads((folder / REPORT).read_text()) == json.loads(report.encode())
    assert [held.name for held in report.others] == ["held out"]
    assert any("learning, 2 steps" in line for line in told)
    model = ovdet.load(folder)
    assert model.name == "mine"
    assert (model.settings.short, model.settings.max) == (48, 64)
    result = model.detect(np.zeros((48, 48, 3), np.uint8), ["jade", "coal"], threshold=0.0)
    assert set(result.labels) <= {"jade", "coal"}


def test_new_names_mean_what_was_learnt_and_others_what_they_did(small, data, tmp_path):
    teach(small, data, tmp_path)
    before, after = ovdet.load(small[0], checkpoint=small[1]), ovdet.load(tmp_path / "mine")
    old, new = before.embed_text(["Ruby", "coal"]), after.embed_text(["Ruby", "coal"])
    assert torch.equal(old[1], new[1])
    assert (old[0] @ new[0]) < 0.999


def test_what_was_taught_can_be_taught_more(small, data, held_out, tmp_path):
    teach(small, data, tmp_path)
    plan = Plan(held_out, tmp_path / "more", model=str(tmp_path / "mine"), steps=1)
    finetune(plan, lambda _: None)
    first, second = ovdet.load(tmp_path / "mine"), ovdet.load(tmp_path / "more")
    assert torch.equal(first.embed_text(["ruby"]), second.embed_text(["ruby"]))
    assert not torch.equal(first.embed_text(["coal"]), second.embed_text(["coal"]))


def test_a_seed_gives_one_model(small, data, tmp_path):
    teach(small, data, tmp_path / "a", seed=1)
    teach(small, data, tmp_path / "b", seed=1)
    one, other = (ovdet.load(tmp_path / run / "mine") for run in "ab")
    assert torch.equal(one.embed_text(["ruby"]), other.embed_text(["ruby"]))


def test_without_boxes_there_is_nothing_to_learn(small, tmp_path):
    empty = write_squares(tmp_path / "empty", ["ruby"], boxes=False)
    with pytest.raises(InputError, match="holds no box to learn from"):
        teach(small, empty, tmp_path)
    assert not (tmp_path / "mine").exists()
