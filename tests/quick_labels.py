"""A fake model for tests of labelling: what it finds follows from the pixels alone, at once."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ovdet.apis import Result
from ovdet.labelling import Parts, Question, Task, begin, label
from ovdet.labelling.parts import PartWriter
from ovdet.structures import InputError, Vocabulary

NAMES = ("cat", "red car", "日本")
KILLER = 66  # the red of a picture that kills its worker, of one that the model cannot do
FAILING = 77


class QuickModel:
    """Finds ``red % 4`` objects; class, place and score follow from green and blue."""

    def __init__(self, pause=0.0):
        self.pause = pause

    def detect(self, images, vocabulary, *, threshold=None, top_k=100, batch_size=1):
        assert batch_size == len(images)
        return [self._one(image, vocabulary, threshold or 0.0)[:top_k] for image in images]

    def _one(self, image, vocabulary, threshold):
        red, green, blue = (int(value) for value in image[0, 0])
        if red == KILLER:
            os.kill(os.getpid(), signal.SIGKILL)
        if red == FAILING:
            raise RuntimeError("the layer\nhas no memory")
        time.sleep(self.pause)
        height, width = image.shape[:2]
        count = red % 4
        offsets = np.arange(count, dtype=np.float32)
        left, top = offsets + green % 3, offsets + blue % 3
        boxes = np.stack([left, top, left + width / 2, top + height / 2], axis=1)
        scores = np.linspace(0.9, 0.3, count, dtype=np.float32)
        ids = (np.arange(count) + green) % len(vocabulary)
        found = Result(boxes.reshape(-1, 4), scores, ids, vocabulary, image)
        return found.filter(min_score=threshold)


@dataclass(frozen=True)
class Make:
    """Gives quick models; travels to other processes."""

    pause: float = 0.0

    def __call__(self, number):
        assert number >= 0
        return QuickModel(self.pause)


@dataclass(frozen=True)
class Broken:
    """Gives no model: it complains, or its process ends."""

    end: bool = False

    def __call__(self, number):
        if self.end:
            os.kill(os.getpid(), signal.SIGKILL)
        raise InputError(f"no model for worker {number}")


def paint(folder, count, size=(24, 16)):
    """Write pictures ``000.png`` and so on that differ in their colours; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        colour = (index % 60, index * 7 % 256, index * 11 % 256)
        Image.new("RGB", size, colour).save(folder / f"{index:03d}.png")
    return folder


def task_of(folder, **options):
    """Return the task of the files in a folder."""
    question = Question(Vocabulary.of(NAMES), options.pop("threshold", None))
    return Task.of(sorted(folder.iterdir()), question, options.pop("model", "quick"), **options)


def labelled(out, folder, **options):
    """Label a folder in one go; return the parts."""
    plan = begin(out, task_of(folder, **options), threads=1)
    return label(plan, Make())


def store(out, task, records):
    """Write records as a run would have; return the parts."""
    plan = begin(out, task, threads=1)
    with PartWriter(plan) as writer:
        writer.add(records)
    return Parts(plan)
