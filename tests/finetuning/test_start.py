import pytest
import torch

from ovdet.apis.described import read_described
from ovdet.apis.model import Settings
from ovdet.engine import load_checkpoint
from ovdet.finetuning.retention import read_set
from ovdet.finetuning.start import build_start, describe_pupil, introduce
from ovdet.ops import unit_norm
from ovdet.structures import InputError, Regions, Vocabulary


def test_what_only_training_needed_is_left_out():
    facts = {
        "text": {"type": "A"},
        "trunk": {"type": "Pretrained", "module": {"type": "B", "x": (1, 2)}, "file": "b.pt"},
        "settings": {"type": "S", "objectives": [{"type": "O"}]},
    }
    assert describe_pupil(facts, ("ruby",), "here") == {
        "text": {"type": "TaughtClasses", "text": {"type": "A"}, "names": ["ruby"]},
        "trunk": {"type": "B", "x": [1, 2]},
        "settings": {"type": "S"},
    }
    assert facts["settings"]["objectives"], "the caller's own description must stay"


def test_a_model_without_a_text_slot_is_refused():
    with pytest.raises(InputError, match="here: has no text slot"):
        describe_pupil({"type": "A"}, ("ruby",), "here")


@pytest.fixture
def started(small):
    described = read_described(*small)
    facts = describe_pupil(described.facts["model"], ("ruby", "jade"), "small")
    return described, build_start(described, facts)


def test_the_start_is_the_model_itself(started, small):
    described, detector = started
    stored = load_checkpoint(small[1])["model"]
    own = detector.state_dict()
    assert len(own) == len(stored) + 1
    assert all(torch.equal(own[n.replace("text.", "text.text.")], v) for n, v in stored.items())
    names = Vocabulary.of(["jade", "coal"])
    torch.testing.assert_close(detector.text(names).classes, detector.text.text(names).classes)
    assert described.name == "small"


def test_a_first_guess_lies_between_text_and_what_the_boxes_show(started, data):
    _, detector = started
    dataset = read_set(data, data.parent, Settings(48, 64))
    names = dataset.vocabulary
    introduce(detector, dataset, names)
    sums = torch.zeros(2, 16)
    for sample in (dataset[i] for i in range(3)):
        regions = Regions(sample.truth.boxes, sample.truth.owner)
        with torch.no_grad():
            flow = detector.begin([sample], names)
            sums[sample.truth.labels[0]] += flow.embed(regions, 0)[0]
    expected = unit_norm(detector.text.text(names).classes + unit_norm(sums))
    torch.testing.assert_close(detector.text.rows.detach(), expected, rtol=1e-4, atol=1e-5)
