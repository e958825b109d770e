"""A model that can be foretold behind the application: names are colours, see tests/colours.py."""

import base64
import io
import threading

import numpy as np
import torch
from colours import PALETTE, ColourSegmentor
from PIL import Image
from torch import nn

from ovdet.apis.model import Model, Settings
from ovdet.structures import Text


class ColourText(nn.Module):
    """A unit vector a name: its length and one, as a direction."""

    def forward(self, vocabulary):
        vectors = torch.tensor([[float(len(name)), 1.0] for name in vocabulary.names])
        return Text(vectors / vectors.norm(dim=1, keepdim=True))


class ColourDetector(nn.Module):
    """Finds each colour that is named, as ColourSegmentor's instances; notes its batches.

    Attributes:
        open: While cleared, every batch waits.
        entered: Set as soon as a batch has begun.
    """

    def __init__(self):
        super().__init__()
        self.inner = ColourSegmentor("instance")
        self.text = ColourText()
        self.batches = []
        self.threads = set()
        self.open, self.entered = threading.Event(), threading.Event()
        self.open.set()

    def predict(self, samples, vocabulary, *, threshold, top_k):
        self.batches.append((len(samples), vocabulary.names))
        self.threads.add(threading.get_ident())
        self.entered.set()
        assert self.open.wait(20)
        found = self.inner.segment(samples, vocabulary, "instance")
        return [regions[regions.scores >= threshold][:top_k] for regions in found]


def make(module, short=None):
    return Model(module, Settings(short=short, max=100), torch.device("cpu"), "colours")


def picture(colour="red", size=(20, 12), patch=None):
    """Return a picture of one colour, with a patch (name, box) where given."""
    image = Image.new("RGB", size, tuple(255 * v for v in PALETTE.get(colour, (0, 0, 0))))
    if patch is not None:
        name, (x1, y1, x2, y2) = patch
        pixels = np.array(image)
        pixels[y1:y2, x1:x2] = np.array(PALETTE[name]) * 255
        image = Image.fromarray(pixels)
    return image


def encoded(image, kind="PNG", **how):
    """Return a picture's file in base64; bytes are taken as the file."""
    if isinstance(image, bytes):
        return base64.b64encode(image).decode()
    file = io.BytesIO()
    image.save(file, kind, **how)
    return base64.b64encode(file.getvalue()).decode()
