"""A detector of bright blobs, one class a colour, exact to the pixel: red, green, blue."""

import cv2
import numpy as np
import torch
from torch import nn

from ovdet.apis.model import Model, Settings
from ovdet.structures import Regions, Text

NAMES = ("red", "a green  thing", "青")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


class BlobText(nn.Module):
    """One vector a name; counts how many it had to make."""

    def __init__(self):
        super().__init__()
        self.known = {}
        self.made = 0

    def forward(self, vocabulary):
        for name in vocabulary.names:
            if name not in self.known:
                self.made += 1
                self.known[name] = torch.ones(4) / 2
        return Text(torch.stack([self.known[name] for name in vocabulary.names]))


class BlobDetector(nn.Module):
    """Finds each connected patch of pure colour; the larger, the surer."""

    def __init__(self, masks=True):
        super().__init__()
        self.text = BlobText()
        self.masks = masks
        self.shapes = []

    def predict(self, samples, vocabulary, *, threshold, top_k):
        self.text(vocabulary)
        self.shapes.append([tuple(sample.image.shape[1:]) for sample in samples])
        return [self._one(sample, len(vocabulary), threshold)[:top_k] for sample in samples]

    def _one(self, sample, classes, threshold):
        planes = (sample.image > 0.5).numpy()
        boxes, scores, labels, masks = [], [], [], []
        for label in range(classes):
            count, parts = cv2.connectedComponents(planes[label].astype(np.uint8))
            for number in range(1, count):
                rows, columns = np.nonzero(parts == number)
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                scores.append(1 - 1 / (2 + len(rows) / 100))
                labels.append(label)
                masks.append(torch.from_numpy(parts == number))
        count, size = len(boxes), sample.image.shape[1:]
        regions = Regions(
            sample.to_original(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
            torch.zeros(count, dtype=torch.int64),
            torch.tensor(scores),
            torch.tensor(labels, dtype=torch.int64),
            torch.stack(masks) if count else torch.zeros(0, *size, dtype=torch.bool),
        )
        if not self.masks:
            regions.masks = None
        keep = regions.scores >= threshold
        order = regions.scores[keep].argsort(descending=True)
        return regions[keep][order]


def blob_model(masks=True, threshold=0.3):
    settings = Settings(short=None, threshold=threshold)
    return Model(BlobDetector(masks), settings, torch.device("cpu"), "blobs")


def paint(size, *blobs):
    """Return a black picture with rectangles, each (x1, y1, x2, y2, class)."""
    picture = np.zeros((*size, 3), np.uint8)
    for x1, y1, x2, y2, label in blobs:
        picture[y1:y2, x1:x2] = COLOURS[label]
    return picture
