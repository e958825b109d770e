import copy

import pytest
import torch

from ovdet.apis.described import read_described
from ovdet.engine import load_weights
from ovdet.finetuning.keeping import KeepStart
from ovdet.registry import build
from ovdet.structures import Regions, Sample, Vocabulary

NAMES = Vocabulary.of(["ruby"])


@pytest.fixture
def detector(small):
    made = build(read_described(*small).facts["model"], "model")
    load_weights(made, small[1])
    return made.eval()


def flow_of(detector, boxes):
    owner = torch.zeros(len(boxes), dtype=torch.int64)
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    truth = Regions(torch.tensor([[0.0, 0, 30, 30]]), torch.zeros(1, dtype=torch.int64))
    flow = detector.begin([Sample(image, 1, truth=truth)], NAMES)
    flow.proposals = Regions(torch.tensor(boxes).reshape(-1, 4), owner)
    return flow


def test_what_did_not_change_costs_nothing(detector):
    losses = KeepStart(copy.deepcopy(detector))(flow_of(detector, [[32.0, 32, 60, 60]]))
    assert set(losses) == {"loss_keep_features", "loss_keep_names"}
    assert losses["loss_keep_features"] == 0
    assert losses["loss_keep_names"].abs() < 1e-5


def test_embeddings_of_unlabelled_regions_alone_are_kept(detector):
    keep = KeepStart(copy.deepcopy(detector), weight=2.0)
    with torch.no_grad():
        detector.branches[0].embedder.project.weight.neg_()
        detector.branches[0].embedder.project.bias.neg_()
    free, labelled = [32.0, 32, 60, 60], [1.0, 1, 30, 30]
    # an embedding that was turned round has cosine -1: twice the weight
    turned = keep(flow_of(detector, [free, labelled]))["loss_keep_names"].item()
    assert turned == pytest.approx(4, abs=1e-4)
    assert keep(flow_of(detector, [labelled]))["loss_keep_names"] == 0
    assert keep(flow_of(detector, []))["loss_keep_names"] == 0


def test_features_are_compared_by_their_own_size(detector):
    start = copy.deepcopy(detector)
    flow = flow_of(detector, [])
    flow.features = [2 * level for level in flow.features]  # (2x - x)^2 / x^2
    torch.testing.assert_close(KeepStart(start)(flow)["loss_keep_features"], torch.tensor(1.0))


def test_the_start_is_no_part_of_the_model(detector):
    assert not KeepStart(detector).state_dict()
