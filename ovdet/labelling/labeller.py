"""One worker's work: blocks of pictures in, records out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ovdet.apis import Model, Result, load, read_image
from ovdet.apis.images import Pixels
from ovdet.labelling.parts import Record
from ovdet.labelling.plan import Question
from ovdet.structures import InputError

Make = Callable[[int], Model]
Pictures = Sequence[tuple[int, str]]  # place in the plan, path

# What a model raises on one picture that it cannot do; out of memory is a RuntimeError of torch's.
_UNABLE = (RuntimeError, ValueError, MemoryError, ArithmeticError, LookupError)


@dataclass(frozen=True)
class Loader:
    """Loads a model in a worker's process; see ``ovdet.load``.

    Attributes:
        model: What ``ovdet.load`` takes.
        checkpoint: Weights for a config file, or None.
        device: ``auto`` gives the workers the GPUs in turn, or the CPU where there is none.
        offline: Fetch nothing.
    """

    model: str
    checkpoint: str | None = None
    device: str = "auto"
    offline: bool = False

    def __call__(self, number: int) -> Model:
        """Return the model of the worker of this number, from 0 on."""
        import torch

        device, gpus = self.device, torch.cuda.device_count()
        if device == "auto" and gpus:
            device = f"cuda:{number % gpus}"
        return load(self.model, checkpoint=self.checkpoint, device=device, offline=self.offline)


class Labeller:
    """A model that is asked the same about all pictures.

    Args:
        model: Has ``detect(images, vocabulary, threshold=, top_k=, batch_size=)``.
        question: What is asked.

    Raises:
        InputError: If the model cannot be asked this: it is tried on a blank picture.
    """

    def __init__(self, model: Model, question: Question) -> None:
        self._model = model
        self._question = question
        self._detect([np.full((32, 32, 3), 127, np.uint8)])

    def __call__(self, block: Pictures) -> list[Record]:
        """Return a record of each picture; one that cannot be read or done says why."""
        records: list[Record] = []
        read: list[tuple[int, Pixels]] = []
        for index, path in block:
            try:
                read.append((index, read_image(path)))
            except InputError as error:
                records.append({"index": index, "bad": _line(error, path)})
        return records + self._label(read)

    def _label(self, pictures: list[tuple[int, Pixels]]) -> list[Record]:
        if not pictures:
            return []
        try:
            results = self._detect([pixels for _, pixels in pictures])
        except _UNABLE as error:
            if len(pictures) > 1:  # one of them spoils the batch
                return [record for picture in pictures for record in self._label([picture])]
            return [{"index": pictures[0][0], "bad": f"the model failed: {_line(error)}"}]
        pairs = zip(pictures, results, strict=True)
        return [_record(index, result) for (index, _), result in pairs]

    def _detect(self, images: list[Pixels]) -> list[Result]:
        asked = self._question
        return self._model.detect(
            [*images],
            asked.vocabulary,
            threshold=asked.threshold,
            top_k=asked.top_k,
            batch_size=len(images),
        )


def _record(index: int, result: Result) -> Record:
    objects = [
        {key: value for key, value in found.items() if key != "image_id"}
        for found in result.to_coco()
    ]
    return {"index": index, "size": list(result.image.shape[:2]), "objects": objects}


def _line(error: BaseException, path: str = "") -> str:
    """Return what an error says as one line, without the picture's path before it."""
    text = str(error).removeprefix(f"{path}: ")
    return " ".join(text.split()) or type(error).__name__
