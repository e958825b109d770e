"""What writes and how it refuses."""

import numpy as np
import pytest
import torch
from small_run import CONFIG, read_config
from torch import nn

from ovdet.cli import main
from ovdet.registry import MODELS, build
from ovdet.structures import Regions

IMAGES = 7  # of the small run's data


@MODELS.register_module()
class FirstWeightLabeler(nn.Module):
    """One box an image, whose embedding is the detector's first weight."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, sample):
        zero = torch.zeros(1, dtype=torch.int64)
        vector = self.detector.linear.weight[:1, :1].detach()
        sample.proposals = Regions(torch.ones(1, 4), zero, labels=zero + 2, embeddings=vector)
        return sample


@pytest.fixture
def weights(tmp_path):
    model = build(read_config().to_dict()["model"], "model")
    nn.init.constant_(model.linear.weight, 0.5)
    torch.save({"model": model.state_dict()}, tmp_path / "w.pth")
    return str(tmp_path / "w.pth")


def config(tmp_path, more=""):
    path = tmp_path / "small.py"
    path.write_text(CONFIG + more)
    return str(path)


def test_the_labeler_gets_the_trained_model_and_stored_pictures(tmp_path, weights, capsys):
    path = config(tmp_path, '\nlabeler = dict(type="FirstWeightLabeler")\n')
    out = tmp_path / "prepared.npz"
    assert main(["prepare", path, weights, str(out), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"written to {out}\n"
    with np.load(out) as stored:
        assert len([key for key in stored.files if key.endswith(".boxes")]) == IMAGES
        assert stored["3.embeddings"].tolist() == [[0.5]]
        assert stored["3.labels"].tolist() == [2]


def test_a_config_without_a_labeler_is_told(tmp_path, weights, capsys):
    words = [config(tmp_path), weights, str(tmp_path / "a.npz"), "--device", "cpu"]
    assert main(["prepare", *words]) == 2
    assert "ovdet prepare: the config must have an entry 'labeler'" in capsys.readouterr().err
    assert not (tmp_path / "a.npz").exists()
