import numpy as np
import pytest
import torch
from torch import nn

from ovdet.apis.model import Model, Settings
from ovdet.structures import Regions, Text


class StubText(nn.Module):
    """Unit vectors from a seeded table; counts the names it had to make one for."""

    class Bank:
        def __init__(self):
            self.encoded = 0
            self.known = {}

    def __init__(self):
        super().__init__()
        self.bank = self.Bank()

    def forward(self, vocabulary):
        for name in vocabulary.names:
            if name not in self.bank.known:
                self.bank.encoded += 1
                seed = torch.Generator().manual_seed(len(name))
                vector = torch.randn(8, generator=seed)
                self.bank.known[name] = vector / vector.norm()
        return Text(torch.stack([self.bank.known[name] for name in vocabulary.names]))


class StubDetector(nn.Module):
    """Finds the bright part of each picture, once for each class, with falling scores.

    The mask is the left half of the box.
    """

    def __init__(self, masks=True):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.text = StubText()
        self.masks = masks
        self.seen = []

    def predict(self, samples, vocabulary, *, threshold, top_k):
        self.text(vocabulary)
        self.seen.append([tuple(sample.image.shape) for sample in samples])
        return [self._one(sample, len(vocabulary), threshold, top_k) for sample in samples]

    def _one(self, sample, classes, threshold, top_k):
        bright = sample.image.mean(dim=0) > 0.5
        rows, columns = bright.any(1).nonzero().flatten(), bright.any(0).nonzero().flatten()
        count = classes if bright.any() else 0
        box = torch.zeros(4)
        if count:
            box = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
        boxes = sample.to_original(box.repeat(count, 1))
        scores = 0.9 / (1 + torch.arange(count))
        keep = (scores >= threshold) & (torch.arange(count) < top_k)
        masks = torch.zeros(count, 4, 4)
        masks[:, :, :2] = 1.0
        regions = Regions(
            boxes,
            torch.zeros(count, dtype=torch.int64),
            scores,
            torch.arange(count),
            masks if self.masks else None,
        )
        return regions[keep]


@pytest.fixture
def make_model():
    def make(masks=True, **settings):
        options = {"short": 40, "max": 80, "threshold": 0.3} | settings
        return Model(StubDetector(masks), Settings(**options), torch.device("cpu"), "stub")

    return make


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def scene():
    """A black picture of 40 x 60 px with a white box at x 10-30, y 20-36."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[20:36, 10:30] = 255
    return image
