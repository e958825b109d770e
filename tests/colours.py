"""A segmentor that can be foretold: names are colours, and pixels have the class of their own."""

import torch
from torch import nn
from torch.nn import functional as F

from ovdet.registry import MODELS
from ovdet.segmentors import PANOPTIC, SEMANTIC, TASKS, Segmentor
from ovdet.structures import IGNORED, Regions

PALETTE = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "white": (1, 1, 1),
}
STEP = 70_000  # between panoptic ids, so that all three bytes of a colour are used

CONFIG = """
model = dict(type="ColourSegmentor", task="{task}")
predict = dict(short=12, max=100, threshold=0.3)
"""


@MODELS.register_module()
class ColourSegmentor(Segmentor):
    """Gives each pixel the class that is named by its colour; any other colour has none.

    Panoptic ids are 1 + STEP x class; the objects of ``instance`` are one a class, 0.8, 0.4, ...
    """

    tasks = TASKS

    def __init__(self, task="semantic", *, box_masks=False):
        super().__init__(task)
        self.weight = nn.Parameter(torch.zeros(1))
        self.box_masks = box_masks
        self.seen = []

    def segment(self, samples, vocabulary, task=SEMANTIC):
        self.check_task(task)
        self.seen.append([tuple(sample.image.shape) for sample in samples])
        maps = [self._labels(sample, vocabulary) for sample in samples]
        if task == SEMANTIC:
            return maps
        return [segments(m) if task == PANOPTIC else self._objects(m) for m in maps]

    def _labels(self, sample, vocabulary):
        labels = torch.full(sample.image.shape[1:], IGNORED)
        for place, name in enumerate(vocabulary.names):
            if name.strip() in PALETTE:
                colour = torch.tensor(PALETTE[name.strip()]).view(3, 1, 1)
                labels[((sample.image - colour).abs() < 0.5).all(dim=0)] = place
        full = F.interpolate(labels[None, None].float(), sample.original_size, mode="nearest-exact")
        return full[0, 0].long()

    def _objects(self, labels):
        classes = [c for c in labels.unique().tolist() if c != IGNORED]
        masks = [labels == c for c in classes]
        boxes = torch.tensor([box_of(mask) for mask in masks]).float().view(-1, 4)
        stacked = torch.stack(masks) if masks else torch.zeros(0, *labels.shape, dtype=torch.bool)
        if self.box_masks:
            stacked = torch.ones(len(masks), 2, 2)
        scores = 0.8 / 2 ** torch.arange(len(masks))
        owner = torch.zeros(len(masks), dtype=torch.int64)
        return Regions(boxes, owner, scores, torch.tensor(classes, dtype=torch.int64), stacked)


def segments(labels):
    """Return the segment ids of a label map, one a class, and the class of each."""
    ids = torch.where(labels == IGNORED, 0, 1 + STEP * labels)
    return ids, {1 + STEP * c: c for c in labels.unique().tolist() if c != IGNORED}


def box_of(mask):
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return [int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


def flag():
    """A picture of 12 x 20 px: red above, blue below, a green patch, a black corner.

    Returns the pixels and the labels for ``NAMES``.
    """
    pixels = torch.zeros(12, 20, 3, dtype=torch.uint8)
    labels = torch.full((12, 20), IGNORED)
    for rows, columns, label, colour in (
        (slice(0, 6), slice(0, 20), 0, "red"),
        (slice(6, 12), slice(0, 20), 1, "blue"),
        (slice(3, 8), slice(4, 9), 2, "green"),
    ):
        pixels[rows, columns] = torch.tensor(PALETTE[colour], dtype=torch.uint8) * 255
        labels[rows, columns] = label
    pixels[8:, 16:] = 0
    labels[8:, 16:] = IGNORED
    return pixels.numpy(), labels.numpy()


NAMES = (" red", "blue", "green", "something else")
# Pixels of the flag: 6 x 20 - 3 x 5 red, 6 x 20 - 2 x 5 - 4 x 4 blue, 5 x 5 green, 4 x 4 of none.
AREAS = (105, 94, 25, 0)
