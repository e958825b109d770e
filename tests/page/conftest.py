from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ovdet.apis import Result
from ovdet.apis.model import Settings
from ovdet.page import Shelf
from ovdet.structures import Vocabulary
from ovdet.structures.prompts import Prompt, Prompts


class Counted:
    """Finds each name once, in a strip of its own: 0.9, 0.45, ...; notes what it is asked."""

    task, name, settings = "detect", "counted", Settings(threshold=0.3)

    def __init__(self):
        self.asked = []

    def detect(self, image, classes, *, threshold=None, top_k=100):
        named = all(not isinstance(one, Prompt) for one in classes)
        vocabulary = Vocabulary.of(classes) if named else Prompts.of(classes).vocabulary
        self.asked.append((tuple(classes), threshold, top_k))
        height, width = image.shape[:2]
        scores = np.array([0.9 / 2**i for i in range(len(classes))], np.float32)
        edges = np.linspace(0, width, len(classes) + 1).astype(int)
        masks = np.zeros((len(classes), height, width), np.uint8)
        for mask, (left, right) in zip(masks, pairwise(edges), strict=True):
            mask[4 : height - 4, left:right] = 1
        kept = scores >= threshold
        boxes = np.array([[left, 4, right, height - 4] for left, right in pairwise(edges)])
        return Result(
            boxes=boxes[kept].astype(np.float32),
            scores=scores[kept],
            class_ids=np.arange(len(classes))[kept],
            vocabulary=vocabulary,
            image=image,
            rles=tuple(coco_mask.encode(np.asfortranarray(m)) for m in masks[kept]),
        )


@pytest.fixture
def model():
    return Counted()


@pytest.fixture
def shelf(model):
    second = Counted()
    second.settings = Settings(threshold=0.5)
    return Shelf({"first": model, "second": second}.__getitem__, "first", ("second",))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my photo.png"
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[:, :, 1] = np.arange(200)
    Image.fromarray(pixels).save(path)
    return path
