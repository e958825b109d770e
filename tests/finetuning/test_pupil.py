import re

import pytest
import torch
from safetensors.torch import save_file

from ovdet.apis.described import read_described
from ovdet.finetuning.pupil import ROWS, Pupil, blend
from ovdet.finetuning.start import build_start, describe_pupil, parts_of
from ovdet.registry import build
from ovdet.structures import InputError, Regions, Sample, Vocabulary

NAMES = ("ruby", "jade")


@pytest.fixture
def pupil(small, tmp_path):
    """Return what makes a pupil that learns in a given way."""
    described = read_described(*small)
    facts = describe_pupil(described.facts["model"], NAMES, "small")
    file = tmp_path / "start.safetensors"
    save_file(parts_of(build_start(described, facts)), file)

    def make(how):
        made = Pupil(build(facts, "model"), str(file), how)
        made.vocabulary = Vocabulary(NAMES, novel=(True, True))
        return made.train()

    return make


def sample():
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62]])
    truth = Regions(boxes, torch.zeros(2, dtype=torch.int64), labels=torch.tensor([0, 1]))
    return Sample(torch.rand(3, 64, 64), 1, original_size=(64, 64), truth=truth)


def step(pupil):
    """Take a step; return the names of the detector's weights that changed."""
    before = parts_of(pupil.detector)
    learning = [p for p in pupil.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    losses = pupil([sample()])
    sum(losses.values()).backward()
    optimizer.step()
    after = parts_of(pupil.detector)
    return losses, {name for name in before if not torch.equal(before[name], after[name])}


def test_the_head_learns_the_vectors_of_new_names_alone(pupil):
    losses, changed = step(pupil("head"))
    assert changed == {ROWS}
    assert "loss_class" in losses
    assert not {"loss_objectness", "loss_rpn_box"} & set(losses)


def test_all_weights_learn_but_those_of_text_and_proposals(pupil):
    losses, changed = step(pupil("full"))
    parts = {name.split(".")[0] for name in changed - {ROWS}}
    assert parts == {"trunk", "branches", "boxes"}
    assert not [name for name in changed if name.endswith("background_vector")]
    assert not [name for name in changed if "running" in name]
    assert {"loss_keep_features", "loss_keep_names"} <= set(losses)


def test_low_rank_changes_end_in_weights_of_the_same_names(pupil):
    made = pupil("lora")
    names = set(pupil("head").learnt())
    start = pupil("head").learnt()
    _, changed = step(made)
    assert all("lora_" in name for name in changed - {ROWS})
    learnt = made.learnt()
    assert set(learnt) == names
    apart = {name for name in names if not torch.allclose(learnt[name], start[name], atol=1e-7)}
    assert {name.split(".")[0] for name in apart} <= {"text", "trunk", "branches", "boxes", "masks"}
    assert len(apart) > 1


def test_a_pupil_only_learns(pupil):
    made = pupil("head")
    with pytest.raises(InputError, match="a pupil only learns"):
        made([sample()], mode="predict")
    made.vocabulary = None
    with pytest.raises(InputError, match="with a vocabulary that is set"):
        made([sample()])


def test_weights_are_mixed_and_new_vectors_are_not():
    start = {"a": torch.tensor([0.0, 4.0]), "n": torch.tensor(3), ROWS: torch.zeros(1, 2)}
    tuned = {"a": torch.tensor([2.0, 0.0]), "n": torch.tensor(5), ROWS: torch.ones(1, 2)}
    mixed = blend(start, tuned, 0.25)
    assert mixed["a"].tolist() == [1.5, 1.0]
    assert mixed["n"] == 5
    assert mixed[ROWS].tolist() == [[1, 1]]


def test_weights_of_another_model_are_refused(small, tmp_path):
    described = read_described(*small)
    facts = describe_pupil(described.facts["model"], NAMES, "small")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=re.escape("holds the weights of another model")):
        Pupil(build(facts, "model"), str(tmp_path / "a.safetensors"))
